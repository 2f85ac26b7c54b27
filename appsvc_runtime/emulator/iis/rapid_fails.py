"""How often processes may fail in a minute before no more are started until it is over.

Pure but for the clock it is given. Must not know of processes.
The minutes follow one another from the start on, and the count begins anew with each: so it is in
PROCESS_MANAGER::RapidFailsPerMinuteExceeded of processmanager.cpp (lextudio/httpplatformhandlerv2,
aspnet/AspNetCoreModule), where a minute begins when somebody asks after the end of the last.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["RapidFails"]

_MINUTE = 60.0


class RapidFails:
    """Counts the failures of one application's processes; `limit` of them are allowed a minute."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._began = clock()
        self._count = 0

    def count(self) -> None:
        """Take note of a failure."""
        self._count += 1

    def seconds_left(self) -> float:
        """Give how long no process may be started, 0 if one may be now."""
        now = self._clock()
        if now - self._began >= _MINUTE:
            self._began = now
            self._count = 0
        return self._began + _MINUTE - now if self._count > self.limit else 0.0
