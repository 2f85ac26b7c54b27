"""How often processes may fail in a minute before no more are started until the minute is over.

Pure, except for the clock passed to it. Must not know of processes. Minutes follow one another from
the start, and each has its own count, as in PROCESS_MANAGER::RapidFailsPerMinuteExceeded of
processmanager.cpp (lextudio/httpplatformhandlerv2, aspnet/AspNetCoreModule). There, too, a minute
starts with the first check after the end of the previous one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["RapidFails"]

_MINUTE = 60.0


class RapidFails:
    """Counts the failures of one application's processes; `limit` failures a minute are allowed."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._began = clock()
        self._count = 0

    def count(self) -> None:
        """Count a failure."""
        self._count += 1

    def seconds_left(self) -> float:
        """Return for how many seconds no process may be started, 0 if one may be started now."""
        now = self._clock()
        if now - self._began >= _MINUTE:
            self._began = now
            self._count = 0
        return self._began + _MINUTE - now if self._count > self.limit else 0.0
