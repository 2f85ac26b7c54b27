"""FastCGI processes that are replaced or ended: changed files, restarts, closing everything."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from appsvc_runtime.emulator.processes.watch import watch
from tests.support.fastcgi_emulated import APP, Log, Running, fake, real, run_pool, until

pytestmark = pytest.mark.integration


async def changed(running: Running, app: str, expected: str) -> None:
    """Write a new version of the app and wait until it responds."""
    (running.folder / "site_app.py").write_text(app)
    deadline = time.monotonic() + 60
    while await running.text() != expected:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def test_a_changed_file_restarts_the_app(tmp_path: Path) -> None:
    """wfastcgi's own watcher detects it, and no client gets an error meanwhile."""
    log = Log()

    async def work(running: Running) -> None:
        told: list[str] = []

        async def tell(names: list[str]) -> None:
            told.extend(names)
            running.launcher.changed(names)

        watcher = asyncio.create_task(watch(tmp_path, tell, log))
        await until(lambda: (tmp_path / "probe").write_text("x") and told, "that it watches")
        assert await running.text() == "number 1, 0 bytes"
        (tmp_path / "notes.txt").write_text("not a reason")
        # Its length differs, or Python would reuse the bytecode compiled in the same second.
        await changed(running, APP.replace("NUMBER = 1", "NUMBER = 22"), "number 22, 0 bytes")
        watcher.cancel()
        await asyncio.wait([watcher])

    run_pool(real(tmp_path, log), tmp_path, log, work)
    assert "ended by itself, code 0" in log.text


@pytest.mark.parametrize(
    ("regex", "name", "restarts"),
    [
        pytest.param(None, "sub/page.py", True, id="python-by-default"),
        pytest.param(None, "web.config", True, id="config-by-default"),
        pytest.param(None, "page.html", False, id="others-not"),
        pytest.param(r".*\.html$", "sub/page.html", True, id="own-expression"),
        pytest.param(r"sub\\.*", "sub/é ł.txt", True, id="backslashes"),
        pytest.param("", "page.py", False, id="switched-off"),
    ],
)
def test_which_files_restart_the_app(
    tmp_path: Path, regex: str | None, name: str, restarts: bool
) -> None:
    """WSGI_RESTART_FILE_REGEX is matched against names with backslashes, as on Windows."""
    log = Log()
    settings = {} if regex is None else {"WSGI_RESTART_FILE_REGEX": regex}

    async def work(running: Running) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
        running.launcher.changed([name])  # nothing is watched before the first request
        assert (await running.get()).note == "python-1"
        assert (await running.get()).note == "python-1"
        running.launcher.changed(["gone.py", name])
        if restarts:
            await until(lambda: running.pool.labels == ["python-2"], "its replacement")
        else:
            await asyncio.sleep(0.2)
        assert await running.text() == "number 1, 0 bytes"
        assert running.pool.labels == ["python-2" if restarts else "python-1"]

    run_pool(real(tmp_path, log, settings=settings), tmp_path, log, work)


def test_too_many_changes_restart_the_app(tmp_path: Path) -> None:
    """There are more changes than the watcher's buffer holds, as on Windows."""
    log = Log()

    async def work(running: Running) -> None:
        await running.get()
        (tmp_path / "page.html").write_text("")
        running.launcher.changed(["page.html"] * 20_000)
        await until(lambda: running.pool.labels == ["python-2"], "its replacement")

    run_pool(real(tmp_path, log, settings={"WSGI_LOG": str(tmp_path / "log")}), tmp_path, log, work)
    assert "the buffer was full" in (tmp_path / "log").read_text()


def test_exit_tasks_run_when_all_is_closed(tmp_path: Path) -> None:
    """These are the exit tasks of wfastcgi."""
    log = Log()
    app = APP + "import __main__\n__main__.on_exit(lambda: open('left', 'w').close())\n"

    async def work(running: Running) -> None:
        await running.get()
        assert not (tmp_path / "left").exists()

    launcher = real(tmp_path, log, app=app, signal_before_terminate_seconds=5)
    run_pool(launcher, tmp_path, log, work, signal_before_terminate_seconds=5)
    assert (tmp_path / "left").exists()


def test_those_who_wait_are_told_when_all_is_closed(tmp_path: Path) -> None:
    """Waiting requests get an error page, and the request in progress ends with its process."""
    log = Log()
    tasks = []

    async def work(running: Running) -> None:
        tasks.extend(asyncio.create_task(running.get()) for _ in range(3))
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await running.pool.close()
        assert time.monotonic() - begun < 5
        assert [(await task).status for task in tasks] == [502, 503, 503]

    run_pool(fake(tmp_path, log, "hang"), tmp_path, log, work, max_instances=1)
