"""Uncaught exceptions reach the log and readers of standard error, also in child processes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT, run

SETUP = "import sys, threading, logging; from appsvc_runtime import configure_logging\n"
CONFIGURE = SETUP + "configure_logging()\n"
THREAD = "def f(): {}\nt = threading.Thread(target=f, name='mine'); t.start(); t.join()\n"

CASES = [
    pytest.param(
        "def f(): raise ValueError('oh')\nf()", "CRITICAL", "Uncaught exception",
        "ValueError: oh", 1, id="main",
    ),
    pytest.param(
        "class Stop(BaseException): pass\nraise Stop('oh')", "CRITICAL", "Uncaught exception",
        "Stop: oh", 1, id="main-other",
    ),
    pytest.param(
        THREAD.format("raise ValueError('oh')"), "CRITICAL", "Uncaught exception in thread mine",
        "ValueError: oh", 0, id="thread",
    ),
    pytest.param(
        THREAD.format("raise GeneratorExit('oh')"), "CRITICAL", "Uncaught exception in thread mine",
        "GeneratorExit: oh", 0, id="thread-other",
    ),
    pytest.param(
        "import atexit\n@atexit.register\ndef last(): raise ValueError('oh')", "ERROR",
        "Exception ignored in.* last", "ValueError: oh", 0, id="atexit",
    ),
    pytest.param(
        "class A:\n    def __del__(self): raise ValueError('oh')\nA()", "ERROR",
        "Exception ignored .*__del__", "ValueError: oh", 0, id="del",
    ),
    pytest.param(
        "class A:\n    def __del__(self): raise ValueError('oh')\na = A()", "ERROR",
        "Exception ignored .*__del__", "ValueError: oh", 0, id="del-at-the-end",
    ),
    pytest.param(
        "class M(type):\n    def __repr__(cls): raise KeyError\nclass C(metaclass=M):\n"
        "    def __call__(self): raise ValueError('oh')\n    __repr__ = None\n"
        "import atexit; atexit.register(C())", "ERROR", "Exception ignored in",
        "ValueError: oh", 0, id="cannot-be-shown",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("code", "level", "message", "error", "exit_code"), CASES)
def test_the_log_is_standard_output(
    code: str, level: str, message: str, error: str, exit_code: int
) -> None:
    """The container's user sees the error once; standard error is shown in the same place."""
    result = run("-c", CONFIGURE + code)
    assert result.returncode == exit_code
    head, *trace = result.stdout.splitlines()
    assert re.search(rf" {level} appsvc_runtime\.uncaught \d+: {message}", head)
    assert trace[0] == "    Traceback (most recent call last):"
    assert trace[-1].endswith(error)
    assert all(line.startswith("    ") for line in trace)
    assert result.stderr == ""


@pytest.mark.parametrize(("code", "level", "message", "error", "exit_code"), CASES)
def test_the_log_is_a_file(
    code: str, level: str, message: str, error: str, exit_code: int, tmp_path: Path
) -> None:
    """Standard error has the exception too, as without this package, for an interactive user."""
    file = tmp_path / "app.log"
    result = run("-c", CONFIGURE + code, WSGI_LOG=str(file))
    assert (result.returncode, result.stdout) == (exit_code, "")
    head, *_, last = file.read_text().splitlines()
    assert re.search(rf" {level} appsvc_runtime\.uncaught \d+: {message}", head)
    assert last.endswith(error)
    assert error in result.stderr


@pytest.mark.parametrize(
    ("code", "exit_code", "stderr"),
    [
        pytest.param("raise KeyboardInterrupt", -2, "KeyboardInterrupt", id="interrupt"),
        pytest.param("raise SystemExit('bye')", 1, "bye", id="exit"),
        pytest.param(THREAD.format("raise SystemExit"), 0, "", id="exit-of-a-thread"),
    ],
)
def test_what_is_no_error(code: str, exit_code: int, stderr: str) -> None:
    """KeyboardInterrupt and SystemExit are not logged."""
    result = run("-c", CONFIGURE + code)
    assert (result.returncode, result.stdout) == (exit_code, "")
    assert result.stderr.strip().endswith(stderr)


def test_hooks_of_others_are_called_too() -> None:
    """Earlier hooks are called, and so are later ones that pass the error on."""
    hooks = (
        "def main(*a): print('first main', a[1])\n"
        "def thread(a): print('first thread', a.exc_value)\n"
        "def rest(a): print('first rest', a.exc_value)\n"
        "sys.excepthook, threading.excepthook, sys.unraisablehook = main, thread, rest\n"
        "configure_logging()\n"
        "ours = sys.excepthook\n"
        "def later(*a): print('later main', a[1]); ours(*a)\n"
        "sys.excepthook = later\n"
        "configure_logging()\n"
        "class A:\n    def __del__(self): raise ValueError('c')\n"
        "A()\n"
    )
    code = SETUP + hooks + THREAD.format("raise ValueError('b')") + "raise ValueError('a')"
    result = run("-c", code)
    assert result.stderr == ""
    for once in ("first main a", "later main a", "first thread b", "first rest c"):
        assert result.stdout.count(once) == 1
    assert result.stdout.count("appsvc_runtime.uncaught") == 3


SILENCED = [
    pytest.param("logging.disable(logging.CRITICAL)", id="logging-disabled"),
    pytest.param("logging.getLogger().handlers.clear()", id="no-handlers"),
    pytest.param(
        "logging.getLogger('appsvc_runtime.uncaught').disabled = True", id="logger-disabled"
    ),
    pytest.param("sys.stdout = None", id="no-standard-output"),
    pytest.param("sys.stdout.close()", id="standard-output-closed"),
    pytest.param(
        "h = logging.Handler(); h.emit = lambda record: 1 / 0\n"
        "logging.getLogger().handlers.insert(0, h)", id="a-handler-of-somebody-fails",
    ),
]  # fmt: skip


@pytest.mark.parametrize("silence", SILENCED)
def test_an_error_is_never_lost(silence: str) -> None:
    """If the log does not have the error, standard error does."""
    code = "class A:\n    def __del__(self): raise ValueError('c')\nA()\n"
    code += THREAD.format("raise ValueError('b')") + "raise ValueError('a')"
    result = run("-c", f"{CONFIGURE}{silence}\n{code}")
    assert result.returncode == 1
    for error in "abc":
        assert f"ValueError: {error}" in result.stderr


def test_warnings() -> None:
    """Warnings are one line each in the log, and not on standard error."""
    code = "import warnings; warnings.warn('careful\\nnow'); warnings.warn('old', FutureWarning)"
    result = run("-c", CONFIGURE + code)
    first, second = result.stdout.splitlines()
    # Python 3.13 and later add the source line, as for code in files.
    line = r" WARNING py\.warnings \d+: <string>:3: UserWarning: careful\\nnow(\\n  import .*)?$"
    assert re.search(line, first)
    assert "FutureWarning: old" in second
    assert result.stderr == ""


def test_warnings_that_are_errors_stay_errors() -> None:
    """`-W error` still raises."""
    result = run("-W", "error", "-c", CONFIGURE + "import warnings; warnings.warn('careful')")
    assert result.returncode == 1
    assert "UserWarning: careful" in result.stdout


def test_a_forked_child_writes_too(tmp_path: Path) -> None:
    """Like gunicorn's workers, it uses the master's handler, with its own process id."""
    code = (
        "import os\n"
        "pid = os.fork()\n"
        "logging.getLogger('shop').warning('%s', 'parent' if pid else 'child')\n"
        "if pid: os.waitpid(pid, 0); print(os.getpid(), pid)\n"
    )
    file = tmp_path / "app.log"
    result = run("-c", CONFIGURE + code, WSGI_LOG=str(file))
    parent, child = result.stdout.split()
    lines = [re.findall(r"shop (\d+): (\w+)", line)[0] for line in file.read_text().splitlines()]
    assert sorted(lines) == sorted([(parent, "parent"), (child, "child")])


@pytest.mark.parametrize(
    "quieten", ["h.addFilter(lambda r: False)", "h.setLevel(100)", "logging.disable()"]
)
def test_an_exception_that_the_log_did_not_take(quieten: str) -> None:
    """It goes to standard error, as without this package."""
    code = (
        "import logging\nfrom appsvc_runtime import configure_logging\n"
        f"h = configure_logging()\n{quieten}\nraise ValueError('dead')\n"
    )
    result = run("-c", code)
    assert result.returncode == 1
    assert "ValueError: dead" in result.stderr


def test_hooks_that_somebody_took_away_are_put_back() -> None:
    """A second configuration installs the hooks again."""
    code = (
        "import sys\nfrom appsvc_runtime import configure_logging\nconfigure_logging()\n"
        "sys.excepthook = sys.__excepthook__\nconfigure_logging()\nraise ValueError('dead')\n"
    )
    result = run("-c", code)
    assert "Uncaught exception" in result.stdout
    assert result.stderr == ""


def test_standard_output_by_its_name(tmp_path: Path) -> None:
    """Printed and logged lines do not overwrite each other in a file."""
    code = (
        "import logging\nfrom appsvc_runtime import configure_logging\n"
        "configure_logging(file='/dev/stdout')\n"
        "for i in range(3): print('printed', i, flush=True); logging.info('logged %d', i)\n"
    )
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True, cwd=ROOT, timeout=30)
    lines = (tmp_path / "out").read_text().splitlines()
    assert [line.split(": ")[-1] for line in lines] == [
        "printed 0", "logged 0", "printed 1", "logged 1", "printed 2", "logged 2",
    ]  # fmt: skip
