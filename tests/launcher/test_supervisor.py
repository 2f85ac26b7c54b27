"""The launcher in this process: temporary errors of the machine are tried again."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.errors import ConfigError
from appsvc_runtime.launcher import run, supervisor
from appsvc_runtime.launcher.output import WorkerLog
from appsvc_runtime.launcher.plan import make_worker_plan
from appsvc_runtime.launcher.script import WorkerError
from appsvc_runtime.launcher.supervisor import Launcher
from appsvc_runtime.system.process_tree import Tree

LISTENS = """
from appsvc_runtime.worker import stop_requested, wait_for_stop

print("up", flush=True)
while not stop_requested():
    wait_for_stop(60)
print("stopped in order", flush=True)
"""
DEAF = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"


class Kept:
    """A target that stores what it gets."""

    def __init__(self) -> None:
        self.data = b""

    def append(self, data: bytes) -> None:
        """Store lines."""
        self.data += data

    def close(self) -> None:
        """Do nothing."""


def launch(folder: Path, monkeypatch: pytest.MonkeyPatch, **given: str) -> tuple[int, str]:
    """Run a worker that prints a word and exits with 3; return the exit code and the log."""
    (folder / "worker.py").write_text("print('ran')\nraise SystemExit(3)\n")
    monkeypatch.chdir(folder)
    named = {f"APPSVC_WORKER_{name}": value for name, value in given.items()}
    plan = make_worker_plan(["worker.py"], {}, module=False, given=named)
    kept = Kept()
    log = WorkerLog([kept])
    try:
        code = Launcher(plan, os.environ, log).run()
    finally:
        log.close()
    return code, kept.data.decode()


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE])
def test_no_room_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The launcher continues, with its pauses, and the worker runs as soon as possible."""
    real, refusals = supervisor.Run, [1, 2]

    def refuse(*arguments: Any, **named: Any) -> Any:
        if refusals:
            refusals.pop()
            raise OSError(number, os.strerror(number))
        return real(*arguments, **named)

    monkeypatch.setattr(supervisor, "Run", refuse)
    code, log = launch(tmp_path, monkeypatch, GIVE_UP_AFTER="3")
    assert code == 3
    assert log.count("It cannot be started now: ") == 2
    assert "run=3 out: ran" in log


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="Windows has no waitid")
def test_the_start_is_logged_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the worker has printed and ended before the launcher reports its start."""
    report = Launcher._report_start

    def wait_and_report(launcher: Launcher, pid: int) -> None:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        report(launcher, pid)

    monkeypatch.setattr(Launcher, "_report_start", wait_and_report)
    _, log = launch(tmp_path, monkeypatch, RESTART="never")
    assert 0 <= log.find("worker.py has started as process") < log.find("out: ran")


def test_interpreter_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is not temporary: one sentence, and the launcher ends."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(supervisor, "Run", refuse)
    with pytest.raises(WorkerError, match="cannot be started: No such file"):
        launch(tmp_path, monkeypatch)


def test_arguments_that_are_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error does not blame the interpreter, and the start is not tried again."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))

    monkeypatch.setattr(supervisor, "Run", refuse)
    with pytest.raises(ConfigError, match=r"^The arguments of worker\.py, .* are too long"):
        launch(tmp_path, monkeypatch)


def test_no_thread_to_listen_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The started process is killed: nothing would read its output, nor notice its end."""
    real, refusals = threading.Thread.start, [1]

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "err" and refusals:
            refusals.pop()
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(run.threading.Thread, "start", refuse)  # type: ignore[attr-defined]
    code, log = launch(tmp_path, monkeypatch, GIVE_UP_AFTER="2")
    assert code == 3
    assert log.count("It cannot be started now: ") == 1
    assert "run=2 out: ran" in log


def without_console(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str, **given: Any) -> str:
    """Run a worker that no signal reaches, as in a Windows service; stop it and return the log.

    The stop comes when `ups` of its runs (1) have printed `up`. `singleton` stands for a lease.
    """
    (folder / "worker.py").write_text(code)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(Tree, "ask_to_stop", lambda *_, **__: False)
    ups, singleton = given.pop("ups", 1), given.pop("singleton", None)
    named = {f"APPSVC_WORKER_{name}": value for name, value in given.items()}
    plan = make_worker_plan(["worker.py"], {}, module=False, given=named)

    class Stopping(Kept):
        """A target that stops the launcher."""

        def append(self, data: bytes) -> None:
            super().append(data)
            if b" out: up" in data and self.data.count(b" out: up") == ups:
                launcher.stop()

    kept = Stopping()
    log = WorkerLog([kept])
    launcher = Launcher(plan, os.environ, log, singleton)
    try:
        assert launcher.run() == 0
    finally:
        log.close()
    return kept.data.decode()


def test_worker_that_gets_no_signal_stops_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher's file asks it, and it has its time."""
    log = without_console(tmp_path, monkeypatch, LISTENS, GRACE="120")
    assert "out: stopped in order" in log
    assert "with exit code 0: it was asked to stop." in log


def test_worker_that_cannot_be_asked_is_killed_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at no file, and no signal reaches it."""
    log = without_console(tmp_path, monkeypatch, DEAF, GRACE="0.1")
    assert "it did not stop within 0.1 s and was killed; no CTRL+BREAK could be sent: only" in log


class Lease:
    """A lease that runs out in the first run, as `Singleton` shows it."""

    def may_start(self) -> bool:
        """Return that it is held."""
        return True

    def guard(self, tree: Tree, run: int) -> None:
        """Guard nothing."""

    def problem(self, run: int) -> str:
        """Return what is wrong in the first run, once its worker is up."""
        return "the lease is running out" if run == 1 and Path("up").exists() else ""

    def seconds_left(self, run: int) -> float:
        """Return a long time."""
        return 120.0

    def close(self) -> None:
        """Do nothing."""


def test_worker_without_lease_gets_the_file_and_the_next_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first stops in order when its lease runs out; the second goes on until the stop."""
    code = LISTENS.replace("while not", "open('up', 'w').close()\nwhile not")
    log = without_console(tmp_path, monkeypatch, code, ups=2, singleton=Lease())
    assert "run=1 out: stopped in order" in log
    assert "with exit code 0: the lease is running out." in log
    assert "run=2 out: stopped in order" in log
    assert "run=3" not in log
