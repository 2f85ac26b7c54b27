"""The supervisor of uvicorn's workers: the exit code for an app that cannot be loaded."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from uvicorn.supervisors import Multiprocess

from appsvc_runtime.serving.uvicorn import run


@pytest.mark.parametrize(
    "ended",
    [pytest.param("before", id="before-the-check"), pytest.param("during", id="during-the-check")],
)
def test_a_worker_without_an_app_ends_the_server_with_1(
    ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This includes a worker that ends while uvicorn checks its workers, and then stops."""
    no_app = 3
    worker = SimpleNamespace(process=SimpleNamespace(exitcode=None))
    supervisor = run._Supervisor.__new__(run._Supervisor)
    supervisor.processes = [worker]  # type: ignore[list-item]
    supervisor.should_exit = threading.Event()
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
