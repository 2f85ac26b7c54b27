"""Told to stop, a server goes on for a moment while its health says that it must not be asked.

Knows signals and the healths of this process. Must not know of servers: what one does at a stop is
given, or is the handler that it has for SIGTERM.
"""

from __future__ import annotations

import os
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Any

from ..system import signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from .health import Health

__all__ = ["delay", "find", "install", "watch"]

_healths: weakref.WeakSet[Health] = weakref.WeakSet()


class _Delayed:
    """Calls `stop` when the time to drain is over; called again, at once."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._pid = os.getpid()
        self._begun = False

    def __call__(self) -> None:
        if os.getpid() != self._pid:  # a fork of a server's: its own stop counts
            self._pid, self._begun = os.getpid(), False
        seconds = max((health.drain_seconds for health in _healths), default=0.0)
        for health in list(_healths):
            health.drain()
        if self._begun or seconds <= 0:
            self._stop()
            return
        self._begun = True
        timer = threading.Timer(seconds, self._stop)
        timer.daemon = True
        timer.start()


def watch(health: Health) -> None:
    """Have a health say that it drains when this process is told to stop."""
    _healths.add(health)


def find(path: str) -> Health | None:
    """Return the health that this process has for a path, whichever middleware has it."""
    return next((health for health in list(_healths) if health.path == path), None)


def delay(stop: Callable[[], None]) -> Callable[[], None]:
    """Give what to call in place of `stop`, which must be one that any thread may call."""
    return _Delayed(stop)


def install() -> None:
    """Put the time to drain before what this process does on SIGTERM, if a server handles that.

    From the main thread only; elsewhere, and where nobody handles it, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before) or isinstance(before, _Handler):
        return
    signal.signal(signal.SIGTERM, _Handler(before))


class _Handler:
    """A handler of SIGTERM before another one."""

    def __init__(self, before: Callable[[int, Any], Any]) -> None:
        self._before = before
        self._over = False
        self._delayed = _Delayed(self._go_on)

    def __call__(self, number: int, frame: Any) -> None:
        if self._over:
            self._before(number, frame)
        else:
            self._delayed()

    def _go_on(self) -> None:
        self._over = True
        signals.signal_self(signal.SIGTERM)
