"""A stop that no client notices: health responds with 503 first, and running requests finish."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib.util
import json
import os
import re
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime import AppServiceASGIMiddleware, AppServiceMiddleware
from appsvc_runtime.middleware import drain, notices, server_signals
from appsvc_runtime.middleware.health import Health
from tests.support.pythons import only_on
from tests.support.servers import Server, serving
from tests.support.wsgi import APP_SERVICE, Recorder, make_environ

since_gunicorn_25 = pytest.mark.skipif(
    importlib.util.find_spec("gunicorn.workers.gasgi") is None, reason="has no worker for ASGI"
)
with_uvloop = pytest.mark.skipif(
    importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"
)
# What these servers do without an entry point of ours needs newer releases than we do.
with_granian_command = pytest.mark.skipif(
    metadata.version("click").startswith("8.0."), reason="granian's command needs click 8.1"
)
with_uvicorn_worker = pytest.mark.skipif(
    importlib.util.find_spec("uvicorn._compat") is None,
    reason="this uvicorn-worker needs a newer uvicorn",
)
APP = """
import time
from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.middleware.health import Health

def slow(environ, start_response):
    time.sleep(0.05)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]

health = Health("/healthz", drain_seconds=1.0)
app = AppServiceMiddleware(slow, health=health)
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

health = Health("/healthz", drain_seconds=1.0)
app = AppServiceASGIMiddleware(slow, health=health)
"""
# Server and app; waitress by the entry point that has it as its default.
DOORS = {
    "gunicorn": (("-m", "appsvc_runtime", "serve"), APP),
    "waitress": (("-m", "appsvc_runtime.runserver"), APP),
    "granian": (("-m", "appsvc_runtime", "serve", "--server", "granian"), APP),
    "granian-asgi": (("-m", "appsvc_runtime", "serve", "--server", "granian"), ASGI_APP),
    "uvicorn": (("-m", "appsvc_runtime", "serve", "--server", "uvicorn"), ASGI_APP),
}


# Users add this line for servers that call the app only in threads.
LINE = "\nhealth.drain_on_sigterm()\n"
HOOK = """
def post_worker_init(worker):
    import app
    app.health.drain_on_sigterm()
"""
BIND = ("--bind", "127.0.0.1:{port}")
PORT = ("--host", "127.0.0.1", "--port", "{port}")
GUNICORN = ("-m", "gunicorn", "app:app", *BIND)
GRANIAN = ("-m", "granian", "app:app", *PORT)
UVICORN = ("-m", "uvicorn", "app:app", *PORT)
# Servers without an entry point of this package: command, app, exit code.
PLAIN: list[Any] = [
    pytest.param(GUNICORN, APP, 0, id="gunicorn"),
    pytest.param((*GUNICORN, "--preload"), APP, 0, id="gunicorn-preload"),
    pytest.param((*GUNICORN, "--threads", "4"), APP + LINE, 0, id="gunicorn-threads"),
    pytest.param(
        (*GUNICORN, "--threads", "4", "--preload", "--config", "hooks.py"), APP, 0,
        id="gunicorn-threads-preload",
    ),
    pytest.param(
        (*GUNICORN, "--worker-class", "asgi", "--asgi-loop", "asyncio"), ASGI_APP, 0,
        id="gunicorn-asgi", marks=since_gunicorn_25,
    ),
    pytest.param(
        (*GUNICORN, "--worker-class", "asgi", "--asgi-loop", "uvloop"), ASGI_APP, 0,
        id="gunicorn-asgi-uvloop", marks=[since_gunicorn_25, with_uvloop],
    ),
    pytest.param(
        (*GUNICORN, "--worker-class", "uvicorn_worker.UvicornWorker"), ASGI_APP, 0,
        id="gunicorn-uvicorn", marks=with_uvicorn_worker,
    ),
    pytest.param(UVICORN, ASGI_APP, -signal.SIGTERM, id="uvicorn"),
    pytest.param(
        (*UVICORN, "--lifespan", "off"), ASGI_APP, -signal.SIGTERM, id="uvicorn-no-lifespan"
    ),
    pytest.param((*UVICORN, "--workers", "2"), ASGI_APP, 0, id="uvicorn-workers"),
    pytest.param(
        ("-m", "waitress", "--listen", "127.0.0.1:{port}", "app:app"), APP + LINE, 0, id="waitress"
    ),
    pytest.param(
        (*GRANIAN, "--interface", "wsgi"), APP + LINE, 0,
        id="granian", marks=with_granian_command,
    ),
    pytest.param(
        (*GRANIAN, "--interface", "asgi", "--loop", "asyncio"), ASGI_APP, 0,
        id="granian-asgi", marks=with_granian_command,
    ),
    pytest.param(
        (*GRANIAN, "--interface", "asginl", "--loop", "asyncio"), ASGI_APP, 0,
        id="granian-asgi-no-lifespan", marks=with_granian_command,
    ),
    pytest.param(
        (*GRANIAN, "--interface", "asgi", "--loop", "asyncio"), ASGI_APP + LINE, 0,
        id="granian-asgi-with-the-line", marks=with_granian_command,
    ),
    pytest.param(
        (*GRANIAN, "--interface", "asgi", "--loop", "uvloop"), ASGI_APP, 0,
        id="granian-asgi-uvloop", marks=[with_uvloop, with_granian_command],
    ),
]  # fmt: skip


@contextmanager
def instance(folder: Path, door: str) -> Iterator[Server]:
    command, app = DOORS[door]
    with started(folder, (*command, "app:app", *PORT), app) as server:
        yield server


@contextmanager
def started(folder: Path, words: tuple[str, ...], app: str) -> Iterator[Server]:
    (folder / "app.py").write_text(app)
    (folder / "hooks.py").write_text(HOOK)
    variables = {"WEBSITES_CONTAINER_STOP_TIME_LIMIT": "20", "APPSVC_GRACEFUL_TIMEOUT": "10"}
    with serving(*words, cwd=folder, **APP_SERVICE, **variables) as server:
        yield server


class Balancer:
    """Requests each instance's health again and again, and returns the healthy ones in turn."""

    def __init__(self) -> None:
        self.instances: dict[str, Server] = {}
        self._well: list[Server] = []
        self._turn = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._probe, daemon=True)
        self._thread.start()

    def pick(self) -> Server | None:
        """Return the next healthy instance."""
        well = self._well
        self._turn += 1
        return well[self._turn % len(well)] if well else None

    def wait_for(self, count: int) -> None:
        """Wait until so many instances are healthy."""
        deadline = time.monotonic() + 30
        while len(self._well) != count:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def close(self) -> None:
        """Stop the health requests."""
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
    """Each of two instances is replaced in turn; no client gets an error."""
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
    """The response is 503 with `draining`, then the server ends; a second signal does not wait."""
    with instance(tmp_path, door) as server:
        assert stop_while_draining(server) == 0


@pytest.mark.integration
@pytest.mark.parametrize(("words", "app", "code"), PLAIN)
def test_plain_servers_do_so_too(
    tmp_path: Path, words: tuple[str, ...], app: str, code: int
) -> None:
    """This holds for servers that are started without an entry point of this package."""
    with started(tmp_path, words, app) as server:
        assert stop_while_draining(server) == code


@pytest.mark.integration
@pytest.mark.parametrize(
    "words",
    [
        pytest.param((*GUNICORN, "--threads", "4"), id="gunicorn"),
        pytest.param((*GUNICORN, "--threads", "4", "--preload"), id="gunicorn-preload"),
        pytest.param(("-m", "waitress", "--listen", "127.0.0.1:{port}", "app:app"), id="waitress"),
        pytest.param((*GRANIAN, "--interface", "wsgi"), id="granian", marks=with_granian_command),
    ],
)
def test_a_missing_line_is_warned_of(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Once, with the first request."""
    with started(tmp_path, words, APP) as server:
        for _ in range(3):
            assert server.request("/")[0] == 200
        server.wait_for_log("Call health.drain_on_sigterm()")
        assert server.log().count("health.drain_on_sigterm()") == 1


def stop_while_draining(server: Server) -> int:
    """Stop a server; check health and pages while it drains, and return its exit code."""
    deadline = time.monotonic() + 20
    while not healthy(server):  # until one of its workers listens
        assert time.monotonic() < deadline, server.log()
    assert json.loads(server.request("/healthz")[2])["status"] == "healthy"
    for _ in range(8):  # for each of its workers
        assert server.request("/")[0] == 200
    assert "drain_on_sigterm" not in server.log()
    server.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 60
    patience = time.monotonic() + 5
    while (found := server.request("/healthz"))[0] == 200:
        assert time.monotonic() < deadline, server.log()
        if time.monotonic() > patience:
            signal_again(server)
            patience = deadline
    assert json.loads(found[2])["status"] == "draining"
    assert server.request("/")[0] == 200  # the load balancer may not know yet
    return server.process.wait(20)


def signal_again(server: Server) -> None:
    """Send SIGTERM to the workers of a granian that was started by itself; do nothing for others.

    If the system gives the signal to another thread of a worker than the main one, plain granian
    2.8 does not notice it, once in dozens of runs. With our entry points no server misses it.
    """
    for pid in re.findall(r"Spawning worker-\d+ with PID: (\d+)", server.log()):
        os.kill(int(pid), signal.SIGTERM)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the Health objects of other tests."""
    monkeypatch.setattr(drain, "_healths", weakref.WeakSet())


@pytest.mark.usefixtures("alone")
def test_delay_calls_at_once_the_second_time() -> None:
    """It also calls at once if `drain_seconds` is 0."""
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


@pytest.fixture
def sigterm(alone: None) -> Iterator[None]:
    """Restore the handler of SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def wait_for(heard: list[Any]) -> None:
    deadline = time.monotonic() + 20
    while not heard and time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.mark.parametrize("kind", [AppServiceMiddleware, AppServiceASGIMiddleware])
@pytest.mark.usefixtures("sigterm")
def test_making_a_middleware_changes_nothing_in_the_process(kind: Any) -> None:
    """It sets no signal handler and starts no thread, even if a server has set its handlers."""
    for handler in (signal.SIG_DFL, lambda *_: None):
        signal.signal(signal.SIGTERM, handler)
        handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        threads = threading.enumerate()
        kind(lambda *_: None, health=Health("/healthz", checks={"well": lambda: True}))
        assert threading.enumerate() == threads
        assert {number: signal.getsignal(number) for number in handlers} == handlers


@pytest.mark.usefixtures("sigterm")
def test_install_wraps_a_servers_handler_once() -> None:
    """The system's default is not wrapped: without a server's handler nothing changes."""
    heard: list[int] = []
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
    wait_for(heard)
    assert heard == [signal.SIGTERM]


@pytest.mark.usefixtures("sigterm")
def test_the_first_request_installs_it() -> None:
    """This happens in the main thread only; requests in other threads change nothing."""
    signal.signal(signal.SIGTERM, before := lambda *_: None)
    app = AppServiceMiddleware(Recorder(), health=Health())
    thread = threading.Thread(target=app, args=(make_environ(), lambda *_: None))
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
    AppServiceMiddleware(Recorder())(make_environ(), lambda *_: None)  # type: ignore[arg-type]
    assert signal.getsignal(signal.SIGTERM) is before
    app = AppServiceMiddleware(Recorder(), health=Health())
    app(make_environ(), lambda *_: None)  # type: ignore[arg-type]
    assert signal.getsignal(signal.SIGTERM) is not before


@pytest.mark.usefixtures("sigterm")
def test_the_line_ends_a_process_whose_server_handles_no_signal() -> None:
    """The handler raises SystemExit, on which waitress finishes running requests."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    health = Health(drain_seconds=0.05)
    health.drain_on_sigterm()
    health.drain_on_sigterm()
    signal.raise_signal(signal.SIGTERM)
    assert health.draining
    with pytest.raises(SystemExit) as ended:
        wait_for([])
    assert ended.value.code == 128 + signal.SIGTERM


@pytest.mark.usefixtures("sigterm")
def test_the_line_in_a_thread_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler can be set in the main thread only; the app starts all the same."""
    monkeypatch.setattr(notices, "_logged", set())
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=Health().drain_on_sigterm)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
    assert "drain_on_sigterm() does nothing in a thread" in caplog.text


@pytest.mark.usefixtures("sigterm")
def test_a_loop_that_handles_the_signal_waits_as_well() -> None:
    """asyncio's loop shows its handler, which is replaced once."""
    heard: list[str] = []
    health = Health(drain_seconds=0.05)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, lambda: (heard.append("stop"), over.set()))
        app = AppServiceASGIMiddleware(answer, health=health)
        for _ in range(2):
            with contextlib.suppress(KeyError):
                await app({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
            drain.install()
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        assert heard == []
        await asyncio.wait_for(over.wait(), 20)
        assert loop.remove_signal_handler(signal.SIGTERM)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        pass

    asyncio.run(serve())
    assert health.draining
    assert heard == ["stop"]


WORKERS: list[Any] = [
    pytest.param("granian.server.mp", "shutdown_event = server", "set", id="granian"),
    pytest.param("gunicorn.workers.gasgi", "self = server", "handle_exit_signal", id="gunicorn"),
    pytest.param("another", "shutdown_event = self = server", None, id="another"),
]


@pytest.mark.parametrize(("module", "line", "method"), WORKERS)
def test_workers_are_known_by_the_calls_that_lead_to_the_app(
    module: str, line: str, method: str | None
) -> None:
    """This is for workers whose loop does not show its signal handler."""

    class Worker:
        def set(self) -> None:
            heard.append("set")

        def handle_exit_signal(self) -> None:
            heard.append("handle_exit_signal")

    heard: list[str] = []
    scope: dict[str, Any] = {"__name__": module, "find": server_signals.find_loop_stop}
    exec(f"def call(server):\n    {line}\n    return find()", scope)
    stop = scope["call"](Worker())
    if method is None:
        assert stop is None
        return
    stop()
    assert heard == [method]
