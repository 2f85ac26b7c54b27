"""A `Child` keeps its process id until its group is killed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.support.child import Child
from tests.support.processes import exists

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups")


def start(code: str, stdout: int | None = None) -> Child:
    return Child([sys.executable, "-c", code], stdout=stdout, start_new_session=True)


def test_the_process_id_stays_reserved() -> None:
    """`poll`, `wait` and `send_signal` leave the exit status, and `kill_group` collects it."""
    process = start("raise SystemExit(3)")
    assert process.wait(20) == process.poll() == 3
    process.terminate()
    assert exists(process.pid)
    assert process.kill_group() == 3
    assert not exists(process.pid)


def test_the_rest_of_the_group_is_killed() -> None:
    """This works after the process itself has ended: the pipe closes when no process holds it."""
    fork = "import os, time\nif os.fork() == 0:\n    time.sleep(60)"
    with start(fork, stdout=subprocess.PIPE) as process:
        assert process.wait(20) == 0
        assert process.kill_group() == 0
        assert process.stdout is not None
        assert process.stdout.read() == b""


def test_a_signal_is_a_negative_exit_code() -> None:
    """As `Popen` returns it, from `stop_group` and after a timeout."""
    process = start("import time; time.sleep(60)")
    assert process.poll() is None
    assert not process.ends_within(0.05)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    assert process.stop_group() == process.returncode == -signal.SIGTERM
