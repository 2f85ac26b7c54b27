"""Many health requests during a slow run: pages are served meanwhile, on every real server."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.middleware.health import Health, Outcome
from tests.integration.test_login_paths import SERVERS
from tests.integration.test_login_paths import Server as Row
from tests.support.fastcgi import FastCgiProcess
from tests.support.serverapps import PLATFORM
from tests.support.servers import ROOT, Server, serving
from tests.support.signinforms import is_whole

# The check ends when the file exists.
CHECK = """\
import os, time

def check():
    open("started", "a").write("x")
    while not os.path.exists("go"):
        time.sleep(0.01)
"""
WSGI = f"""\
{CHECK}
from appsvc_runtime import AppServiceMiddleware, Health

def site(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"page"]

app = AppServiceMiddleware(site, health=Health("/healthz", checks={{"slow": (check, 60)}}))
"""
# A page that needs a thread of the pool, as plain functions of FastAPI do.
ASGI = f"""\
{CHECK}
import asyncio
from appsvc_runtime import AppServiceASGIMiddleware, Health

async def site(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({{"type": kind + ".complete"}})
            if kind == "lifespan.shutdown":
                return
    body = await asyncio.to_thread(bytes, b"page")
    headers = [(b"content-length", b"4")]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": body}})

app = AppServiceASGIMiddleware(site, health=Health("/healthz", checks={{"slow": (check, 60)}}))
"""
OUTSIDE = {"X-Forwarded-For": "203.0.113.7"}
REQUEST = (
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.7\r\nConnection: close\r\n\r\n"
)
MANY = 200


@pytest.mark.parametrize(
    "row", [row for row in SERVERS.values() if row.name != "wfastcgi"],
    ids=[name for name in SERVERS if name != "wfastcgi"],
)  # fmt: skip
def test_pages_are_served_while_a_check_runs(row: Row, tmp_path: Path) -> None:
    """One health request waits for the check.

    The others and a page get a response before it ends.
    """
    (tmp_path / "app.py").write_text(ASGI if row.is_asgi else WSGI)
    command = ("-m", "appsvc_runtime", "serve", "app:app", "--server", row.name)
    listen = ("--host", "127.0.0.1", "--port", "{port}")
    variables = {**PLATFORM, "APPSVC_WORKERS": "1"}
    with serving(*command, *listen, cwd=tmp_path, **variables) as served, ExitStack() as stack:
        asking = [
            stack.enter_context(socket.create_connection(("127.0.0.1", served.port), 20))
            for _ in range(MANY)
        ]
        for connection in asking:
            connection.sendall(REQUEST)
        wait_for(tmp_path / "started", served)
        assert set(gather(asking, MANY - 1)) == {b'{"status": "unknown"}'}
        assert served.request("/page")[2] == b"page"
        (tmp_path / "go").touch()
        assert gather(asking, 1) == [b'{"status": "healthy"}']
        assert (tmp_path / "started").read_text() == "x"
        status, _, body = served.request("/healthz", OUTSIDE)
        assert (status, body) == (200, b'{"status": "healthy"}')


def wait_for(path: Path, served: Server) -> None:
    """Wait until a file exists."""
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, served.log()
        time.sleep(0.01)


def gather(asking: list[socket.socket], count: int) -> list[bytes]:
    """Return the bodies of the first responses that arrive; their connections are closed at once.

    gunicorn's main thread waits for a client to close before it continues.
    """
    found: list[bytes] = []
    received = dict.fromkeys(asking, b"")
    deadline = time.monotonic() + 30
    with selectors.DefaultSelector() as selector:
        for connection in asking:
            selector.register(connection, selectors.EVENT_READ)
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count}"
            for key, _ in selector.select(0.5):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                received[connection] += connection.recv(65536)
                if is_whole(received[connection]):
                    selector.unregister(connection)
                    asking.remove(connection)
                    found.append(received[connection].partition(b"\r\n\r\n")[2])
                    connection.close()
    return found


WITH_THREADS = [row for row in SERVERS.values() if row.name != "wfastcgi" and not row.is_asgi]


@pytest.mark.parametrize("row", WITH_THREADS, ids=[row.name for row in WITH_THREADS])
def test_a_check_does_not_keep_the_only_thread(row: Row, tmp_path: Path) -> None:
    """A page is served while the check runs, however many health requests there are."""
    (tmp_path / "app.py").write_text(WSGI)
    command = ("-m", "appsvc_runtime", "serve", "app:app", "--server", row.name)
    listen = ("--host", "127.0.0.1", "--port", "{port}")
    variables = {**PLATFORM, "APPSVC_WORKERS": "1", "APPSVC_THREADS": "1"}
    with serving(*command, *listen, cwd=tmp_path, **variables) as served:
        for _ in range(3):
            assert served.request("/healthz", OUTSIDE)[::2] == (503, b'{"status": "unknown"}')
            assert served.request("/page")[2] == b"page"
        assert (tmp_path / "started").read_text() == "x"
        (tmp_path / "go").touch()


def test_one_request_at_a_time(tmp_path: Path) -> None:
    """Under wfastcgi no request waits long: the next one gets the result of the run."""
    (tmp_path / "app.py").write_text(WSGI)
    variables = {
        **PLATFORM, "APPSVC_APP": "app:app", "PYTHONPATH": str(ROOT),
        "WSGI_HANDLER": "appsvc_runtime.wsgi.application",
    }  # fmt: skip
    with FastCgiProcess(tmp_path, env=variables) as process:
        for _ in range(5):
            answer = process.request(path="/healthz", headers=OUTSIDE)
            assert (answer.status, answer.body) == (503, b'{"status": "unknown"}')
            assert process.request(path="/page").body == b"page"
        assert (tmp_path / "started").read_text() == "x"
        (tmp_path / "go").touch()
        deadline = time.monotonic() + 20
        while (answer := process.request(path="/healthz", headers=OUTSIDE)).status != 200:
            assert time.monotonic() < deadline, answer
        assert answer.body == b'{"status": "healthy"}'
        assert (tmp_path / "started").read_text() == "x"


class Gate:
    """A check that waits for `go` and returns `result`."""

    def __init__(self) -> None:
        self.calls = 0
        self.result: Any = None
        self.started, self.go = threading.Event(), threading.Event()

    def __call__(self) -> Any:
        """Wait for `go`; return `result`."""
        self.calls += 1
        self.started.set()
        assert self.go.wait(20)
        return self.result


def test_the_others_get_the_last_outcome() -> None:
    """Before the first outcome they get None, then the old outcome until the run has ended."""
    gate = Gate()
    health = Health(checks={"a": (gate, 30)}, cache_seconds=0)
    for before, after in ((None, ""), ("", "False")):
        gate.started.clear()
        gate.go.clear()
        gate.result = False if after else None
        waited: list[dict[str, Outcome] | None] = []
        waiting = threading.Thread(target=lambda found=waited: found.append(health.outcomes()))
        waiting.start()
        assert gate.started.wait(20)
        assert not health.is_due()
        for _ in range(50):
            found = health.outcomes()
            assert before == (None if found is None else found["a"].problem)
        gate.go.set()
        waiting.join(20)
        assert waited[0] is not None
        assert waited[0]["a"].problem == after
    assert gate.calls == 2


def test_an_impatient_one_leaves_the_run_to_the_next() -> None:
    """The next caller starts no other run before the first has ended, and gets its outcome."""
    gate = Gate()
    health = Health(checks={"a": (gate, 30), "b": lambda: None}, cache_seconds=60)
    for _ in range(3):
        assert health.outcomes(patience=0) is None
    gate.go.set()
    found = health.outcomes()
    assert found is not None
    assert {name: outcome.problem for name, outcome in found.items()} == {"a": "", "b": ""}
    assert health.outcomes(patience=0) is found
    assert gate.calls == 1


def test_a_check_that_ends_late_is_a_timeout() -> None:
    """This also applies if nobody was waiting at the time limit."""
    gate = Gate()
    health = Health(checks={"a": (gate, 0.01)}, cache_seconds=60)
    health.outcomes(patience=0)
    assert gate.started.wait(20)
    late = time.monotonic() + 0.01
    while time.monotonic() < late:
        pass
    gate.go.set()
    found = health.outcomes()
    assert found is not None
    assert found["a"].problem == "timeout"


def test_old_outcomes_of_an_impatient_one_are_not_taken_for_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A minute later the checks run again, and the new outcome is returned."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    results: list[Any] = [None, False]
    health = Health(checks={"a": lambda: results.pop(0)}, cache_seconds=5)
    health.outcomes(patience=-1)
    now[0] += 60
    found = health.outcomes()
    assert found is not None
    assert found["a"].problem == "False"
    assert results == []


def test_no_checks_are_known_at_once() -> None:
    """Without checks there is nothing to wait for."""
    health = Health()
    assert not health.is_due()
    assert health.answer(details=False) == ("200 OK", b'{"status": "healthy"}')
