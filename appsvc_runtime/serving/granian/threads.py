"""The threads that run a WSGI app for granian's requests.

Granian's own thread puts requests into a queue, without an event loop between, which is what makes
this fast. Granian's threads for blocking work cannot be used: code that reads a body for a waiting
app runs in them too, and none would be left once all of them wait. Knows granian's
`CallbackScheduler` and the watcher of a request; nothing of apps, settings or the platform.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from granian._granian import CallbackScheduler

from ...system import sockets
from .loop import ClientGoneError, LoopThread
from .wsgi import serve

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from _typeshed.wsgi import WSGIApplication

    from .body import Body
    from .close import Closing

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


class _Arrived(NamedTuple):
    """A request whose body has come after it."""

    watcher: Any
    body: Body


class Threads:
    """Runs a WSGI app for requests that come from granian; `put` takes one.

    At most `most` threads run the app at a time; they are started as requests wait. A thread that
    waits for a slow client does not count, so that such clients do not stop others; but an app with
    one thread never runs in two.
    """

    def __init__(
        self,
        app: WSGIApplication,
        loop: asyncio.AbstractEventLoop,
        most: int,
        closing: Closing,
        *,
        multiprocess: bool = False,
    ) -> None:
        self._app = app
        self._loop = LoopThread(loop, self._wait_for_client)
        self._closing = closing
        self._most = most
        self._limit = max(most, sockets.max_connections())  # a client each
        self._away = 0  # threads that wait for a client
        self._lock = threading.Lock()
        self._multiprocess = multiprocess
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._taken = 0
        self._count = 0
        self._number = 0
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
            self._number += 1
            name = f"wsgi-{self._number}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
            with self._lock:
                self._count += 1

    @contextlib.contextmanager
    def _wait_for_client(self) -> Iterator[None]:
        """Do not count a thread that waits for a client in this block."""
        if self._most == 1:
            yield
            return
        with self._lock:
            self._away += 1
        if self._queue.qsize():
            self._waiting.set()
        try:
            yield
        finally:
            with self._lock:
                self._away -= 1

    def _is_surplus(self) -> bool:
        """Return whether the calling thread is to end, as others have taken its place."""
        if self._count - self._away <= self._most:
            return False
        with self._lock:
            surplus = self._count - self._away > self._most
            self._count -= surplus
        return surplus

    def _watch(self) -> None:
        """Start more threads while requests wait for a thread, unless the processor is busy."""
        looks = 0
        while True:
            self._waiting.wait()
            looks = looks + 1 if self._wants_more() else 0
            if looks >= _LOOKS:
                left = min(self._most + self._away, self._limit) - self._count
                try:
                    self._grow(min(self._queue.qsize(), _AT_ONCE, left))
                except RuntimeError:  # the system allows no more threads: keep the existing ones
                    looks = 0
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
        take, app, loop, closing = self._queue.get, self._app, self._loop, self._closing
        kind = {"multiprocess": self._multiprocess, "multithread": self._most > 1}
        while not self._is_surplus():
            watcher, body = take(), None
            if type(watcher) is _Arrived:
                watcher, body = watcher
            self._taken += 1
            try:
                later = serve(app, watcher.scope, watcher.proto, loop, closing, body=body, **kind)
            except ClientGoneError:
                watcher.done()
            except BaseException as error:
                watcher.err(error)  # granian logs it, and responds with 500 or cuts the connection
            else:
                if later is None:
                    watcher.done()
                else:
                    loop.start(self._put_later(watcher, later))
                    later = None
            del watcher, body  # frees the request while this thread waits for another

    async def _put_later(self, watcher: Any, body: Body) -> None:
        await body.arrive()
        self.put(_Arrived(watcher, body))


class Scheduler(CallbackScheduler):
    """The object that granian calls with each request; it passes them to `threads`."""

    def __new__(cls, loop: Any, callback: Any, threads: Threads) -> Scheduler:
        """Return a scheduler for the event loop `loop`."""
        return super().__new__(cls, loop, callback, None, None, None)  # type: ignore[call-arg]

    def __init__(self, loop: Any, callback: Any, threads: Threads) -> None:
        super().__init__()
        self._schedule_fn = threads.put
