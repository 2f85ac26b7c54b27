"""The counts of connections that workers share, seen from other processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")

from appsvc_runtime.serving.gunicorn import shares  # noqa: E402


def in_child(function: Callable[[], object]) -> None:
    """Run a function in a process that is forked, as a worker is."""
    child = os.fork()
    if not child:
        try:
            function()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def test_a_worker_sees_what_others_write() -> None:
    """It leaves connections to one with fewer, and to none that has as many."""
    counts = shares.Shares()
    in_child(lambda: counts.write(1, 3))
    counts.write(2, 0)
    for mine, is_more in ((0, False), (3, False), (4, False), (5, True), (50, True)):
        assert counts.has_fewer(mine) is is_more, mine
    in_child(lambda: counts.set(1, 60))
    assert not counts.has_fewer(50)


def test_alone() -> None:
    """There is nobody to leave a connection to."""
    counts = shares.Shares()
    counts.write(1, 0)
    assert not counts.has_fewer(1_000)


def test_a_worker_that_leaves() -> None:
    """It gets no more connections, at once."""
    counts = shares.Shares()
    in_child(lambda: counts.write(1, 0))
    counts.write(2, 0)
    assert counts.has_fewer(10)
    in_child(lambda: counts.leave(1))
    assert not counts.has_fewer(10)


def test_a_worker_that_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left to it after a moment."""
    counts = shares.Shares()
    in_child(lambda: counts.write(1, 0))
    later = shares.time.monotonic() + 10
    monkeypatch.setattr(shares.time, "monotonic", lambda: later)
    counts.write(2, 0)
    assert not counts.has_fewer(10)
