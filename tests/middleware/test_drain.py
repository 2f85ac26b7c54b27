"""A stop that no visitor notices: health says so first, running requests finish."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from appsvc_runtime.middleware import drain
from appsvc_runtime.middleware.health import Health
from tests.support.pythons import only_on
from tests.support.servers import Server, serving
from tests.support.wsgi import APP_SERVICE

APP = """
import time
from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.middleware.health import Health

def slow(environ, start_response):
    time.sleep(0.05)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]

app = AppServiceMiddleware(slow, health=Health("/healthz", drain_seconds=1.0))
"""
ASGI_APP = """
import asyncio
from appsvc_runtime import AppServiceASGIMiddleware
from appsvc_runtime.middleware.health import Health

async def slow(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    await asyncio.sleep(0.05)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})

app = AppServiceASGIMiddleware(slow, health=Health("/healthz", drain_seconds=1.0))
"""
# Server and app; waitress by the door where it is the default.
DOORS = {
    "gunicorn": (("-m", "appsvc_runtime", "serve"), APP),
    "waitress": (("-m", "appsvc_runtime.runserver"), APP),
    "granian": (("-m", "appsvc_runtime", "serve", "--server", "granian"), APP),
    "granian-asgi": (("-m", "appsvc_runtime", "serve", "--server", "granian"), ASGI_APP),
    "uvicorn": (("-m", "appsvc_runtime", "serve", "--server", "uvicorn"), ASGI_APP),
}


@contextmanager
def instance(folder: Path, door: str) -> Iterator[Server]:
    command, app = DOORS[door]
    (folder / "app.py").write_text(app)
    variables = {"WEBSITES_CONTAINER_STOP_TIME_LIMIT": "20", "APPSVC_GRACEFUL_TIMEOUT": "10"}
    words = (*command, "app:app", "--host", "127.0.0.1", "--port", "{port}")
    with serving(*words, cwd=folder, **APP_SERVICE, **variables) as server:  # fmt: skip
        yield server


class Balancer:
    """Asks each instance's health again and again, and sends visitors to those that are well."""

    def __init__(self) -> None:
        self.instances: dict[str, Server] = {}
        self._well: list[Server] = []
        self._turn = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._probe, daemon=True)
        self._thread.start()

    def pick(self) -> Server | None:
        """Give the next instance that is well."""
        well = self._well
        self._turn += 1
        return well[self._turn % len(well)] if well else None

    def wait_for(self, count: int) -> None:
        """Wait until so many are well."""
        deadline = time.monotonic() + 30
        while len(self._well) != count:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def close(self) -> None:
        """Ask no more."""
        self._over.set()
        self._thread.join(20)

    def _probe(self) -> None:
        while not self._over.wait(0.05):
            self._well = [one for one in list(self.instances.values()) if healthy(one)]


def healthy(server: Server) -> bool:
    try:
        return server.request("/healthz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


@pytest.mark.integration
@only_on(10, 14)
@pytest.mark.parametrize("door", DOORS)
def test_rolling_restart_under_load(tmp_path: Path, door: str) -> None:
    """Each of two instances is replaced in turn; no visitor sees an error."""
    balancer = Balancer()
    answers: list[int] = []
    wrong: list[str] = []
    over = threading.Event()

    def visit() -> None:
        while not over.is_set():
            server = balancer.pick()
            if server is None:
                wrong.append("nobody is well")
                continue
            try:
                answers.append(server.request("/")[0])
            except (OSError, http.client.HTTPException) as error:
                wrong.append(repr(error))

    visitors = [threading.Thread(target=visit, daemon=True) for _ in range(6)]
    with ExitStack() as stack:
        stack.callback(balancer.close)
        for name in ("a", "b"):
            balancer.instances[name] = stack.enter_context(instance(tmp_path, door))
        balancer.wait_for(2)
        for visitor in visitors:
            visitor.start()
        for name in ("a", "b"):
            old = balancer.instances[name]
            assert old.stop() == 0
            balancer.wait_for(1)
            balancer.instances[name] = stack.enter_context(instance(tmp_path, door))
            balancer.wait_for(2)
        over.set()
        for visitor in visitors:
            visitor.join(20)
    assert wrong == []
    assert set(answers) == {200}
    assert len(answers) > 50


@pytest.mark.integration
@pytest.mark.parametrize("door", DOORS)
def test_health_says_so_while_running_requests_finish(tmp_path: Path, door: str) -> None:
    """503 with `draining`, then the end; a second signal does not wait."""
    with instance(tmp_path, door) as server:
        assert json.loads(server.request("/healthz")[2])["status"] == "healthy"
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        while (found := server.request("/healthz"))[0] == 200:
            assert time.monotonic() < deadline
        assert json.loads(found[2])["status"] == "draining"
        assert server.request("/")[0] == 200  # the balancer may not know yet
        assert server.process.wait(20) == 0


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No health of another test counts."""
    monkeypatch.setattr(drain, "_healths", weakref.WeakSet())


@pytest.mark.usefixtures("alone")
def test_delay_calls_at_once_the_second_time() -> None:
    """And at once where nobody has to be waited for."""
    calls: list[str] = []
    health = Health(drain_seconds=600)
    drain.watch(health)
    stop: Callable[[], None] = drain.delay(lambda: calls.append("stopped"))
    stop()
    assert (calls, health.draining) == ([], True)
    stop()
    assert calls == ["stopped"]
    health.drain_seconds = 0
    drain.delay(lambda: calls.append("again"))()
    assert calls == ["stopped", "again"]


@pytest.mark.usefixtures("alone")
def test_install_wraps_a_servers_handler_once() -> None:
    """And leaves alone what the system does where no server handles it."""
    before = signal.getsignal(signal.SIGTERM)
    heard: list[int] = []
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        drain.install()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        health = Health(drain_seconds=0.05)
        drain.watch(health)
        signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
        drain.install()
        wrapped = signal.getsignal(signal.SIGTERM)
        drain.install()
        assert signal.getsignal(signal.SIGTERM) is wrapped
        signal.raise_signal(signal.SIGTERM)
        assert health.draining
        assert heard == []
        deadline = time.monotonic() + 20
        while not heard and time.monotonic() < deadline:
            time.sleep(0.005)
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
