"""Process 1 of a container, and the commands that are process 1: no zombie, no lost exit code."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import sys
import textwrap
import time
from pathlib import Path

import pytest

from appsvc_runtime.system import process_one
from tests.support.container import Container, as_process_one, needs_namespace
from tests.support.launching import wait_until
from tests.support.serverapps import PLATFORM
from tests.support.servers import clean_environ, free_port

pytestmark = [pytest.mark.integration, needs_namespace]

# Starts 40 orphans that end at once, and a child of its own whose exit code it needs.
ORPHANS = """
import os, subprocess, sys
def orphans():
    for _ in range(40):
        pid = os.fork()
        if pid == 0:
            if os.fork() == 0:
                os._exit(3)
            os._exit(0)
        os.waitpid(pid, 0)
    codes = [subprocess.call(["sh", "-c", f"exit {n}"]) for n in (5, 6, 7)]
    assert codes == [5, 6, 7], codes
"""


def python(folder: Path, code: str, *options: str) -> list[str]:
    (folder / "program.py").write_text(textwrap.dedent(code))
    return [sys.executable, *options, "program.py"]


def without_zombies(container: Container) -> None:
    """Wait until no zombie is left; one that ended just now may still be there."""
    deadline = time.monotonic() + 20
    while (left := container.zombies()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left == 0, container.log()


STEPS_ASIDE = """
import os, signal, sys, threading, time
from appsvc_runtime.system.process_one import step_aside
{before}
step_aside()
print("own", os.getpid() > 1, os.getppid(), threading.active_count(), sys.argv[1:], flush=True)
{after}
"""
STOPS = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
signal.signal(signal.SIGUSR1, lambda *_: print("USR1", flush=True))
print("up", flush=True)
while True:
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("after", "code"),
    [("sys.exit(7)", 7), ("os.kill(os.getpid(), signal.SIGKILL)", 137), ("", 0)],
    ids=["code", "signal", "end"],
)
def test_exit_code_is_the_childs(tmp_path: Path, after: str, code: int) -> None:
    """With 128+n for a signal."""
    argv = python(tmp_path, STEPS_ASIDE.format(before="", after=after))
    with as_process_one([*argv, "a"], tmp_path, clean_environ()) as container:
        assert container.wait() == code
        assert "own True 1 1 ['a']" in container.log()


@pytest.mark.parametrize("threads", [False, True])
def test_signals_are_passed_on(tmp_path: Path, threads: bool) -> None:
    """Also if threads ran before, as those of an agent: the child has them too."""
    thread = "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    code = STEPS_ASIDE.format(before=thread if threads else "", after=STOPS)
    with as_process_one(python(tmp_path, code), tmp_path, clean_environ()) as container:
        container.wait_for("up")
        assert f"own True 1 {1 + threads} []" in container.log()
        container.signal(signal.SIGUSR1)
        container.wait_for("USR1")
        container.signal(signal.SIGTERM)
        assert container.wait() == 9


def test_ignored_child_signals_do_not_lose_the_code(tmp_path: Path) -> None:
    """A parent may have set SIGCHLD to be ignored, which is inherited."""
    code = STEPS_ASIDE.format(
        before="signal.signal(signal.SIGCHLD, signal.SIG_IGN)", after="sys.exit(7)"
    )
    with as_process_one(python(tmp_path, code), tmp_path, clean_environ()) as container:
        assert container.wait() == 7


def test_other_processes_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """This one is not process 1; and without a free process, process 1 continues itself."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    process_one.step_aside()
    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(process_one, "_continue", lambda mask: os.stat("/not/there").st_mode)
    process_one.step_aside()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


WORKER = f"""{ORPHANS}
from appsvc_runtime.worker import stop_requested, wait_for_stop
stop_requested()  # from here on it hears of signals
orphans()
print("orphaned", flush=True)
while not stop_requested():
    wait_for_stop(30)
print("cleaned up", flush=True)
"""


def test_worker(tmp_path: Path) -> None:
    """The launcher has no zombie, and stops its worker in order."""
    (tmp_path / "worker.py").write_text(WORKER)
    argv = [sys.executable, "-m", "appsvc_runtime.worker", "worker.py"]
    with as_process_one(argv, tmp_path, clean_environ()) as container:
        container.wait_for("orphaned")
        without_zombies(container)
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        assert "cleaned up" in container.log()


def test_emulated_job(tmp_path: Path, cache: Path) -> None:
    """An emulator in a container without an init process."""
    job = tmp_path / "site/App_Data/jobs/continuous/one"
    job.mkdir(parents=True)
    (job / "run.py").write_text(f"{ORPHANS}\norphans()\nprint('orphaned', flush=True)\ninput()\n")
    argv = [sys.executable, "-m", "appsvc_runtime", "emulate", "site", "--as", "webjob"]
    with as_process_one(argv, tmp_path, clean_environ(XDG_CACHE_HOME=str(cache))) as container:
        container.wait_for("orphaned", 60)
        without_zombies(container)
        container.signal(signal.SIGTERM)
        container.wait(60)


APP = f"""{ORPHANS}
def app(environ, start_response):
    orphans()
    print("orphaned", file=sys.stderr, flush=True)
    start_response("200 OK", [("Content-Length", "0")])
    return []
async def served(scope, receive, send):
    if scope["type"] == "http":
        orphans()
        print("orphaned", file=sys.stderr, flush=True)
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body"}})
"""


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.mark.parametrize(
    ("server", "app"),
    [
        ("gunicorn", "app:app"),
        ("waitress", "app:app"),
        ("granian", "app:app"),
        ("granian", "app:served"),
        ("uvicorn", "app:served"),
    ],
    ids=["gunicorn", "waitress", "granian", "granian-asgi", "uvicorn"],
)
def test_server(tmp_path: Path, server: str, app: str) -> None:
    """Whatever server runs the app: the app keeps its exit codes, and the stop is in order."""
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    argv = [sys.executable, "-m", "appsvc_runtime", "serve", "--server", server]
    environ = clean_environ(**PLATFORM)
    argv += ["--host", "127.0.0.1", "--port", str(port), app]
    with as_process_one(argv, tmp_path, environ) as container:
        container.wait_for("ready after")
        wait_until(lambda: listens(port), "a listening server")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200, container.log()
        connection.close()
        container.wait_for("orphaned")
        without_zombies(container)
        container.signal(signal.SIGTERM)
        assert container.wait() == 0, container.log()
