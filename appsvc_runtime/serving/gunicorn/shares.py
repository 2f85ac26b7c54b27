"""How many connections each worker has, in memory that all workers of a master share.

A client that keeps its connection stays with the worker that accepted it, and a worker that runs
accepts a burst of them before another one is even woken: measured, one of two workers got 64 of 64.
Knows processes that fork, and nothing of gunicorn or sockets.
"""

from __future__ import annotations

import mmap
import time

__all__ = ["Shares"]

# Numbers of workers grow as workers are replaced; so many may be alive at a time.
_SLOTS = 256
# The count of a worker counts for so long after it was last written.
_FRESH_SECONDS = 3.0
# So many more than the least loaded worker has are fair.
_SLACK = 1


class Shares:
    """The counts of all workers. Made before the first worker is forked; each writes its own."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SLOTS * 2 * 8)
        self._numbers = memoryview(self._memory).cast("d")
        self._others: list[int] = []

    def write(self, worker: int, count: int) -> None:
        """Set the count of a worker, which is alive now; look who else is."""
        now = time.monotonic()  # the same clock in all processes
        mine = worker % _SLOTS
        self._numbers[2 * mine] = now
        self._numbers[2 * mine + 1] = count
        self._others = [
            slot
            for slot in range(_SLOTS)
            if slot != mine and now - self._numbers[2 * slot] < _FRESH_SECONDS
        ]

    def set(self, worker: int, count: int) -> None:
        """Set the count of a worker."""
        self._numbers[2 * (worker % _SLOTS) + 1] = count

    def leave(self, worker: int) -> None:
        """Note that a worker accepts no more."""
        self._numbers[2 * (worker % _SLOTS)] = 0.0

    def has_fewer(self, count: int) -> bool:
        """Return whether another worker has fewer than `count` connections."""
        numbers = self._numbers
        return any(
            numbers[2 * slot + 1] + _SLACK < count and numbers[2 * slot] for slot in self._others
        )
