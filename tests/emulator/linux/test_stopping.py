"""The stop of a container: what its first process is, and clients that still wait."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.stopping import Stopping, advise
from appsvc_runtime.emulator.processes.child import Child
from appsvc_runtime.system.init_shell import Shell
from tests.support.pythons import only_on

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]
LIMIT = 3.0
# Ends by SIGTERM, and notes that it has received it.
PROGRAM = """
import signal, sys, time
def stop(*_):
    open("received", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
open("started", "w").close()
time.sleep(60)
"""
RUN = f"{sys.executable} program.py"
KEEPS = "trap : TERM\n"


def stop(folder: Path, script: str, busy: Callable[[], bool], command: str = "") -> str:
    """Start a script and stop it as soon as its program runs; return what is said."""
    (folder / "program.py").write_text(PROGRAM)
    (folder / "start.sh").write_text(script)

    async def work() -> str:
        child = await Child.start(
            ["/bin/sh", str(folder / "start.sh")], environ={"PATH": os.environ["PATH"]},
            cwd=folder, say=lambda *_: None,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 20
            while not (folder / "started").exists():
                assert time.monotonic() < deadline, child.tail()
                await asyncio.sleep(0.01)
            return await Stopping(LIMIT, command, time.monotonic).stop(child, busy)
        finally:
            child.kill()
            await child.wait()

    return asyncio.run(work())


def idle() -> bool:
    return False


@pytest.mark.parametrize("before", ["exec ", "true && exec "])
def test_exec(before: str, tmp_path: Path) -> None:
    """The program takes the shell's place, and receives the signal."""
    said = stop(tmp_path, f"{KEEPS}{before}{RUN}\n", idle)
    assert said.startswith("SIGTERM ended it after")
    assert (tmp_path / "received").exists()


@pytest.mark.parametrize("inner", [False, True], ids=["command", "script"])
def test_a_shell_keeps_the_signal(inner: bool, tmp_path: Path) -> None:
    """Without a client nobody sees the wait for the limit, so it is left out."""
    (tmp_path / "inner.sh").write_text(f"{RUN}\ntrue\n")
    script = f"{KEEPS}{'sh inner.sh' if inner else RUN}\ntrue\n"
    began = time.monotonic()
    said = stop(tmp_path, script, idle)
    assert "SIGTERM reached its shell, which is process 1 and does not pass it on" in said
    assert "SIGKILL ends the rest (python" in said
    assert "`exec`" in said
    assert not (tmp_path / "received").exists()
    assert time.monotonic() - began < 20


@only_on(12)
@pytest.mark.parametrize("keeps", [KEEPS, ""], ids=["keeps", "ended"])
def test_a_client_that_waits(keeps: str, tmp_path: Path) -> None:
    """The program goes on until the client has its response, or to the limit."""
    asked = []

    def busy() -> bool:
        asked.append(time.monotonic())
        return len(asked) < 5

    stop(tmp_path, f"{keeps}{RUN}\ntrue\n", busy)
    assert len(asked) >= 5
    (tmp_path / "started").unlink()
    began = time.monotonic()
    stop(tmp_path, f"{keeps}{RUN}\ntrue\n", lambda: True)
    assert time.monotonic() - began >= LIMIT


def test_a_script_that_passes_the_signal_on(tmp_path: Path) -> None:
    """Its program ends by itself, in its own time."""
    script = f"{RUN} &\npid=$!\ntrap 'kill -TERM $pid' TERM\nwait\nwait $pid\n"
    assert "SIGTERM ended it after" in stop(tmp_path, script, idle, command=script)
    assert (tmp_path / "received").exists()


PLATFORM = Shell("sh", "/x/startup-0.sh")
INNER, OUTER = "`exec` before the last command in start.sh", "the startup command `exec {}`"
WITH_WORDS = "bash -e start.sh 'a b'"
END = "running requests end"


@pytest.mark.parametrize(
    ("command", "shells", "advice"),
    [
        pytest.param(
            "gunicorn app:app", [PLATFORM],
            f"a startup command that begins with `exec` lets {END}", id="command",
        ),
        pytest.param(
            "start.sh", [PLATFORM, Shell("sh", "/home/site/wwwroot/start.sh")],
            f"{INNER} and {OUTER.format('sh start.sh')} let {END}", id="script",
        ),
        pytest.param(
            "./start.sh", [PLATFORM, Shell("bash", "./start.sh")],
            f"{INNER} and {OUTER.format('bash start.sh')} let {END}", id="script-of-bash",
        ),
        pytest.param(
            WITH_WORDS, [PLATFORM, Shell("bash", "start.sh")],
            f"{INNER} and {OUTER.format(WITH_WORDS)} let {END}", id="by-bash",
        ),
        pytest.param(
            "start.sh", [PLATFORM], f"{OUTER.format('sh start.sh')} lets {END}",
            id="script-has-exec",
        ),
        pytest.param(
            "exec sh start.sh", [Shell("sh", "start.sh")], f"{INNER} lets {END}",
            id="startup-command-has-exec",
        ),
        pytest.param(
            "exec sh start.sh", [Shell("sh", "other.sh"), None],
            f"`exec` before the last command in each script lets {END}", id="another-script",
        ),
    ],
)  # fmt: skip
def test_where_exec_is_missing(command: str, shells: list[Shell | None], advice: str) -> None:
    """A script needs it in the startup command and in itself, and hears only of what is missing."""
    assert advise(command, shells) == advice


@pytest.mark.parametrize("replaces", [False, True], ids=["below", "exec"])
def test_a_script_that_the_command_names(replaces: bool, tmp_path: Path) -> None:
    """The shell of a script that has `exec` is not there any more."""
    (tmp_path / "inner.sh").write_text(f"{'exec ' if replaces else ''}{RUN}\n: end\n")
    said = stop(tmp_path, f"{KEEPS}sh inner.sh\n: end\n", idle, command="sh inner.sh")
    assert ("before the last command in inner.sh and" in said) is not replaces
    assert "the startup command `exec sh inner.sh` let" in said
