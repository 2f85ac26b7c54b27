"""An emulator that is killed (SIGKILL) leaves no process, whatever host it emulates."""

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
from tests.support.emulator import FASTCGI, HTTPPLATFORM, alive_with, make_site, web_config
from tests.support.launching import wait_until
from tests.support.servers import clean_environ

pytestmark = pytest.mark.skipif(
    not process_tree.can_find_by_mark(), reason="only Linux finds a tree by its mark"
)
# A child in the session, a daemon outside of it, and an orphan: PDEATHSIG ends none of these.
STARTS = """
    import subprocess, sys
    subprocess.Popen(["sh", "-c", "setsid sleep 601 & sleep 602 & exec sleep 603"])
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


@pytest.mark.parametrize(
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
def test_nothing_is_left(
    tmp_path: Path, cache: Path, files: dict[str, str | bytes], command: tuple[str, ...]
) -> None:
    """No process of the emulator's is left, nor its children's, nor the guard."""
    make_site(tmp_path / "site", files)
    mark = f"OF=killed-{tmp_path.name}-{os.getpid()}"
    with (tmp_path / "output").open("wb") as output:
        emulator = subprocess.Popen(
            # As an app setting too: a container gets none of this process's variables.
            [sys.executable, "-m", "appsvc_runtime", *command, "--set", mark],
            cwd=tmp_path,
            env=clean_environ(OF=mark.removeprefix("OF="), XDG_CACHE_HOME=str(cache)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        each = 2 if "2" in command else 1
        times = sorted(["601", "602", "603"] * each)
        wait_until(lambda: _sleeping(mark) == times, "its start", 120)
        emulator.kill()
        emulator.wait()
        wait_until(lambda: not alive_with(mark), "the end of all of it, and of the guard")
    except AssertionError:
        print(textwrap.indent((tmp_path / "output").read_text(), "  "))
        raise
    finally:
        emulator.kill()
        emulator.wait()
        for pid in alive_with(mark):
            os.kill(pid, signal.SIGKILL)


def _sleeping(mark: str) -> list[str]:
    """Return the sleep times of processes with a mark, sorted."""
    lines = []
    for pid in alive_with(mark):
        with contextlib.suppress(OSError):
            lines.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0"))
    return sorted(line[1] for line in lines if line[0] == "sleep")
