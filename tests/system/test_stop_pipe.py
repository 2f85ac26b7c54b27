"""The pipe that stops workers on Windows: its end is a SIGTERM in each worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.system import process, signals, stop_pipe
from tests.support.launching import is_alive, wait_until
from tests.support.servers import clean_environ


def follow(reader: Any, ready: Any) -> None:
    """Wait for a SIGTERM in a child, and exit with 7.

    On Windows the handler runs when `time.sleep` returns.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    stop_pipe.follow(reader)
    ready.send_bytes(b"ready")
    while True:
        time.sleep(0.05)


def test_all_workers_stop_when_the_pipe_ends() -> None:
    """As on Windows, each is a new process."""
    spawn = multiprocessing.get_context("spawn")
    pipe = stop_pipe.StopPipe()
    reads, writes = spawn.Pipe(duplex=False)
    children = [spawn.Process(target=follow, args=(pipe.reader, writes)) for _ in range(2)]
    for child in children:
        child.start()
    for _ in children:
        assert reads.poll(60)
        assert reads.recv_bytes() == b"ready"
    pipe.stop_workers()
    for child in children:
        child.join(60)
        assert child.exitcode == 7
        child.close()
    for end in (reads, writes, pipe.reader):
        end.close()


PARENT = """
import multiprocessing, sys, time
from tests.system import test_stop_pipe
from appsvc_runtime.system import stop_pipe

if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    pipe = stop_pipe.StopPipe()
    reads, writes = spawn.Pipe(duplex=False)
    child = spawn.Process(target=test_stop_pipe.follow, args=(pipe.reader, writes))
    child.start()
    reads.recv_bytes()
    print(child.pid, flush=True)
    time.sleep(600)
"""


def test_workers_stop_when_their_parent_is_killed(tmp_path: Path) -> None:
    """Nothing of the parent runs then."""
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(PARENT))
    parent = subprocess.Popen(
        [sys.executable, str(script)], env=clean_environ(), stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.kill()
    try:
        wait_until(lambda: not is_alive(child), "the end of the worker", 60)
    finally:
        if is_alive(child):
            os.kill(child, signal.SIGKILL)


def test_signals_do_it_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "WINDOWS", False)
    assert stop_pipe.make() is None
    stop_pipe.follow(None)


def test_an_event_that_is_set_ends_the_wait() -> None:
    """From another thread, while no signal comes."""
    import threading

    before = signal.set_wakeup_fd(-1)
    event = signals.SignalEvent()
    try:
        setter = threading.Timer(0.05, event.set)
        setter.start()
        assert event.wait(60)
        setter.join()
    finally:
        event.close()
        signal.set_wakeup_fd(before)
    event.set()  # after the end, it does no harm
