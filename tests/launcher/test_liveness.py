"""Whether a worker is alive: the file that it touches, the address where it responds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from appsvc_runtime.launcher import liveness
from appsvc_runtime.launcher.liveness import HealthUrl, Heartbeat


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_file_that_is_touched_in_time(tmp_path: Path) -> None:
    """Each change counts from when it was seen, whatever time the file has."""
    clock, file = Clock(), tmp_path / "beat"
    heart = Heartbeat(str(file), 10, clock)
    assert heart.problem() == ""
    clock.now += 9
    file.touch()
    assert heart.problem() == ""
    clock.now += 9
    os.utime(file, (1, 1))  # from a wrong clock
    assert heart.problem() == ""
    clock.now += 9.9
    assert heart.problem() == ""
    clock.now += 0.1
    assert heart.problem() == f"{file} has not been touched for 10.0 s"


def test_file_that_never_comes(tmp_path: Path) -> None:
    """A worker that never touches it counts as hung after the same time."""
    clock = Clock()
    heart = Heartbeat(str(tmp_path / "beat"), 10, clock)
    clock.now += 10
    assert "has not been touched for 10.0 s" in heart.problem()


def test_a_new_run_has_its_whole_time(tmp_path: Path) -> None:
    """The state of the run before does not matter."""
    clock = Clock()
    heart = Heartbeat(str(tmp_path / "beat"), 10, clock)
    clock.now += 50
    heart.start()
    assert heart.problem() == ""


class Answers(BaseHTTPRequestHandler):
    """A server that responds with `status`, as soon as `may` is set."""

    status = 200
    asked: threading.Semaphore
    may: threading.Semaphore | None

    def do_GET(self) -> None:
        """Respond."""
        type(self).asked.release()
        if type(self).may is not None:
            type(self).may.acquire(timeout=20)
        self.send_response(type(self).status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Answers.status = 200
    Answers.asked, Answers.may = threading.Semaphore(0), None
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/health"
    server.shutdown()
    thread.join()
    server.server_close()


def wait_for_response() -> None:
    """Wait until a request that was sent after this call has got its response."""
    while Answers.asked.acquire(blocking=False):
        pass
    # The first may have been sent before, and the third is sent when the second has its response.
    for _ in range(3):
        assert Answers.asked.acquire(timeout=20)


def test_address_that_answers_well_until_it_does_not(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status of 400 or more is not a sign of life, and is reported."""
    clock = Clock()
    monkeypatch.setattr(liveness, "time", SimpleNamespace(monotonic=clock))
    health = HealthUrl(url, 0.8)
    try:
        for _ in range(2):
            clock.now += 0.7
            wait_for_response()
            assert health.problem() == ""
        Answers.status = 500
        wait_for_response()
        clock.now += 0.9
        assert "HTTP Error 500" in health.problem() or "Internal Server Error" in health.problem()
    finally:
        health.close()


def test_slow_answer_takes_nothing_from_a_new_run(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request of the run before gets a response after the new run has started."""
    clock = Clock()
    monkeypatch.setattr(liveness, "time", SimpleNamespace(monotonic=clock))
    Answers.may = may = threading.Semaphore(0)
    health = HealthUrl(url, 0.8)
    try:
        assert Answers.asked.acquire(timeout=20)
        clock.now += 0.7
        health.start()
        may.release()
        assert Answers.asked.acquire(timeout=20)  # the next request: the response was handled
        clock.now += 0.7
        assert health.problem() == ""
        clock.now += 0.2
        assert "has had no good response for 0.9 s" in health.problem()
    finally:
        health.close()
        may.release(100)


def test_address_that_nobody_answers() -> None:
    """The reason is reported."""
    health = HealthUrl("http://127.0.0.1:1/health", 0.4)
    deadline = time.monotonic() + 20
    while "refused" not in health.problem():
        assert time.monotonic() < deadline, health.problem()
        time.sleep(0.01)
    health.close()
