"""A server that is told to stop goes on for a moment, while the app's health responds 503.

Knows signals and the healths of this process. Must not know of servers: what one does at a stop is
given, or is the handler that it has for SIGTERM.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Any

from ..system import signals
from . import notices, server_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from .health import Health

__all__ = ["delay", "find", "install", "install_everywhere", "warn_if_missing", "watch"]

_healths: weakref.WeakSet[Health] = weakref.WeakSet()
_begun: weakref.WeakSet[Health] = weakref.WeakSet()  # those whose time to drain has begun
_IS_MISSING = (
    "This server stops without a time to drain, in which health responds 503: it calls the app in "
    "threads, where no signal handler can be set. Call health.drain_on_sigterm() where the app is "
    "made."
)
_NOT_HERE = (
    "drain_on_sigterm() does nothing in a thread: call it in the main thread, where the app is "
    "made or in a hook of the server's such as gunicorn's post_worker_init."
)


def watch(health: Health) -> None:
    """Have a health say that it drains when this process is told to stop."""
    _healths.add(health)


def find(path: str) -> Health | None:
    """Return the health that this process has for a path, whichever middleware has it."""
    return next((health for health in list(_healths) if health.path == path), None)


class _Delayed:
    """Calls `stop` when the time to drain is over; at once if it has begun before."""

    made_in = 0  # the process that has made the last one

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop
        _Delayed.made_in = os.getpid()

    def __call__(self) -> None:
        healths = [health for health in list(_healths) if health not in _begun]
        seconds = max((health.drain_seconds for health in healths), default=0.0)
        for health in healths:
            health.drain()
            _begun.add(health)
        if seconds <= 0:
            self._stop()
            return
        timer = threading.Timer(seconds, self._stop)
        timer.daemon = True
        timer.start()


def delay(stop: Callable[[], None]) -> Callable[[], None]:
    """Return what to call in place of `stop`, which must be one that any thread may call."""
    return _Delayed(stop)


def install() -> None:
    """Put the time to drain before what the server does on SIGTERM.

    In the main thread only, in which alone a handler can be set; elsewhere, and where no server
    handles SIGTERM, this does nothing. It does not hurt to call it again.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before) or isinstance(before, _Handler):
        return
    if _is_of_a_loop(before):
        _install_in_loop()
    else:
        signal.signal(signal.SIGTERM, _Handler(before))


def warn_if_missing() -> None:
    """Log once that this process stops without a time to drain, if that needs a line of the user's.

    Called in a request, after `install`: where this is the main thread, no server handles SIGTERM.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread and _Delayed.made_in != os.getpid():
        notices.warn_once(_IS_MISSING)


def install_everywhere() -> None:
    """Do as `install` does, also where no server handles SIGTERM, or does so only later.

    Where none does, the process ends by SystemExit when the time is over.
    """
    if threading.current_thread() is not threading.main_thread():
        notices.warn_once(_NOT_HERE)
        return
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _Handler(_exit))
    else:
        install()
    server_signals.follow_granian(delay, install)


def _exit(number: int, _frame: Any) -> None:
    raise SystemExit(128 + number)


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
        # Any thread may be here, and the other one is for the main thread alone.
        self._over = True
        signals.signal_self(signal.SIGTERM)


def _is_of_a_loop(handler: Callable[..., Any]) -> bool:
    """Return whether an event loop handles the signal: it hears of it before any handler does.

    asyncio's has a handler that does nothing, uvloop's is a method of the loop.
    """
    owner = getattr(handler, "__self__", None)
    module: str = getattr(handler, "__module__", None) or ""
    return hasattr(owner, "call_soon_threadsafe") or module.startswith("asyncio.")


def _install_in_loop() -> None:
    """Do what `install` does for the loop that runs here, if it can be known how that stops.

    asyncio's own loops show by what they handle a signal, others do not.
    """
    import asyncio  # by now it is there

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    handle = getattr(loop, "_signal_handlers", {}).get(signal.SIGTERM)
    if isinstance(getattr(handle, "_callback", None), _Delayed):
        return
    found = (
        server_signals.find_loop_stop()
        if handle is None
        else lambda: handle._callback(*handle._args)
    )
    if found is not None:
        loop.add_signal_handler(
            signal.SIGTERM, _Delayed(functools.partial(loop.call_soon_threadsafe, found))
        )
