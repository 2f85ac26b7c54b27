"""Signals that stop a process, on every operating system."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

from . import process

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator

__all__ = [
    "SignalEvent",
    "collect_stop_signals",
    "current_handlers",
    "exit_by_default",
    "holding_stop_signals",
    "ignore_stop_signals",
    "let_stop_signals_in",
    "on_loop_stop",
    "on_stop_signal",
    "signal_self",
]


def _nothing(number: int) -> None:
    """Do nothing with a signal."""


def on_stop_signal(stop: Callable[[], None], then: Callable[[int], None] = _nothing) -> None:
    """Call `stop` on SIGTERM, SIGINT, SIGHUP and, on Windows, SIGBREAK, and `then` with the number.

    From the main thread only. SIGHUP comes when a terminal closes; if it is ignored, as under
    nohup, it stays ignored.
    """

    def handle(number: int, _frame: Any) -> None:
        stop()
        then(number)

    for number in _stop_numbers():
        signal.signal(number, handle)


def current_handlers() -> dict[int, Any]:
    """Return this process's handlers of the stop signals, by number."""
    return {number: signal.getsignal(number) for number in _stop_numbers()}


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
def holding_stop_signals() -> Iterator[None]:
    """Block stop signals within the block, also for processes that are started in it.

    Each of these processes calls `let_stop_signals_in` when it can handle them. SIGQUIT, with which
    gunicorn stops its workers quickly, is one of them here. On Windows this does nothing.
    """
    if process.WINDOWS:
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, _held_numbers())
    try:
        yield
    finally:
        let_stop_signals_in()


def collect_stop_signals() -> list[int]:
    """Let stop signals do nothing but add their numbers to the list that is returned.

    For a process that sets its handlers later, and sends itself what has come. From the main thread
    only.
    """
    came: list[int] = []

    def handle(number: int, _frame: object) -> None:
        came.append(number)

    for number in _held_numbers():
        signal.signal(number, handle)
    return came


def let_stop_signals_in() -> None:
    """Unblock the stop signals that were held. On Windows none are."""
    if not process.WINDOWS:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _held_numbers())


def _held_numbers() -> list[int]:
    if process.WINDOWS:
        return _stop_numbers()
    return [*_stop_numbers(), signal.SIGQUIT]


def on_loop_stop(
    loop: AbstractEventLoop, stop: Callable[[], None], then: Callable[[int], None] = _nothing
) -> None:
    """Call `stop` in the thread of an event loop on SIGTERM, SIGINT and, on Windows, SIGBREAK.

    Call `then` with the signal's number after that. From the main thread only.
    """

    def handle(number: int, _frame: Any = None) -> None:
        stop()
        then(number)

    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, handle, number)
        except NotImplementedError:  # Windows
            signal.signal(number, handle)


class SignalEvent(threading.Event):
    """An event whose `wait` ends, with False, when a signal has been handled.

    The wait of `threading.Event` goes on after a handler, and on Windows handlers have to wait for
    its end. Make it, and wait, in the main thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._reads, self._writes = socket.socketpair()
        self._reads.setblocking(False)
        self._writes.setblocking(False)
        signal.set_wakeup_fd(self._writes.fileno(), warn_on_full_buffer=False)

    def set(self) -> None:
        """Set the event and end its `wait`, from any thread."""
        super().set()
        with contextlib.suppress(OSError):  # closed, or full: then `wait` ends all the same
            self._writes.send(b"\0")

    def wait(self, timeout: float | None = None) -> bool:
        """Return whether the event is set, after a signal or `timeout` seconds at the latest."""
        if not self.is_set() and select.select([self._reads], [], [], timeout)[0]:
            self._reads.recv(4096)
        return self.is_set()

    def close(self) -> None:
        """Let signals no longer end the wait."""
        signal.set_wakeup_fd(-1)
        self._reads.close()
        self._writes.close()


def signal_self(number: int) -> None:
    """Send a signal to this process, from any thread, as if it had been sent from outside."""
    if process.WINDOWS:
        signal.raise_signal(number)  # os.kill would end the process there
    else:
        os.kill(os.getpid(), number)
