"""How fast a client moves data, and when it is too slow to be waited for.

Pure.
"""

from __future__ import annotations

from . import defaults

__all__ = ["Pace"]


class Pace:
    """Measures the pace of one client in one direction, while it is waited for.

    The client is too slow if it moves less than `STALL_BYTES` within `STALL_SECONDS`.
    """

    def __init__(self) -> None:
        self._waited = 0.0
        self._moved = 0

    def add(self, size: int, seconds: float) -> None:
        """Add bytes that the client has moved, and how long it was waited for meanwhile."""
        self._moved += size
        self._waited += seconds
        if self._moved >= defaults.STALL_BYTES:  # a new period begins
            self._moved = 0
            self._waited = 0.0

    def seconds_left(self) -> float:
        """Return the seconds until the client is too slow, at least 0."""
        return max(0.0, defaults.STALL_SECONDS - self._waited)
