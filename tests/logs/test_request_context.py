"""The request of a log line: never another's, none afterwards, also in threads and tasks."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import logging.handlers
import queue
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.logs import request_context
from appsvc_runtime.logs.formats import RequestFilter
from tests.support.wsgi import APP_SERVICE, make_environ

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
VISITOR = "203.0.113.7"


class Log(logging.Handler):
    """Records the log lines: message, id, client."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str, str]] = []
        self.addFilter(RequestFilter())

    def emit(self, record: Any) -> None:
        """Record a line."""
        self.lines.append((record.getMessage(), record.request_id, record.client))


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


def say(text: object = "") -> None:
    logging.getLogger("shop").info("%s", text)


def ask(app: App, number: object = 1, **headers: str) -> None:
    """Act as the server of one request, and release its environ."""
    known = {"X-ARR-LOG-ID": f"id-{number}", "X-Forwarded-For": f"{VISITOR}:4711", **headers}
    body = app(make_environ(known), lambda *_: lambda data: None)
    try:
        list(body)
    finally:
        getattr(body, "close", lambda: None)()


def served(app: App, **options: Any) -> App:
    return AppServiceMiddleware(app, environ=APP_SERVICE, **options)


def speaker(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Log a line in the call, one in the body, and one when the body is closed."""
    say("call")
    start_response("200 OK", [])
    try:
        say("body")
        yield b"hello"
    finally:
        say("close")


def test_lines_of_a_request_and_after_it(log: Log) -> None:
    """Lines have the request from the call to the close, and not before or after."""
    say("before")
    ask(served(speaker))
    say("after")
    ask(served(speaker), 2)
    inside = [
        (text, f"id-{number}", VISITOR) for number in (1, 2) for text in ("call", "body", "close")
    ]
    assert log.lines == [("before", "", ""), *inside[:3], ("after", "", ""), *inside[3:]]


HEADERS = [
    pytest.param({"X-ARR-LOG-ID": "arr", "traceparent": "00-a-b-01"}, "arr", id="front-end"),
    pytest.param({"traceparent": "00-a-b-01", "X-Request-ID": "r"}, "00-a-b-01", id="traceparent"),
    pytest.param({"X-Request-ID": "r"}, "r", id="request-id"),
    pytest.param({"X-Request-ID": "r" * 5000}, "r" * 128, id="bounded"),
    pytest.param({}, "", id="none"),
]


@pytest.mark.parametrize(("headers", "found"), HEADERS)
def test_where_the_id_is_from(headers: dict[str, str], found: str, log: Log) -> None:
    """The id is the front end's, else a standard one; the client is the middleware's."""
    list(served(speaker)(make_environ(headers), lambda *_: None))
    assert {line[1:] for line in log.lines} == {(found, "169.254.130.1")}


def test_an_untrusted_peer_names_no_front_ends_id(log: Log) -> None:
    """A front end's header is not trusted from another peer; the client is the peer."""
    environ = make_environ({"X-ARR-LOG-ID": "forged"}, REMOTE_ADDR="198.51.100.9")
    list(served(speaker)(environ, lambda *_: None))
    assert {line[1:] for line in log.lines} == {("", "198.51.100.9")}


def test_nothing_is_set_until_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a handler of this package, the middleware skips this work."""
    monkeypatch.setattr(request_context, "enabled", False)
    seen = []
    ask(served(lambda environ, start: seen.append(set(environ)) or []))  # type: ignore[func-returns-value]
    assert request_context.ALIVE_KEY not in seen[0]
    assert request_context.current() is None


def test_a_request_that_fails(log: Log) -> None:
    """Its lines have the request; the next line has none."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        say("fails")
        raise RuntimeError("the app broke")

    with pytest.raises(RuntimeError, match="broke"):
        ask(served(app))
    say("after")  # the exception and its frames are gone
    assert log.lines == [("fails", "id-1", VISITOR), ("after", "", "")]


def test_threads_of_a_pool_never_mix(log: Log) -> None:
    """Concurrent requests log in random order: each line has its own id."""
    at_once = threading.Barrier(8)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        number = environ["HTTP_X_ARR_LOG_ID"]
        at_once.wait(20)
        for _ in range(random.randrange(1, 5)):
            say(number)
            yield b""

    def task(number: int) -> None:
        say("")
        ask(middleware, number)
        say("")

    middleware = served(app)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(task, range(400)))
    assert len({text for text, _, _ in log.lines}) == 401
    for text, found, client in log.lines:
        assert (found, client) == (text, VISITOR if text else "")


# Copies of the context


def test_a_thread_that_was_given_the_context_keeps_it(log: Log) -> None:
    """It keeps the request even after the response; a plain thread has none."""
    answered = threading.Event()
    threads: list[threading.Thread] = []

    def work(text: str) -> None:
        assert answered.wait(20)
        say(text)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        copied = contextvars.copy_context()
        threads.append(threading.Thread(target=copied.run, args=(work, "given")))
        plain = contextvars.Context()  # as a thread has, unless Python was told to hand down
        threads.append(threading.Thread(target=plain.run, args=(work, "plain")))
        for thread in threads:
            thread.start()
        return []

    ask(served(app))
    ask(served(speaker), 2)
    log.lines.clear()
    answered.set()
    for thread in threads:
        thread.join(20)
    assert sorted(log.lines) == [("given", "id-1", VISITOR), ("plain", "", "")]


def test_a_copy_keeps_it_in_the_same_thread_too(log: Log) -> None:
    """Deferred work in a copy has the request; other work of the thread does not."""
    copies = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        copies.append(contextvars.copy_context())
        return []

    ask(served(app))
    for _ in range(2):
        copies[0].run(say, "copy")
        say("thread")
    assert log.lines == [("copy", "id-1", VISITOR), ("thread", "", "")] * 2


def test_tasks_of_asyncio(log: Log) -> None:
    """Tasks that a request starts have it, here, in another thread's loop, and in executors."""
    loop = asyncio.new_event_loop()
    runner = threading.Thread(target=loop.run_forever)
    runner.start()
    answered = threading.Event()

    async def work(text: str) -> None:
        say(text)
        await asyncio.sleep(0)
        await asyncio.gather(asyncio.to_thread(say, f"{text} thread"), deeper(f"{text} task"))
        context = contextvars.copy_context()
        here = asyncio.get_running_loop()
        await here.run_in_executor(None, context.run, say, f"{text} executor")

    async def deeper(text: str) -> None:
        await asyncio.sleep(0)
        say(text)

    async def later() -> None:
        await asyncio.to_thread(answered.wait, 20)
        say("later")

    futures = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        asyncio.run(work("own"))
        asyncio.run_coroutine_threadsafe(work("other"), loop).result(20)
        futures.append(asyncio.run_coroutine_threadsafe(later(), loop))
        return []

    try:
        ask(served(app))
        say("after")
        answered.set()
        futures[0].result(20)
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(20)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        runner.join(20)
        loop.close()
    names = [f"{kind}{part}" for kind in ("own", "other")
             for part in ("", " thread", " task", " executor")]  # fmt: skip
    assert sorted(log.lines) == sorted(
        [("after", "", ""), *((name, "id-1", VISITOR) for name in [*names, "later"])]
    )


def test_concurrent_tasks_in_one_thread() -> None:
    """Requests that a loop serves concurrently have contexts of their own."""
    seen: list[tuple[str, str]] = []

    async def request(number: int) -> None:
        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            return []

        environ = make_environ({"X-ARR-LOG-ID": str(number)})
        served(app)(environ, lambda *_: None)
        for _ in range(3):
            await asyncio.sleep(0)
            found = request_context.current()
            seen.append((str(number), found.id if found else ""))
        del environ
        assert request_context.current() is None

    async def main() -> None:
        await asyncio.gather(*map(request, range(20)))

    # In a context of its own: the traceback of a test that failed may keep its request alive here.
    contextvars.Context().run(asyncio.run, main())
    assert len(seen) == 60
    assert all(number == found for number, found in seen)


@pytest.mark.parametrize("filtered", [True, False], ids=["with-our-filter", "without"])
def test_a_queue(filtered: bool) -> None:
    """A listener writes in another thread: a filter before the queue keeps the id."""
    lines: queue.SimpleQueue[Any] = queue.SimpleQueue()
    sender = logging.handlers.QueueHandler(lines)
    if filtered:
        sender.addFilter(RequestFilter())
    log = Log()
    listener = logging.handlers.QueueListener(lines, log)
    logger = logging.getLogger("shop")
    logger.addHandler(sender)
    logger.setLevel(logging.INFO)
    listener.start()
    try:
        ask(served(speaker))
    finally:
        logger.removeHandler(sender)
        logger.setLevel(logging.NOTSET)
        listener.stop()
    assert {line[1:] for line in log.lines} == {("id-1", VISITOR) if filtered else ("", "")}
    assert len(log.lines) == 3


# Apps in apps


def test_two_middlewares_tell_of_one_request(log: Log) -> None:
    """The inner middleware, the user's own, decides, and not the entry point's around it."""
    own = served(speaker, trusted_proxies=[])
    ask(served(own))
    say("after")
    assert {line[1:] for line in log.lines[:3]} == {("", "169.254.130.1")}
    assert log.lines[3:] == [("after", "", "")]


def test_a_request_within_a_request(log: Log) -> None:
    """A nested request has its own environ; afterwards, the outer one is current again."""
    inner = served(speaker)

    def outer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        say("outer")
        ask(inner, 2)
        say("outer")
        ask(inner, 3)
        yield b""
        say("outer")

    ask(served(outer))
    say("after")
    assert [found for _, found, _ in log.lines] == [
        "id-1", *["id-2"] * 3, "id-1", *["id-3"] * 3, "id-1", "",
    ]  # fmt: skip


def test_environs_that_are_never_let_go() -> None:
    """Sequential requests of a thread have their own ids, and memory does not grow."""
    kept: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        kept.append(environ)
        found = request_context.current()
        assert found is not None
        assert found.id == environ["HTTP_X_ARR_LOG_ID"]
        return []

    middleware = served(app)
    for number in range(200):
        ask(middleware, number)
    gc.collect()
    # By type(): Django's lazy objects, from other tests, answer isinstance() by setting up.
    left = [o for o in gc.get_objects() if type(o) is request_context.CurrentRequest]
    assert len(left) < 15
    kept.clear()
    assert request_context.current() is None
