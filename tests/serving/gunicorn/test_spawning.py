"""A stop signal that comes while a worker of gunicorn starts."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.support.servers import run, serving

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there"),
]
APP = "def app(environ, start_response):\n    raise AssertionError\n"
# The last worker to start has gunicorn stopped, and then waits a moment for its own signal.
CONFIGURATION = """\
import os, signal, time

came = []

def on_starting(server):
    print("own on_starting", flush=True)

def post_fork(server, worker):
    if worker.age == 2:
        before = signal.getsignal(signal.{name})
        def note(number, frame):
            came.append(number)
            before(number, frame)
        signal.signal(signal.{name}, note)
        os.kill(os.getppid(), signal.{name})
        until = time.monotonic() + 5
        while not came and time.monotonic() < until:
            time.sleep(0.01)
        print("own post_fork", flush=True)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_stop_while_a_worker_starts_is_not_lost(name: str, tmp_path: Path) -> None:
    """Gunicorn would wait for the worker until its graceful time is over; SIGINT stops quickly."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "gunicorn.conf.py").write_text(CONFIGURATION.format(name=name))
    result = run(
        *("-m", "appsvc_runtime", "serve", "app:app", "--host", "127.0.0.1", "--port", "0"),
        *("--server", "gunicorn", "--graceful-timeout", "120", "--workers", "2"),
        cwd=tmp_path,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "own on_starting" in result.stdout
    assert "own post_fork" in result.stdout


def test_a_program_that_the_app_starts_gets_signals(tmp_path: Path) -> None:
    """They are held only until the worker has its handlers: the app's import is later."""
    (tmp_path / "app.py").write_text(
        "import signal\n"
        "held = signal.pthread_sigmask(signal.SIG_BLOCK, ())\n"
        "print('held:', sorted(map(int, held)), flush=True)\n"
        f"{APP}"
    )
    serve = ("-m", "gunicorn", "-c", "python:appsvc_runtime.gunicorn_conf", "app:app")
    with serving(*serve, "--bind", "127.0.0.1:{port}", "--workers", "1", cwd=tmp_path) as server:
        server.wait_for_log("held: []")
        assert server.stop(signal.SIGTERM) == 0, server.log()


def test_a_program_that_a_hook_starts_gets_signals(tmp_path: Path) -> None:
    """What a hook starts, a program or a thread, inherits what is held."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "gunicorn.conf.py").write_text(
        "import signal\n"
        "def post_fork(server, worker):\n"
        "    held = signal.pthread_sigmask(signal.SIG_BLOCK, ())\n"
        "    print('held in the hook:', sorted(map(int, held)), flush=True)\n"
    )
    words = ("-m", "appsvc_runtime", "serve", "app:app", "--host", "127.0.0.1", "--port", "{port}")
    more = ("--server", "gunicorn", "--workers", "1")
    with serving(*words, *more, cwd=tmp_path) as server:
        server.wait_for_log("held in the hook: []")
        assert server.stop(signal.SIGTERM) == 0, server.log()
