"""An ASGI app of many misbehaving ones, by path: each case says what a client gets.

As `misbehaving_wsgi.py`, beside which a server finds it. Must not import the package under test.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import json
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["CASES", "Case", "app"]


@dataclass(frozen=True)
class Case:
    """One app, as in `misbehaving_wsgi.py`; `request` may be a WebSocket's as well.

    `logged` is a line that the log has once, for what is raised beside the request.
    """

    run: Any
    outcome: str
    raises: str = ""
    logged: str = ""
    request: str = "GET"
    leaves: bool = False
    holds: bool = False


CASES: dict[str, Case] = {}
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
BODY = {"type": "http.response.body", "body": b"ok"}
PART = {"type": "http.response.body", "body": b"o", "more_body": True}
OPEN = {"type": "http.response.start", "status": 200, "headers": []}
_kept: list[Any] = []


class AbortError(BaseException):
    """A framework's own error that is no Exception."""


def case(outcome: str, **details: Any) -> Callable[[Any], Any]:
    def add(function: Any) -> Any:
        CASES[function.__name__.replace("_", "-")] = Case(function, outcome, **details)
        return function

    return add


async def respond(send: Any) -> None:
    await send(START)
    await send(BODY)


@case("500", raises="SystemExit(3)")
async def exits(scope: Any, receive: Any, send: Any) -> None:
    sys.exit(3)


@case("500", raises="SystemExit(None)")
async def calls_exit_of_the_shell(scope: Any, receive: Any, send: Any) -> None:
    exit()


@case("500", raises="KeyboardInterrupt()")
async def interrupts(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)
    raise KeyboardInterrupt


@case("500", raises="GeneratorExit()")
async def ends_a_generator(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)
    raise GeneratorExit


@case("500", raises="AbortError('aborted')")
async def aborts(scope: Any, receive: Any, send: Any) -> None:
    raise AbortError("aborted")


@case("cut", raises="SystemExit(4)")
async def exits_in_the_body(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(PART)
    sys.exit(4)


@case("200", raises="SystemExit(5)")
async def exits_in_the_background(scope: Any, receive: Any, send: Any) -> None:
    await respond(send)
    sys.exit(5)


async def leave(code: int) -> None:
    await asyncio.sleep(0)
    sys.exit(code)


@case("500", raises="SystemExit(6)")
async def awaits_a_task_that_exits(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.create_task(leave(6))


@case("500", raises="SystemExit(7)")
async def gathers_tasks_that_exit(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.gather(leave(7), asyncio.sleep(0.01))


async def interrupt() -> None:
    raise KeyboardInterrupt


@case("200", logged="SystemExit: 8")
async def forgets_tasks_that_exit(scope: Any, receive: Any, send: Any) -> None:
    tasks = [asyncio.create_task(leave(8)), asyncio.create_task(interrupt())]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
    await respond(send)


@case("200", logged="SystemExit: 9")
async def exits_in_a_callback(scope: Any, receive: Any, send: Any) -> None:
    loop = asyncio.get_running_loop()
    loop.call_soon(sys.exit, 9)
    loop.call_later(0.001, interrupt_now)
    await asyncio.sleep(0.02)
    await respond(send)


def interrupt_now() -> None:
    raise KeyboardInterrupt


@case("500", raises="SystemExit(10)")
async def exits_in_an_executor(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.to_thread(sys.exit, 10)


@case("500", raises="SystemExit(11)")
async def exits_in_a_generator(scope: Any, receive: Any, send: Any) -> None:
    async def parts() -> AsyncIterator[int]:
        yield 1
        sys.exit(11)

    async for _ in parts():
        pass


@case("500|none")
async def raises_a_cancellation(scope: Any, receive: Any, send: Any) -> None:
    raise asyncio.CancelledError


@case("500|none")
async def awaits_a_cancelled_task(scope: Any, receive: Any, send: Any) -> None:
    task = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()
    await task


@case("500")
async def raises(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("the app")


@case("cut")
async def raises_in_the_body(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(PART)
    raise RuntimeError("the body")


@case("500")
async def recurses(scope: Any, receive: Any, send: Any) -> None:
    await recurses(scope, receive, send)


@case("500")
async def has_no_memory(scope: Any, receive: Any, send: Any) -> None:
    raise MemoryError


@case("500")
async def never_starts(scope: Any, receive: Any, send: Any) -> None:
    pass


@case("500|none")
async def sends_a_body_first(scope: Any, receive: Any, send: Any) -> None:
    await send(BODY)


@case("500|200|cut")
async def starts_twice(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(START)
    await send(BODY)


@case("200")
async def sends_after_the_end(scope: Any, receive: Any, send: Any) -> None:
    await respond(send)
    await send(BODY)


@case("500")
async def sends_something_unknown(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.unknown"})


@case("500|none")
async def has_text_as_header(scope: Any, receive: Any, send: Any) -> None:
    await send({**START, "headers": [("content-length", "2"), ("x-a", 1)]})
    await send(BODY)


@case("500|none|cut")
async def injects_a_header(scope: Any, receive: Any, send: Any) -> None:
    await send({**START, "headers": [(b"x-a", b"b\r\nX-Injected: yes")]})
    await send(BODY)


@case("500|none|cut")
async def has_text_as_status(scope: Any, receive: Any, send: Any) -> None:
    await send({**START, "status": "two hundred"})
    await send(BODY)


@case("500|none|cut|200")
async def has_a_body_of_text(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send({**BODY, "body": "ok"})


@case("cut|none|500")
async def sends_too_little(scope: Any, receive: Any, send: Any) -> None:
    await send({**START, "headers": [(b"content-length", b"10")]})
    await send(PART)
    await send(BODY)


@case("200|cut|none|500")
async def sends_too_much(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(PART)
    await send({**BODY, "body": b"kHTTP/1.1 200 OK\r\n\r\n"})


@case("left", request="leaves")
async def never_ends_a_body(scope: Any, receive: Any, send: Any) -> None:
    await send(OPEN)
    gone = asyncio.create_task(disconnected(receive))
    while not gone.done():
        await send({**PART, "body": b"x" * 65536})
        await asyncio.sleep(0)


async def disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@case("200|500|none")
async def has_a_huge_header(scope: Any, receive: Any, send: Any) -> None:
    await send({**START, "headers": [*START["headers"], (b"x-huge", b"x" * 60_000)]})  # type: ignore[misc]
    await send(BODY)


@case("200", request="POST")
async def never_reads(scope: Any, receive: Any, send: Any) -> None:
    await respond(send)


@case("left", request="leaves")
async def reads_too_much(scope: Any, receive: Any, send: Any) -> None:
    await send(OPEN)
    await send({**PART, "body": b"x" * 100_000})
    await disconnected(receive)
    await asyncio.wait_for(receive(), 1)


@case("200")
async def empties_its_scope(scope: Any, receive: Any, send: Any) -> None:
    scope.clear()
    await respond(send)


@case("200")
async def forks(scope: Any, receive: Any, send: Any) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    await respond(send)


@case("200")
async def forks_and_exits(scope: Any, receive: Any, send: Any) -> None:
    pid = os.fork()
    if pid == 0:
        sys.exit(7)  # ends the child, which must not answer in its parent's place
    _, status = os.waitpid(pid, 0)
    status = 200 if os.waitstatus_to_exitcode(status) == 7 else 409
    await send({**START, "status": status})
    await send(BODY)


class Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the handler")


@case("500")
async def logs_to_a_broken_handler(scope: Any, receive: Any, send: Any) -> None:
    logger = logging.getLogger("broken")
    logger.handlers = [Handler()]
    logger.error("no")


@case("200")
async def leaves_a_generator_open(scope: Any, receive: Any, send: Any) -> None:
    async def parts() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            sys.exit(12)

    async for _ in parts():
        break
    await respond(send)
    await asyncio.sleep(0)


@case("200")
async def sets_an_exception_handler(scope: Any, receive: Any, send: Any) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: sys.exit(13))
    loop.call_soon(int, "x")
    await asyncio.sleep(0.01)
    loop.set_exception_handler(None)
    await respond(send)


@case("200", leaves=True)
async def clears_the_environment(scope: Any, receive: Any, send: Any) -> None:
    os.environ.clear()
    await respond(send)


@case("200", leaves=True)
async def changes_the_folder(scope: Any, receive: Any, send: Any) -> None:
    os.chdir("/")
    await respond(send)


@case("200", leaves=True)
async def leaves_a_task_pending(scope: Any, receive: Any, send: Any) -> None:
    _kept.append(asyncio.create_task(asyncio.sleep(1000)))
    await respond(send)


@case("200", leaves=True)
async def starts_a_thread(scope: Any, receive: Any, send: Any) -> None:
    threading.Thread(target=sleep, name="work").start()
    await respond(send)


@case("200", leaves=True)
async def submits_a_job(scope: Any, receive: Any, send: Any) -> None:
    context = contextvars.copy_context()
    _kept.append(asyncio.get_running_loop().run_in_executor(None, context.run, sleep))
    await respond(send)


@case("200", leaves=True)
async def fails_at_exit(scope: Any, receive: Any, send: Any) -> None:
    atexit.register(lambda: 1 / 0)
    await respond(send)


@case("waits", leaves=True)
async def never_returns(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(1000)


@case("200", leaves=True)
async def closes_standard_output(scope: Any, receive: Any, send: Any) -> None:
    sys.stdout.close()
    await respond(send)


@case("500|403", raises="SystemExit(14)", request="websocket")
async def exits_before_it_accepts(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    sys.exit(14)


@case("closed", raises="SystemExit(15)", request="websocket")
async def exits_after_it_accepts(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    sys.exit(15)


@case("500|403", request="websocket")
async def never_accepts(scope: Any, receive: Any, send: Any) -> None:
    await receive()


@case("500|403|none", request="websocket")
async def sends_before_it_accepts(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.send", "text": "a"})


@case("closed", request="websocket")
async def accepts_twice(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.accept"})


@case("closed", request="websocket")
async def sends_after_it_closes(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close"})
    await send({"type": "websocket.send", "text": "a"})


def sleep() -> None:
    while True:
        time.sleep(1)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    name = scope["path"].strip("/")
    if name in CASES:
        await CASES[name].run(scope, receive, send)
        return
    if name == "dies":
        os._exit(9)
    body = json.dumps({"pid": os.getpid()}).encode()
    await send({**START, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


def prepare() -> None:
    """Do what an app does when it is imported by a server."""
    folder = os.getcwd()
    atexit.register(lambda: open(os.path.join(folder, "ended"), "w").close())
    # A service of the app's own: it never ends, and is not waited for.
    threading.Thread(target=sleep, name="service").start()


if __name__ == "app":
    prepare()
