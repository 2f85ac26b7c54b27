"""The supervisor of uvicorn's workers: the exit code for an app that cannot be loaded."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.supervisors import Multiprocess

from appsvc_runtime.serving.uvicorn import run


def stand_in(pid: int) -> Any:
    """Return a worker that runs until it has an exit code."""
    process = SimpleNamespace(exitcode=None, pid=pid)
    process.is_alive = lambda: process.exitcode is None
    return SimpleNamespace(process=process)


def make_supervisor(*workers: Any) -> Any:
    """Return a supervisor with these workers."""
    supervisor: Any = run._Supervisor.__new__(run._Supervisor)
    supervisor._connect()
    supervisor.processes = list(workers)
    supervisor.should_exit = threading.Event()
    return supervisor


def test_a_worker_that_starts_is_not_asked_for_signs_of_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Uvicorn would kill one that needs five seconds; but one that has died is replaced at once."""
    checked: list[Any] = []
    monkeypatch.setattr(Multiprocess, "keep_subprocess_alive", lambda it: checked.append(it))
    first, second = stand_in(1), stand_in(2)
    supervisor = make_supervisor(first, second)
    supervisor.keep_subprocess_alive()
    supervisor._for_workers[0].send_bytes(b"1")
    supervisor.keep_subprocess_alive()
    assert not checked
    first.process.exitcode = 1
    supervisor.keep_subprocess_alive()
    assert len(checked) == 1
    first.process.exitcode = None
    supervisor._for_workers[0].send_bytes(b"2")
    supervisor.keep_subprocess_alive()
    assert len(checked) == 2


@pytest.mark.parametrize(
    "ended",
    [pytest.param("before", id="before-the-check"), pytest.param("during", id="during-the-check")],
)
def test_a_worker_without_an_app_ends_the_server_with_1(
    ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This includes a worker that ends while uvicorn checks its workers, and then stops."""
    no_app = 3
    worker = stand_in(1)
    supervisor = make_supervisor(worker)
    supervisor._for_workers[0].send_bytes(b"1")
    checked = []

    def check(supervisor: Multiprocess) -> None:
        checked.append(supervisor)
        if ended == "during":
            worker.process.exitcode = no_app
            supervisor.processes = []  # as releases before 0.50 replace it

    monkeypatch.setattr(Multiprocess, "keep_subprocess_alive", check)
    supervisor.keep_subprocess_alive()
    if ended == "before":
        assert (supervisor.failed, supervisor.should_exit.is_set()) == (0, False)
        worker.process.exitcode = no_app
        supervisor.keep_subprocess_alive()
        assert len(checked) == 1
    assert (supervisor.failed, supervisor.should_exit.is_set()) == (1, True)
