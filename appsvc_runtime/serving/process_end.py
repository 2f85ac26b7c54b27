"""Ends a serving process in time, whatever threads the app has left.

At its end Python waits for every thread that is no daemon, without a limit. An `Ending` waits too,
for those that requests have started, until the graceful time is over; threads that ran before the
first request, such as an endless loop in a module or in a configuration file, are not waited for.
Then it runs the handlers of `atexit` and flushes the logs, within a limit, and ends the process.
Must not know of any server.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import logging
import multiprocessing.util
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from ..errors import AppServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["Ending", "before_a_kill", "finishing_on_error"]

# The limit for handlers of `atexit` and for the logs, once the process is to end.
_LAST_SECONDS = 0.5
# Python tells idle threads of executors to end, which takes them a moment.
_PATIENCE_SECONDS = 0.3
_TICK_SECONDS = 0.02


def before_a_kill(seconds: float) -> tuple[float, float]:
    """Return limits for a process that its parent kills after `seconds`.

    They are the time until its end is forced, and then that for `atexit` and the logs.
    """
    last = min(_LAST_SECONDS, seconds / 10)
    return seconds - last, last


@contextlib.contextmanager
def finishing_on_error(
    unless: type[Exception] | tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Let this process end if an error leaves the block, although the app has started threads.

    Errors of the kind `unless` do not end it.
    """
    try:
        yield
    except unless:
        raise
    except AppServiceError as error:
        Ending(_LAST_SECONDS).finish(error.exit_code)
        raise


class Ending:
    """The end of this process; made when the app is loaded and before it gets a request.

    `seconds` is the graceful time, from the stop signal on. `last` limits what is done at the end.
    """

    def __init__(self, seconds: float, last: float = _LAST_SECONDS) -> None:
        self._seconds = seconds
        self._last = last
        self._services: frozenset[threading.Thread] = frozenset()
        self.expect_requests()
        self._until = float("inf")
        self._code = 0
        self._is_served = False
        self._is_exiting = False
        self._pid = 0  # of the process that watches; a child that the app forks watches nothing

    def expect_requests(self) -> None:
        """Wait for no thread that runs now. Call this again if the start has gone on."""
        self._services = frozenset(threading.enumerate())

    def begin(self, seconds: float | None = None) -> None:
        """Start the time limit, at a stop signal; a second one can only shorten it.

        May be called from a signal handler: it takes no lock.
        """
        limit = self._seconds if seconds is None else seconds
        self._until = min(self._until, time.monotonic() + limit)
        if self._pid != os.getpid():
            self._pid = os.getpid()
            # Both now: Python 3.12 starts no thread while it ends. And with `_thread`, as
            # `Thread.start` takes a lock that the interrupted code may hold.
            may_tidy = _thread.allocate_lock()
            may_tidy.acquire()
            is_tidy = _thread.allocate_lock()
            is_tidy.acquire()
            _thread.start_new_thread(self._tidy, (may_tidy, is_tidy))
            _thread.start_new_thread(self._watch, (may_tidy, is_tidy))

    def on_signals(self, *names: str, seconds: float | None = None) -> None:
        """Call `begin` on these signals, before the handlers that are set now. In the main thread.

        A signal without a handler in Python is left alone.
        """
        for name in names:
            number = getattr(signal, name, None)
            handler = None if number is None else signal.getsignal(number)
            if number is not None and callable(handler):
                signal.signal(number, self._beginning(handler, seconds))

    def finish(self, code: int | None = None) -> int:
        """Return the exit code; the process may end as soon as no request's thread is left.

        Call this when nothing is served any more, and let the process end then. By default the code
        is that of the error that is being handled, if any.
        """
        self._code = _exit_code(sys.exc_info()[1]) if code is None else code
        self._is_served = True
        atexit.register(self._exit)  # the last one that is registered is called first
        self.begin()
        return self._code

    def finish_with_child(self) -> None:
        """Call `finish` when the function of this child of multiprocessing has returned."""
        # Up to Python 3.13 finalizers run before threads are waited for, from 3.14 on after it.
        multiprocessing.util.Finalize(None, self._finish_child, exitpriority=0)
        threading._register_atexit(self._finish_child)  # type: ignore[attr-defined]

    def _finish_child(self) -> None:
        if not self._is_served:
            self.finish(_code_of_child())

    def _beginning(
        self, handler: Callable[[int, Any], Any], seconds: float | None
    ) -> Callable[[int, Any], None]:
        def begin_and_handle(number: int, frame: Any) -> None:
            self.begin(seconds)
            handler(number, frame)

        return begin_and_handle

    def _exit(self) -> None:
        self._is_exiting = True

    def _watch(self, may_tidy: _thread.LockType, is_tidy: _thread.LockType) -> None:
        """End the process at the time limit, or if it only waits for threads of the app's start."""
        idle_since: float | None = None
        while (now := time.monotonic()) < self._until:
            if self._is_exiting or not self._is_served or self._has_work() or not self._left():
                idle_since = None
            elif idle_since is None:
                idle_since = now
            elif now - idle_since > _PATIENCE_SECONDS:
                break
            time.sleep(_TICK_SECONDS)
        # What Python would do at its end, and then the end.
        may_tidy.release()
        is_tidy.acquire(timeout=max(self._last, self._until - time.monotonic()))
        os._exit(self._code)

    def _left(self) -> list[threading.Thread]:
        """Return the threads for which Python would wait."""
        main = threading.main_thread()
        return [one for one in threading.enumerate() if not one.daemon and one is not main]

    def _has_work(self) -> bool:
        return not self._services.issuperset(self._left())

    def _tidy(self, may_tidy: _thread.LockType, is_tidy: _thread.LockType) -> None:
        may_tidy.acquire()
        if self._is_exiting:  # Python runs the handlers already, and one of them may not end
            time.sleep(self._last / 2)  # it may have ended in the same moment
        else:
            names = ", ".join(sorted(ascii(one.name)[1:-1] for one in self._left()))
            with contextlib.suppress(Exception):
                if names:
                    sys.stderr.write(f"The process ends, although these threads run: {names}.\n")
            with contextlib.suppress(BaseException):
                atexit._run_exitfuncs()
        with contextlib.suppress(Exception):
            logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        is_tidy.release()


def _code_of_child() -> int | None:
    """Return the exit code that multiprocessing has found for this child, if it has found one."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "_bootstrap" and "exitcode" in frame.f_locals:
            return int(frame.f_locals["exitcode"])
        frame = frame.f_back
    return None


def _exit_code(error: BaseException | None) -> int:
    """Return the exit code with which Python would end for an error."""
    if not isinstance(error, SystemExit):
        return int(error is not None)
    return error.code if isinstance(error.code, int) else int(error.code is not None)
