"""Delays the stop of a server for a moment, in which the app's health responds 503.

Knows signals and the healths of this process. Must not know of servers: the function that stops one
is an argument, or the server's handler for SIGTERM.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from ..system import signals
from . import notices, server_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from .health import Health

__all__ = [
    "delay",
    "elapsed",
    "find",
    "install",
    "install_everywhere",
    "limit",
    "unwrap",
    "warn_if_missing",
    "watch",
]

_healths: weakref.WeakSet[Health] = weakref.WeakSet()
_begun: weakref.WeakSet[Health] = weakref.WeakSet()  # healths whose time to drain has started
_IS_MISSING = (
    "This server stops without a time to drain, in which health responds 503: it calls the app in "
    "threads, where no signal handler can be set. Call health.drain_on_sigterm() where your code "
    "makes the app."
)
_NOT_HERE = (
    "drain_on_sigterm() does nothing in a thread: call it in the main thread, where your code "
    "makes the app, or in a hook of the server such as gunicorn's post_worker_init."
)


def watch(health: Health) -> None:
    """Make a health respond 503 when this process is told to stop."""
    _healths.add(health)


def find(path: str) -> Health | None:
    """Return the health for a path in any middleware of this process, or None."""
    return next((health for health in list(_healths) if health.path == path), None)


class _Delayed:
    """Calls `stop` after the time to drain, or at once if that has started before."""

    made_in = 0  # the id of the process that has made the last instance
    longest = float("inf")  # see `limit`
    began: float | None = None  # when the first stop of this process began

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop
        _Delayed.made_in = os.getpid()

    def __call__(self) -> None:
        healths = [health for health in list(_healths) if health not in _begun]
        seconds = max((health.drain_seconds for health in healths), default=0.0)
        seconds = min(seconds, _Delayed.longest)
        if _Delayed.began is None:
            _Delayed.began = time.monotonic()
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
    """Return a function that calls `stop` after the time to drain; any thread may call `stop`."""
    return _Delayed(stop)


def limit(seconds: float) -> None:
    """Let no time to drain of this process be longer than `seconds`."""
    _Delayed.longest = seconds


def elapsed() -> float:
    """Return the seconds since this process was told to stop, 0 if it was not."""
    return 0.0 if _Delayed.began is None else time.monotonic() - _Delayed.began


def unwrap(handler: Any) -> Any:
    """Return the handler that was set before `install` or `install_everywhere` put ours there."""
    return handler.before if isinstance(handler, _Handler) else handler


def install() -> None:
    """Put the time to drain before the server's handling of SIGTERM.

    This does nothing in other threads than the main one, as Python sets handlers only there, and
    nothing if no server handles SIGTERM. It may be called again.
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
    """Log once that this process stops without a time to drain, if the user's code must set it up.

    Call this in a request, after `install`: in the main thread, `install` has set it up, or no
    server handles SIGTERM.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread and _Delayed.made_in != os.getpid():
        notices.warn_once(_IS_MISSING)


def install_everywhere() -> None:
    """Act as `install` does, even if no server handles SIGTERM, or handles it only later.

    If none handles it, the process ends by SystemExit after the time to drain.
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
    """A handler of SIGTERM that calls the previous handler after the time to drain."""

    def __init__(self, before: Callable[[int, Any], Any]) -> None:
        self.before = before
        self._over = False
        self._delayed = _Delayed(self._go_on)

    def __call__(self, number: int, frame: Any) -> None:
        if self._over:
            self.before(number, frame)
        else:
            self._delayed()

    def _go_on(self) -> None:
        # This may run in any thread, but the previous handler must run in the main thread.
        self._over = True
        signals.signal_self(signal.SIGTERM)


def _is_of_a_loop(handler: Callable[..., Any]) -> bool:
    """Return whether an event loop handles the signal, by the handler that it sets.

    asyncio sets a handler that does nothing, uvloop a method of the loop.
    """
    owner = getattr(handler, "__self__", None)
    module: str = getattr(handler, "__module__", None) or ""
    return hasattr(owner, "call_soon_threadsafe") or module.startswith("asyncio.")


def _install_in_loop() -> None:
    """Put the time to drain before the stop of the running loop, if its way to stop can be found.

    asyncio's own loops show the function that handles a signal, others do not.
    """
    import asyncio  # the server has imported it already

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
