"""An emulator that is killed (SIGKILL) or stopped leaves no process, whatever host it emulates."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from appsvc_runtime.system import process_tree
from tests.emulator.integration.test_emulate_worker import csdef
from tests.support import daemons
from tests.support.emulator import FASTCGI, HTTPPLATFORM, alive_with, make_site, web_config
from tests.support.launching import wait_until
from tests.support.pythons import only_on
from tests.support.servers import clean_environ

pytestmark = pytest.mark.skipif(
    not process_tree.can_find_by_mark(), reason="only Linux finds a tree by its mark"
)
# A child in the session, a daemon outside of it, and an orphan: PDEATHSIG ends none of these. And
# daemons that hide.
STARTS = """
    import subprocess, sys
    subprocess.Popen(["sh", "-c", "setsid sleep 601 & sleep 602 & exec sleep 603"])
    exec(open("@DAEMONS@").read(), {})
"""
SERVER = f"""{STARTS}
    import os
    from http.server import BaseHTTPRequestHandler, HTTPServer
    port = os.environ.get("HTTP_PLATFORM_PORT") or os.environ["PORT"]
    HTTPServer(("0.0.0.0", int(port)), BaseHTTPRequestHandler).serve_forever()
"""
APP = f"""{STARTS}
    def app(environ, start_response):
        start_response("200 OK", [])
        return []
"""
WAITS = f"""{STARTS}
    import time
    time.sleep(600)
"""
HTTP_PLATFORM = web_config(
    HTTPPLATFORM + r'<httpPlatform processPath="D:\home\Python311x64\python.exe" '
    r'arguments="D:\home\site\wwwroot\server.py"/>'
)
LINUX = ("--as", "linux", "--port", "0", "--set", "SCM_DO_BUILD_DURING_DEPLOYMENT=false")
BUILT = ("--as", "linux", "--port", "0", "--instances", "2")
CASES = pytest.mark.parametrize(
    ("files", "command"),
    [
        pytest.param(
            {"web.config": HTTP_PLATFORM, "server.py": SERVER},
            ("emulate", "site", "--port", "0"),
            id="httpplatform",
        ),
        pytest.param(
            {
                "web.config": web_config(FASTCGI, '<add key="WSGI_HANDLER" value="app.app"/>'),
                "app.py": APP,
            },
            ("emulate", "site", "--port", "0", "--check"),
            id="fastcgi",
        ),
        pytest.param(
            {"server.py": SERVER},
            ("emulate", "site", *LINUX, "--startup-command", "python server.py"),
            id="linux",
        ),
        pytest.param(
            {"server.py": SERVER, "requirements.txt": ""},
            ("emulate", "site", *BUILT, "--startup-command", "python server.py"),
            id="linux-built-two-instances",
        ),
        pytest.param(
            {"ServiceDefinition.csdef": csdef("W"), "W/worker.py": WAITS},
            ("emulate", "site"),
            id="worker",
        ),
        pytest.param(
            {"App_Data/jobs/continuous/one/run.py": WAITS},
            ("emulate", "site", "--as", "webjob"),
            id="webjob",
        ),
        pytest.param(
            {"app.py": "", "requirements.txt": "", "wait.py": WAITS},
            ("build", "site", "--set", "PRE_BUILD_COMMAND=python wait.py"),
            id="build",
        ),
    ],
)


@CASES
def test_nothing_is_left(
    tmp_path: Path, cache: Path, files: dict[str, str | bytes], command: tuple[str, ...]
) -> None:
    """No process of the emulator's is left, nor its children's, nor the guard."""
    _run_and_end(tmp_path, cache, files, command, signal.SIGKILL)


@only_on(12)
@CASES
def test_nothing_is_left_after_a_stop(
    tmp_path: Path, cache: Path, files: dict[str, str | bytes], command: tuple[str, ...]
) -> None:
    """The same, when the emulator ends in order."""
    _run_and_end(tmp_path, cache, files, command, signal.SIGTERM)


def _run_and_end(
    folder: Path,
    cache: Path,
    files: dict[str, str | bytes],
    command: tuple[str, ...],
    number: signal.Signals,
) -> None:
    (folder / "pids").mkdir()
    (folder / "daemons.py").write_text(daemons.code(folder / "pids"))
    starting = str(folder / "daemons.py")
    texts = {name: str(text).replace("@DAEMONS@", starting) for name, text in files.items()}
    make_site(folder / "site", dict(texts))
    mark = f"OF=killed-{folder.name}-{os.getpid()}"
    pids: dict[str, int] = {}
    with (folder / "output").open("wb") as output:
        emulator = subprocess.Popen(
            # As an app setting too: a container gets none of this process's variables.
            [sys.executable, "-m", "appsvc_runtime", *command, "--set", mark],
            cwd=folder,
            env=clean_environ(OF=mark.removeprefix("OF="), XDG_CACHE_HOME=str(cache)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        each = 2 if "2" in command else 1
        times = sorted(["601", "602", "603"] * each)
        wait_until(lambda: _sleeping(mark) == times, "its start", 120)
        pids = daemons.started(folder / "pids")
        emulator.send_signal(number)
        emulator.wait(60)
        wait_until(lambda: not alive_with(mark), "the end of all of it, and of the guard")
        wait_until(lambda: not daemons.alive(pids), "the end of daemons without variables")
    except AssertionError:
        print(textwrap.indent((folder / "output").read_text(), "  "), daemons.alive(pids))
        raise
    finally:
        emulator.kill()
        emulator.wait()
        for pid in alive_with(mark):
            os.kill(pid, signal.SIGKILL)
        daemons.end(pids)


def _sleeping(mark: str) -> list[str]:
    """Return the sleep times of processes with a mark, sorted."""
    lines = []
    for pid in alive_with(mark):
        with contextlib.suppress(OSError):
            lines.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0"))
    return sorted(line[1] for line in lines if line[0] == "sleep")
