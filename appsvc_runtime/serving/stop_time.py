"""The time that a stop of a serving process may take, from its signal to the end.

Its parts are in `numbers`. Must not know of any server.
"""

from __future__ import annotations

import time

from ..middleware import drain
from . import numbers, process_end

__all__ = ["StopTime"]


class StopTime:
    """The time limit of this process's stop; make it when the app is loaded.

    `cuts`: the server itself ends requests that still run when the graceful time is over.
    """

    def __init__(self, graceful_seconds: float, *, cuts: bool = True) -> None:
        self._seconds = graceful_seconds
        self._forced, last = numbers.forced_end(graceful_seconds, cuts=cuts)
        self._ending = process_end.Ending(self._forced, last)
        self._began: float | None = None
        drain.limit(numbers.most_drain(graceful_seconds))

    def begin(self) -> None:
        """Start the time limit when the server is told to stop, perhaps after a time to drain."""
        if self._began is None:
            self._began = time.monotonic() - drain.elapsed()
        self._ending.begin(max(0.0, self._forced - self._elapsed()))

    def left(self) -> float:
        """Return how many seconds running requests still have, at least 0."""
        return max(0.0, self._seconds - self._elapsed())

    def end(self, code: int) -> int:
        """Return the exit code, as `Ending.finish` does, when nothing is served any more."""
        return self._ending.finish(code)

    def end_with_child(self) -> None:
        """Act as `Ending.finish_with_child` does."""
        self._ending.finish_with_child()

    def _elapsed(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began
