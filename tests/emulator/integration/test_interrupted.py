"""Ctrl-C in the first moments of a command: it ends at once, with 130 and without a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.emulator import alive_with, make_site
from tests.support.pythons import only_on
from tests.support.servers import clean_environ, run

pytestmark = [
    only_on(12),
    pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc"),
]
JOB = "App_Data/jobs/continuous/queue/run.py"
STATE = ".appsvc/shop/linux/built/.appsvc-build.json"
# The arguments, how often in 0.6 s, and what is printed once the command has done its work: from
# then on Ctrl-C is its normal end.
COMMANDS = [
    pytest.param(["build"], 20, "Built in", id="build"),
    pytest.param(["emulate", "--as", "linux", "--port", "0"], 20, "Ready ", id="linux"),
    pytest.param(["emulate", "--as", "webjob"], 8, "Ready ", id="webjob"),
    pytest.param(["emulate", "--as", "fastcgi", "--port", "0"], 5, "Ready ", id="fastcgi"),
    pytest.param(["explain"], 5, "Because:", id="explain"),
]
WEB_CONFIG = """
    <configuration><system.webServer><handlers><add name="a" path="*" verb="*"
    modules="FastCgiModule" scriptProcessor="python.exe|wfastcgi.py"/></handlers>
    </system.webServer><appSettings><add key="WSGI_HANDLER" value="app.app"/></appSettings>
    </configuration>
"""


@pytest.mark.parametrize(("arguments", "points", "done"), COMMANDS)
def test_ctrl_c_in_the_first_moments(
    tmp_path: Path, cache: Path, arguments: list[str], points: int, done: str
) -> None:
    """Nothing is left running or half written, and the next run starts where it should."""
    site = make_site(tmp_path / "shop", {"app.py": "", "requirements.txt": "", JOB: "input()"})
    if "fastcgi" in arguments:
        make_site(site, {"web.config": WEB_CONFIG})
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    mark = f"interrupted-{os.getpid()}-{tmp_path.name}"
    variables = {"MARK": mark, "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(cache)}
    command = ("-m", "appsvc_runtime", *arguments)
    for point in range(points):
        started = subprocess.Popen(
            [sys.executable, *command], cwd=site, env=clean_environ(**variables),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            started.wait(0.6 * point / (points - 1))
        except subprocess.TimeoutExpired:
            started.send_signal(signal.SIGINT)
        try:
            printed, errors = started.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            # Python drops a Ctrl-C that comes in the middle of its import of a module, about once
            # in 150 times, and says so: then the user presses it again.
            started.send_signal(signal.SIGINT)
            printed, errors = started.communicate(timeout=60)
            assert "Exception ignored in" in errors, (point, printed, errors)
            continue
        finally:
            started.kill()
        told = f"{point}: {started.returncode}\n{printed}\n{errors}"
        # Before Python itself listens, the signal ends it: for a shell that is 130 too. While it
        # starts, it reports Ctrl-C itself.
        ended = {130, -signal.SIGINT, *([0] if done in printed else [])}
        assert started.returncode in ended or "Fatal Python error: init_" in errors, told
        assert "cli/main.py" not in errors, told
        assert "appsvc_runtime/emulator/" not in errors, told
        deadline = time.monotonic() + 20
        while left := alive_with(mark):
            assert time.monotonic() < deadline, (left, told)
            time.sleep(0.05)
        state = tmp_path / STATE
        assert not state.exists() or isinstance(json.loads(state.read_text()), dict), told
        # A tool such as venv, which is killed, may leave a folder by Python's own name for such.
        assert [name for name in os.listdir(temporary) if not name.startswith("tmp")] == [], told
    if arguments[0] == "build":
        whole = run(*command, cwd=site, timeout=240, **variables)
        assert whole.returncode == 0, whole.stdout + whole.stderr
        assert json.loads((tmp_path / STATE).read_text())["finished"]


def test_ctrl_c_that_is_ignored(tmp_path: Path) -> None:
    """In a background job of a shell it stays ignored."""
    site = make_site(tmp_path / "shop", {"app.py": ""})
    script = f"trap '' INT; {sys.executable} -m appsvc_runtime explain & kill -INT $!; wait $!"
    done = subprocess.run(
        ["sh", "-c", script], cwd=site, env=clean_environ(), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Because:" in done.stdout
