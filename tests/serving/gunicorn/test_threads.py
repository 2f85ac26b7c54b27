"""The threads that run the app: order, number, and those that wait for a client."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

pytest.importorskip("resource", reason="gunicorn does not run on Windows")

from appsvc_runtime.serving.gunicorn import threads as threads_module
from appsvc_runtime.serving.gunicorn.threads import Threads


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


class Blocking:
    """Jobs that run until `go_on` is set; counts those that run."""

    def __init__(self) -> None:
        self.running = self.most = 0
        self.done: list[object] = []
        self.go_on = threading.Event()
        self.lock = threading.Lock()

    def __call__(self, job: object) -> None:
        """Run a job."""
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.go_on.wait(20)
        with self.lock:
            self.running -= 1
            self.done.append(job)


def test_jobs_run_in_their_order() -> None:
    """One thread takes them as they came."""
    done: list[int] = []
    threads = Threads(done.append, 1)
    for number in range(1_000):
        threads.put(number)
    wait_for(lambda: len(done) == 1_000, "not all were done")
    assert done == list(range(1_000))


@pytest.mark.parametrize("most", [1, 3, 40])
def test_blocked_jobs_get_threads_up_to_the_limit(most: int) -> None:
    """All of them run at a time, and never one more."""
    blocking = Blocking()
    threads = Threads(blocking, most)
    for number in range(most + 20):
        threads.put(number)
    wait_for(lambda: blocking.running == most, f"only {blocking.running} run")
    blocking.go_on.set()
    wait_for(lambda: len(blocking.done) == most + 20, "not all were done")
    assert blocking.most == most


@pytest.mark.parametrize(
    ("load", "preempted", "grows"),
    [(0.1, 0, True), (0.7, 0, True), (1.0, 0, False), (0.6, 1, False), (0.2, 1, True)],
)
def test_more_threads_only_help_if_the_processor_is_not_busy(
    load: float, preempted: int, grows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What other processes take of the processor counts as well."""
    times = iter(range(1_000_000))

    def use() -> tuple[float, int]:
        return time.monotonic() * load, next(times) * preempted

    monkeypatch.setattr(threads_module, "_use", use)
    lock, running, most, done = threading.Lock(), 0, 0, 0

    def handle(_job: int) -> None:
        nonlocal running, most, done
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1
            done += 1

    threads = Threads(handle, 50)
    for number in range(1_000):
        threads.put(number)
    wait_for(lambda: done == 1_000, "not all were done")
    assert (most > 2) is grows


def test_jobs_that_wait_for_a_client_do_not_count() -> None:
    """However many clients do not read, others are served."""
    go_on = threading.Event()
    waits, done = threading.Semaphore(0), []

    def handle(job: str) -> None:
        if job == "stalled":
            with threads.waiting():
                waits.release()
                go_on.wait(20)
        done.append(job)

    threads = Threads(handle, 2)
    for _ in range(50):
        threads.put("stalled")
    for _ in range(50):
        assert waits.acquire(timeout=20)
    threads.put("other")
    wait_for(lambda: done == ["other"], "the other was not served")
    go_on.set()
    wait_for(lambda: len(done) == 51, "not all were done")


def test_one_thread_stays_one() -> None:
    """An app that is not made for threads does not run twice, not even while a client waits."""
    blocking, go_on = Blocking(), threading.Event()
    blocking.go_on = go_on

    def handle(job: int) -> None:
        with threads.waiting():
            blocking(job)

    threads = Threads(handle, 1)
    for number in range(5):
        threads.put(number)
    wait_for(lambda: blocking.running == 1, "none runs")
    go_on.set()
    wait_for(lambda: len(blocking.done) == 5, "not all were done")
    assert blocking.most == 1


def test_more_threads_run_although_the_first_try_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that is out of threads for a moment has them again later."""
    started, refused = threading.Thread.start, []

    def start(thread: threading.Thread) -> None:
        if thread.name == "threads" and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        started(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    blocking = Blocking()
    threads = Threads(blocking, 5)
    for number in range(4):
        threads.put(number)
    wait_for(lambda: blocking.running == 4, f"only {blocking.running} run")
    assert refused
    blocking.go_on.set()
    wait_for(lambda: len(blocking.done) == 4, "not all were done")


def test_a_system_without_threads_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    """The existing threads do the work."""
    started = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("request-") and thread.name != "request-1":
            raise RuntimeError("can't start new thread")
        started(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    done: list[int] = []
    threads = Threads(done.append, 50)
    for number in range(500):
        threads.put(number)
    wait_for(lambda: len(done) == 500, f"{len(done)} were done")
