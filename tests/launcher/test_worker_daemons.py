"""Daemons of a worker that hide from the launcher: none is left when their worker is over."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from appsvc_runtime.system import process_tree
from tests.support import daemons
from tests.support.launching import is_alive, launching, wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not process_tree.can_find_by_mark(), reason="only Linux finds a tree by its mark"
    ),
]


@pytest.mark.parametrize("how", ["stop", "second-signal", "crash", "killed", "guard-first"])
def test_no_daemon_is_left(tmp_path: Path, how: str) -> None:
    """After a stop, a crash of the worker, and SIGKILL of the launcher; a bystander lives on."""
    folder, other = tmp_path / "pids", tmp_path / "other"
    for path in (folder, other, tmp_path / "beside"):
        path.mkdir()
    waits = "\nprint('up', flush=True)\ntime.sleep(600)\n"
    beside = launching(tmp_path / "beside", "worker.py", code=daemons.code(other) + waits)
    with (
        beside as bystander,
        launching(
            tmp_path, "--grace", "1", "worker.py", code=daemons.code(folder) + waits
        ) as launched,
    ):
        launched.wait_for("up")
        bystander.wait_for("up")
        pids, others = daemons.started(folder), daemons.started(other)
        try:
            assert daemons.alive(pids) == [*pids]
            (worker,) = launched.pids()
            if how == "stop":
                assert launched.stop() == 0
            elif how == "second-signal":
                launched.process.send_signal(signal.SIGINT)
                launched.wait_for("is asked to stop")
                assert launched.stop(signal.SIGINT) == 0
            elif how == "crash":
                os.kill(worker, signal.SIGKILL)
                launched.pids(2)
            else:
                if how == "guard-first":  # it is started again
                    before = guard_of(launched.process.pid)
                    os.kill(before, signal.SIGKILL)
                    wait_until(
                        lambda: guard_of(launched.process.pid) not in (0, before), "the next guard"
                    )
                launched.process.kill()
                launched.process.wait()
                wait_until(lambda: not daemons.alive(pids), "the end of all daemons")
                wait_until(lambda: not is_alive(worker), "the end of the worker")
            assert daemons.alive(pids) == []
            assert daemons.alive(others) == [*others]
        finally:
            daemons.end(pids)
            daemons.end(others)


def guard_of(launcher: int) -> int:
    """Return the id of the launcher's guard, or 0."""
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if b"tree_guard" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return 0
