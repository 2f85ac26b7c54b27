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
