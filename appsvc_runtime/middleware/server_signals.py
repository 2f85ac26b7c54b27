"""Finds how a worker of granian or gunicorn stops on SIGTERM, if its handler does not show it.

The function that stops the worker is found in the frames of the call to the app, or replaced before
the server sets its handler. Loaded if a health drains. Must not know of requests.
Sources: granian's `_signals.py` and `server/mp.py`, gunicorn's `workers/gasgi.py`.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import TYPE_CHECKING, Any

from ..system import signals

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from types import FrameType

__all__ = ["find_loop_stop", "follow_granian"]


def find_loop_stop() -> Callable[[], None] | None:
    """Return the function that stops the worker whose event loop calls this, None if unknown."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module == "granian.server.mp" and "shutdown_event" in frame.f_locals:
            return _once(frame.f_locals["shutdown_event"].set)
        if module == "gunicorn.workers.gasgi":
            return getattr(frame.f_locals.get("self"), "handle_exit_signal", None)
        frame = frame.f_back
    return None


def follow_granian(
    delay: Callable[[Callable[[], None]], Callable[[], None]], install: Callable[[], None]
) -> None:
    """Delay granian's handlers, which its workers set after they have imported the app.

    `delay` takes the function that stops a worker and returns its replacement; `install` changes
    the handlers that are already set.
    """
    module: Any = sys.modules.get("granian._signals")
    if module is None or hasattr(module.set_sync_signals, "__wrapped__"):
        return
    in_loop, in_thread = module.set_loop_signals, module.set_sync_signals

    @functools.wraps(in_loop)
    def set_loop_signals(loop: AbstractEventLoop) -> Any:
        event = in_loop(loop)
        signals.on_loop_stop(loop, delay(_once(event.set)))
        return event

    @functools.wraps(in_thread)
    def set_sync_signals() -> Any:
        event = in_thread()
        install()
        return event

    module.set_loop_signals, module.set_sync_signals = set_loop_signals, set_sync_signals


def _once(stop: Callable[[], None]) -> Callable[[], None]:
    """Return a `stop` that does nothing the second time: granian's then blocks the caller."""
    lock = threading.Lock()

    def call() -> None:
        if lock.acquire(blocking=False):
            stop()

    return call
