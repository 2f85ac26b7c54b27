"""The real wfastcgi in one process: its start, its responses and its end are those under IIS."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appsvc_runtime.emulator.iis.fastcgi.errors import FastCgiExitError
from appsvc_runtime.emulator.iis.fastcgi.exchange import Response
from appsvc_runtime.emulator.iis.fastcgi.process import FastCgiProcess
from tests.support.fastcgi_emulated import Log, params, pieces, real, run_process, until

pytestmark = pytest.mark.integration


async def ask(process: FastCgiProcess, folder: Path, target: str, **more: object) -> Response:
    """Send a request."""
    return await process.request(params(folder, target), **more)  # type: ignore[arg-type]


def test_wfastcgi_runs_as_iis_runs_it(tmp_path: Path) -> None:
    """The process cannot see that it was started differently; it reads the copied settings."""
    folder = tmp_path / "mit Blank und é ł"
    folder.mkdir()
    (folder / "Web.config").write_text("<configuration><appSettings/>this one is not read")
    seen = []

    async def work(process: FastCgiProcess) -> None:
        seen.append((await ask(process, folder, "/python")).body)

    run_process(real(folder, Log()), work)
    argv, first, cwd, name, file, original, greeting, physical = ast.literal_eval(seen[0].decode())
    assert argv == [file]
    assert os.path.basename(file) == "wfastcgi.py"
    assert (first, name, greeting) == (".", "__main__", "hello")
    assert os.path.samefile(cwd, folder)
    assert original is None or original[1:] == argv
    assert physical == os.path.join(folder, "")


def test_wfastcgi_answers_and_fails_as_it_does(tmp_path: Path) -> None:
    """An exception is a 500 with its traceback, before or after the first part of the response."""

    async def work(process: FastCgiProcess) -> None:
        for path, word in (("/raise", b"the app broke"), ("/late", b"late")):
            answer = await ask(process, tmp_path, path)
            assert isinstance(answer.body, bytes)
            assert answer.status == 500
            assert b"Traceback" in answer.body
            assert word in answer.body
        answer = await process.request(params(tmp_path, "/x", "POST"), pieces(300_000), 300_000)
        assert answer.body == b"number 1, 300000 bytes"
        with pytest.raises(FastCgiExitError, match="exit code 3"):
            await ask(process, tmp_path, "/exit")

    run_process(real(tmp_path, Log()), work)


def test_an_app_that_cannot_be_loaded_is_a_500_and_the_end(tmp_path: Path) -> None:
    """The text is wfastcgi's."""

    async def work(process: FastCgiProcess) -> None:
        answer = await ask(process, tmp_path, "/")
        assert isinstance(answer.body, bytes)
        assert answer.status == 500
        assert b"could not be imported" in answer.body
        await until(process.gone.is_set, "its end")
        assert (process.returncode, process.failure) == (0, "")

    run_process(real(tmp_path, Log(), settings={"WSGI_HANDLER": "nothing.there"}), work)


EXIT_TASK = """
import __main__, os
__main__.on_exit(lambda: open("left", "w").write(os.environ.get("_FCGI_SHUTDOWN_EVENT_", "none")))
"""


@pytest.mark.parametrize("seconds", [0, 5])
def test_exit_tasks_run_at_the_end(tmp_path: Path, seconds: int) -> None:
    """The shutdown event starts them if there is one, else the closed connection."""
    launcher = real(tmp_path, Log(), signal_before_terminate_seconds=seconds)
    with (tmp_path / "site_app.py").open("a") as app:
        app.write(EXIT_TASK)

    async def work(process: FastCgiProcess) -> None:
        await ask(process, tmp_path, "/")
        await process.close(signal_seconds=seconds)

    assert run_process(launcher, work).returncode == 0
    assert ((tmp_path / "left").read_text() == "none") == (seconds == 0)


def test_a_shutdown_event_that_nobody_waits_for_is_not_waited_for(tmp_path: Path) -> None:
    """Otherwise Ctrl-C would wait thirty seconds for nothing."""

    async def work(process: FastCgiProcess) -> None:
        await ask(process, tmp_path, "/")
        begun = time.monotonic()
        await process.close(signal_seconds=30)
        assert time.monotonic() - begun < 5

    run_process(real(tmp_path, Log(), signal_before_terminate_seconds=30), work)


OLD = [Path.home() / ".pyenv/versions" / v / "bin/python" for v in ("3.8.18", "3.10.13", "3.13.0")]


@pytest.mark.parametrize("python", OLD, ids=lambda path: path.parts[-3])
def test_other_interpreters(tmp_path: Path, python: Path) -> None:
    """The site's Python may be older than ours, and have no packages."""
    if not python.exists():
        pytest.skip("not installed")
    if subprocess.run([python, "-c", "import ctypes, xml.dom.minidom"], check=False).returncode:
        pytest.skip("not complete")

    async def work(process: FastCgiProcess) -> None:
        assert (await ask(process, tmp_path, "/")).body == b"number 1, 0 bytes"

    run_process(real(tmp_path, Log(), python=str(python)), work)


def test_wfastcgi_writes_its_log(tmp_path: Path) -> None:
    """It opens WSGI_LOG itself."""

    async def work(process: FastCgiProcess) -> None:
        await ask(process, tmp_path, "/")

    run_process(real(tmp_path, Log(), settings={"WSGI_LOG": str(tmp_path / "wsgi.log")}), work)
    assert "initialized" in (tmp_path / "wsgi.log").read_text()


def test_the_script_knows_no_package() -> None:
    """It runs under interpreters that have no packages."""
    import appsvc_runtime.emulator.iis.fastcgi.wfastcgi_child as script

    assert script.__file__ is not None
    tree = ast.parse(Path(script.__file__).read_text("utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add((node.module or "").partition(".")[0])
    assert names <= set(sys.stdlib_module_names)
