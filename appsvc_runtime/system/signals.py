"""Signals that stop a process, on every operating system."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from . import process

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator

__all__ = [
    "exit_by_default",
    "holding_stop_signals",
    "ignore_stop_signals",
    "let_stop_signals_in",
    "on_loop_stop",
    "on_stop_signal",
    "signal_self",
    "stopping_by",
]


def on_stop_signal(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM, SIGINT, SIGHUP and, on Windows, SIGBREAK. From the main thread only.

    SIGHUP comes when a terminal closes; if it is ignored, as under nohup, it stays ignored.
    """
    for number in _stop_numbers():
        signal.signal(number, lambda *_: stop())


def exit_by_default() -> None:
    """Make SIGTERM and SIGINT end this process by SystemExit if nothing handles them.

    Otherwise they end it without the handlers of `atexit`. From the main thread only.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _exit)


def _exit(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def ignore_stop_signals() -> None:
    """Ignore all stop signals until the process ends, even while Python itself shuts down.

    Python restores handlers at its end, and a signal after that would decide the exit code.
    """
    for number in _stop_numbers():
        signal.signal(number, signal.SIG_IGN)


def _stop_numbers() -> list[int]:
    names = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")
    found = {name: getattr(signal, name) for name in names if hasattr(signal, name)}
    if signal.getsignal(found.get("SIGHUP", signal.SIGTERM)) == signal.SIG_IGN:
        found.pop("SIGHUP", None)
    return list(found.values())


@contextlib.contextmanager
def stopping_by(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on the signals of `on_stop_signal` within the block; then restore handlers."""
    before = {number: signal.getsignal(number) for number in _stop_numbers()}
    on_stop_signal(stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def holding_stop_signals() -> Iterator[None]:
    """Block stop signals within the block, also for processes that are started in it.

    Each of these processes calls `let_stop_signals_in` when it can handle them. On Windows this
    does nothing.
    """
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    mask(signal.SIG_BLOCK, _stop_numbers())
    try:
        yield
    finally:
        let_stop_signals_in()


def let_stop_signals_in() -> None:
    """Unblock the stop signals that were held."""
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is not None:
        mask(signal.SIG_UNBLOCK, _stop_numbers())


def on_loop_stop(loop: AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Call `stop` in the thread of an event loop on SIGTERM, SIGINT and, on Windows, SIGBREAK.

    From the main thread only.
    """
    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: stop())


def signal_self(number: int) -> None:
    """Send a signal to this process, from any thread, as if it had been sent from outside."""
    if process.WINDOWS:
        signal.raise_signal(number)  # os.kill would end the process there
    else:
        os.kill(os.getpid(), number)
