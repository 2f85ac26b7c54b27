"""The threads of a worker that run the app: few while the processor is busy, more while they wait.

Must not know gunicorn, HTTP or sockets.
"""

from __future__ import annotations

import contextlib
import resource
import threading
import time
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Threads"]

# How many run at first, and how many are added at a time. More threads than needed only take the
# interpreter's lock from each other: with 128, the slowest of a hundred responses of a fast app
# took 62 ms at 64 connections.
_FIRST = 2
_AT_ONCE = 32
# The interval of checks for waiting requests, in which the system lets every process run; how many
# checks in a row must find some; how long a request may wait.
_LOOK_SECONDS = 0.03
_LONGEST_LOOK = 0.12
_LOOKS = 2
_PATIENCE_SECONDS = 0.01
# The part of a core in use above which more threads would only wait for each other, and fewer do as
# much; and the same if the system has given the processor to other processes meanwhile.
_BUSY = 0.85
_BUSY_AND_PREEMPTED = 0.4
# Threads that wait for a client do not count, as the app does not run in them; up to this number.
_MOST_WAITING = 1_000


class Threads:
    """Calls `handle` with each job that `put` takes, in the order in which they came.

    At most `most` run at a time, without those in `waiting`. Threads are started as jobs wait; the
    last one that has become idle is used first, so that a few do most of the work.
    """

    def __init__(self, handle: Callable[[Any], object], most: int) -> None:
        self._handle = handle
        self._most = most
        self._first = self._limit = min(_FIRST, most)
        self._jobs: deque[tuple[Any, float]] = deque()  # with the time at which it came
        self._lock = threading.Lock()
        self._idle: list[threading.Lock] = []
        self._active = self._waiting = self._count = self._taken = 0
        self._longest_wait = 0.0  # since the last look, as the next one
        self._most_jobs = 0
        self._pressed = threading.Event()
        self._watcher: threading.Thread | None = None

    def put(self, job: Any) -> None:
        """Take a job."""
        self._jobs.append((job, time.monotonic()))
        self._wake()

    def shutdown(self, wait: bool = False) -> None:
        """Do nothing: threads end with the process. gunicorn calls this."""

    @contextlib.contextmanager
    def waiting(self) -> Iterator[bool]:
        """Let another thread run while this one waits for a client.

        Gives False if no other may: so many wait already that the client is not to be waited for
        for long.
        """
        with self._lock:
            counts = self._most > 1 and self._waiting < _MOST_WAITING
            self._waiting += counts
        try:
            if counts and self._jobs:
                self._wake()
            yield counts or self._most <= 1
        finally:
            with self._lock:
                self._waiting -= counts

    def _wake(self) -> bool:
        """Have a thread take a job; return whether one more could be used."""
        with self._lock:
            is_full = self._active - self._waiting >= self._limit
            self._most_jobs = max(self._most_jobs, len(self._jobs))
            if not is_full:
                self._active += 1
                if self._idle:
                    self._idle.pop().release()
                    return True
        if not is_full:
            return self._start()
        if not self._pressed.is_set():
            self._pressed.set()
            self._watch_now()
        return False

    def _start(self) -> bool:
        self._count += 1
        try:
            threading.Thread(target=self._work, name=f"request-{self._count}", daemon=True).start()
        except RuntimeError:  # the system allows no more threads: keep the existing ones
            with self._lock:
                self._active -= 1
                self._limit = max(1, self._active - self._waiting)
            return False
        return True

    def _work(self) -> None:
        wakes, jobs, lock = threading.Lock(), self._jobs, self._lock
        wakes.acquire()
        while True:
            with lock:
                job = None
                if jobs and self._active - self._waiting <= self._limit:
                    job, came = jobs.popleft()
                    self._taken += 1
                    self._longest_wait = max(self._longest_wait, time.monotonic() - came)
                else:
                    self._active -= 1
                    self._idle.append(wakes)
            if job is None:
                wakes.acquire()
                continue
            try:
                self._handle(job)
            except BaseException:  # the user's own logger may raise: the thread must go on
                traceback.print_exc()
            del job  # frees the request while this thread waits for another

    def _watch_now(self) -> None:
        with self._lock:
            if self._watcher is not None or self._most <= self._first:
                return
            self._watcher = threading.Thread(target=self._watch, name="threads", daemon=True)
        try:
            self._watcher.start()
        except RuntimeError:  # the system allows no more threads now: try again at the next job
            self._watcher = None
            self._pressed.clear()

    def _watch(self) -> None:
        """Let more threads run while jobs wait for one, unless the processor is busy."""
        looks, seconds = 0, _LOOK_SECONDS
        while True:
            self._pressed.wait()
            wants_more = self._look(seconds)
            looks = looks + 1 if wants_more else 0
            seconds = _LOOK_SECONDS if wants_more else min(2 * seconds, _LONGEST_LOOK)
            if looks >= _LOOKS:
                self._grow()
            if not self._jobs:
                self._pressed.clear()
                looks, seconds = 0, _LOOK_SECONDS
                if self._jobs:  # one that came between the two lines above
                    self._pressed.set()

    def _grow(self) -> None:
        count = min(self._most_jobs, _AT_ONCE, self._most - self._limit)
        self._limit += max(0, count)
        while count > 0 and self._wake():
            count -= 1

    def _look(self, seconds: float) -> bool:
        """Return whether jobs wait for a thread, observed for a moment."""
        taken, used, began = self._taken, _use(), time.monotonic()
        self._longest_wait, self._most_jobs = 0.0, len(self._jobs)
        time.sleep(seconds)
        taken = self._taken - taken
        passed = time.monotonic() - began
        now_used = _use()
        load = (now_used[0] - used[0]) / passed
        is_preempted = now_used[1] > used[1]
        if taken and load > (_BUSY_AND_PREEMPTED if is_preempted else _BUSY):
            self._limit = max(self._first, self._limit - max(1, self._limit // 8))
            return False
        # If no job was taken at all, all threads may have long ones.
        return self._longest_wait > _PATIENCE_SECONDS if taken else bool(self._jobs)


def _use() -> tuple[float, int]:
    """Return this process's time of the processor, and how often it was taken away from it."""
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime, use.ru_nivcsw
