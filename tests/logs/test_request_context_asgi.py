"""The request of an ASGI app's log line: as under WSGI, in tasks and threads of the app too."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from appsvc_runtime import AppServiceASGIMiddleware
from appsvc_runtime.logs import request_context
from tests.logs.test_request_context import VISITOR, Log
from tests.middleware.test_asgi import make_scope
from tests.support.asgi import call_asgi
from tests.support.wsgi import APP_SERVICE


@pytest.fixture(autouse=True)
def asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_context, "enabled", True)


@pytest.fixture
def log() -> Iterator[Log]:
    """Log with `logging.getLogger("shop")`."""
    handler = Log()
    logger = logging.getLogger("shop")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def say(text: str) -> None:
    logging.getLogger("shop").info("%s", text)


def scope(number: int = 1, **changed: Any) -> dict[str, Any]:
    sent = {"X-ARR-LOG-ID": f"id-{number}", "X-Forwarded-For": f"{VISITOR}:4711"}
    return make_scope(sent, **changed)


def served(app: Any, **options: Any) -> AppServiceASGIMiddleware:
    return AppServiceASGIMiddleware(app, environ=APP_SERVICE, **options)


async def respond(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def speaker(scope: Any, receive: Any, send: Any) -> None:
    """Log in the call, in a task, in a thread of asyncio's and one that gets the context."""
    say("call")

    async def task() -> None:
        await asyncio.sleep(0)
        say("task")

    await asyncio.gather(task(), asyncio.to_thread(say, "thread"))
    context = contextvars.copy_context()
    await asyncio.get_running_loop().run_in_executor(None, context.run, say, "executor")
    if scope["type"] == "http":
        await respond(send)


NAMES = ("call", "task", "thread", "executor")


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_lines_of_a_request_and_after_it(kind: str, log: Log) -> None:
    """Lines in tasks and threads have the request; lines before it and after it have none."""
    say("before")
    call_asgi(served(speaker), scope(type=kind))
    say("after")
    found = sorted(log.lines)
    assert found == sorted(
        [("before", "", ""), ("after", "", ""), *((name, "id-1", VISITOR) for name in NAMES)]
    )


def test_a_lifespan_has_no_request(log: Log) -> None:
    """Nor does a request belong to the lifespan's."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        say("lifespan")

    call_asgi(served(app), {"type": "lifespan"})
    assert log.lines == [("lifespan", "", "")]


def test_nothing_is_set_until_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a handler of this package the middleware skips this, and leaves the scope alone."""
    monkeypatch.setattr(request_context, "enabled", False)
    sent = scope()
    before = dict(sent)
    call_asgi(served(speaker), sent)
    assert sent == before


def test_concurrent_requests_in_one_loop(log: Log) -> None:
    """Each has its own request, whatever the order of their lines."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        number = dict(scope["headers"])[b"x-arr-log-id"].decode()
        for _ in range(3):
            await asyncio.sleep(0)
            say(number)

    async def main() -> None:
        middleware = served(app)
        await asyncio.gather(*(middleware(scope(number), None, None) for number in range(20)))  # type: ignore[arg-type]

    asyncio.run(main())
    assert len(log.lines) == 60
    assert all(text == found for text, found, _ in log.lines)


def test_a_middleware_around_ours(log: Log) -> None:
    """Its line after the app has the request, as under WSGI; its line before has none."""
    inner = served(speaker)

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        say("outer before")
        await inner(scope, receive, send)
        say("outer after")

    call_asgi(outer, scope())
    assert log.lines[0] == ("outer before", "", "")
    assert log.lines[-1] == ("outer after", "id-1", VISITOR)


def test_two_middlewares(log: Log) -> None:
    """The inner middleware, the user's own, decides; afterwards the request is over."""
    call_asgi(served(served(speaker, trusted_proxies=[])), scope())
    say("end")
    assert {line[1:] for line in log.lines[:-1]} == {("", "169.254.130.1")}
    assert log.lines[-1] == ("end", "", "")


def test_a_request_that_fails(log: Log) -> None:
    """Its lines have the request, the server's line about the exception too, the next one none."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        say("fails")
        raise RuntimeError("the app broke")

    async def server(scope: Any, receive: Any, send: Any) -> None:
        try:
            await served(app)(scope, receive, send)
        except RuntimeError:
            say("the server's")

    call_asgi(server, scope())
    say("after")
    assert log.lines[:2] == [("fails", "id-1", VISITOR), ("the server's", "id-1", VISITOR)]
    assert log.lines[2] == ("after", "", "")


@pytest.mark.parametrize("outermost", [True, False], ids=["around", "add_middleware"])
def test_starlette(outermost: bool, log: Log) -> None:
    """Views, its thread pool (anyio) and background tasks have the request."""

    async def view(request: Any) -> PlainTextResponse:
        say("view")
        await run_in_threadpool(say, "pool")
        return PlainTextResponse("ok", background=BackgroundTask(say, "background"))

    def plain(request: Any) -> PlainTextResponse:
        say("plain")
        return PlainTextResponse("ok")

    app: Any = Starlette(routes=[Route("/", view), Route("/plain", plain)])
    if outermost:
        app = served(app)
    else:
        app.add_middleware(AppServiceASGIMiddleware, environ=APP_SERVICE)
    call_asgi(app, scope())
    call_asgi(app, scope(2, path="/plain", raw_path=b"/plain"))
    assert log.lines == [
        *((text, "id-1", VISITOR) for text in ("view", "pool", "background")),
        ("plain", "id-2", VISITOR),
    ]
