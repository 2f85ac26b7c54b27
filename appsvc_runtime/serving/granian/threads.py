"""The threads that run a WSGI app for granian's requests.

Granian's own thread puts requests into a queue, without an event loop between, which is what makes
this fast. Granian's threads for blocking work cannot be used: code that reads a body for a waiting
app runs in them too, and none would be left once all of them wait. Knows granian's
`CallbackScheduler` and the watcher of a request; nothing of apps, settings or the platform.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from granian._granian import CallbackScheduler

from .wsgi import ClientGoneError, LoopThread, serve

if TYPE_CHECKING:
    import asyncio

    from _typeshed.wsgi import WSGIApplication

__all__ = ["Scheduler", "Threads"]

# Threads at the start, and how many are added at a time. An app that responds at once is slower
# with many threads: measured on two cores, 12,000 requests a second instead of 16,000.
_FIRST_THREADS = 4
_AT_ONCE = 16
# The interval of checks for waiting requests; how many checks in a row must find some (the system
# may not run the process for a moment); how long a request may wait; and the part of a core in use
# above which more threads would only wait for each other.
_LOOK_SECONDS = 0.01
_LOOKS = 3
_PATIENCE_SECONDS = 0.005
_BUSY = 0.5


class Threads:
    """Runs a WSGI app for requests that come from granian; `put` takes one.

    At most `most` requests run at a time; threads are started as requests wait.
    """

    def __init__(
        self,
        app: WSGIApplication,
        loop: asyncio.AbstractEventLoop,
        most: int,
        *,
        multiprocess: bool = False,
    ) -> None:
        self._app = app
        self._loop = LoopThread(loop)
        self._most = most
        self._multiprocess = multiprocess
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._taken = 0
        self._count = 0
        self._waiting = threading.Event()
        self._grow(min(_FIRST_THREADS, most))
        threading.Thread(target=self._watch, name="wsgi-threads", daemon=True).start()

    def put(self, watcher: Any) -> None:
        """Take a request: granian's watcher, with `scope` and `proto`."""
        self._queue.put(watcher)
        if not self._waiting.is_set():
            self._waiting.set()

    def _grow(self, count: int) -> None:
        for _ in range(count):
            name = f"wsgi-{self._count + 1}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
            self._count += 1

    def _watch(self) -> None:
        """Start more threads while requests wait for a thread, unless the processor is busy."""
        looks = 0
        while self._count < self._most:
            self._waiting.wait()
            looks = looks + 1 if self._wants_more() else 0
            if looks >= _LOOKS:
                try:
                    self._grow(min(self._queue.qsize(), _AT_ONCE, self._most - self._count))
                except RuntimeError:  # the system allows no more threads: keep the existing ones
                    return
            if not self._queue.qsize():
                self._waiting.clear()  # a request that comes now sets it again
                looks = 0

    def _wants_more(self) -> bool:
        """Return whether requests wait for a thread, observed for a moment."""
        taken, used, began = self._taken, time.process_time(), time.monotonic()
        time.sleep(_LOOK_SECONDS)
        taken = self._taken - taken
        passed = time.monotonic() - began
        busy = (time.process_time() - used) / passed > _BUSY
        slow = self._queue.qsize() * passed > taken * _PATIENCE_SECONDS
        # If no request was taken at all, all threads may have long requests.
        return slow and not (busy and taken)

    def _work(self) -> None:
        take, app, loop = self._queue.get, self._app, self._loop
        kind = {"multiprocess": self._multiprocess, "multithread": self._most > 1}
        while True:
            watcher = take()
            self._taken += 1
            try:
                serve(app, watcher.scope, watcher.proto, loop, **kind)
            except ClientGoneError:
                watcher.done()
            except BaseException as error:
                watcher.err(error)  # granian logs it, and responds with 500 or cuts the connection
            else:
                watcher.done()
            del watcher  # frees the request while this thread waits for another


class Scheduler(CallbackScheduler):
    """The object that granian calls with each request; it passes them to `threads`."""

    def __new__(cls, loop: Any, callback: Any, threads: Threads) -> Scheduler:
        """Return a scheduler for the event loop `loop`."""
        return super().__new__(cls, loop, callback, None, None, None)  # type: ignore[call-arg]

    def __init__(self, loop: Any, callback: Any, threads: Threads) -> None:
        super().__init__()
        self._schedule_fn = threads.put
