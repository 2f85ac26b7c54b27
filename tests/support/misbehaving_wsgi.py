"""A WSGI app of many misbehaving ones, by path: each case says what a client gets.

A server imports this module, and so does the test that reads `CASES`. The outcomes are those of
`tests/support/misbehaving.py`. Must not import the package under test.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

__all__ = ["CASES", "Case", "app"]


@dataclass(frozen=True)
class Case:
    """One app: `outcome` is what a client gets, `raises` what the log names once.

    `leaves`: the app leaves something behind that only the end of the process ends. `holds`: it
    occupies a thread for as long as its client waits. `request` is GET, POST with a body, HEAD, or
    GET of a client that leaves.
    """

    run: Any
    outcome: str
    raises: str = ""
    logged: str = ""
    request: str = "GET"
    leaves: bool = False
    holds: bool = False


CASES: dict[str, Case] = {}
OK = [("Content-Length", "2")]


class AbortError(BaseException):
    """A framework's own error that is no Exception."""


def case(outcome: str, **details: Any) -> Callable[[Any], Any]:
    def add(function: Any) -> Any:
        CASES[function.__name__.replace("_", "-")] = Case(function, outcome, **details)
        return function

    return add


@case("500", raises="SystemExit(3)")
def exits(environ: Any, start: Any) -> Any:
    sys.exit(3)


@case("500", raises="SystemExit('a reason')")
def exits_with_text(environ: Any, start: Any) -> Any:
    raise SystemExit("a reason")


@case("500", raises="SystemExit(None)")
def calls_exit_of_the_shell(environ: Any, start: Any) -> Any:
    exit()


@case("500", raises="SystemExit(4)")
def exits_after_start(environ: Any, start: Any) -> Any:
    start("200 OK", OK)
    sys.exit(4)


@case("500", raises="KeyboardInterrupt()")
def interrupts(environ: Any, start: Any) -> Any:
    raise KeyboardInterrupt


@case("500", raises="GeneratorExit()")
def ends_a_generator(environ: Any, start: Any) -> Any:
    raise GeneratorExit


@case("500", raises="AbortError('aborted')")
def aborts(environ: Any, start: Any) -> Any:
    raise AbortError("aborted")


@case("500", raises="CancelledError()")
def is_cancelled(environ: Any, start: Any) -> Any:
    async def work() -> None:
        raise asyncio.CancelledError

    asyncio.run(work())


@case("500", raises="StopIteration()")
def stops_an_iteration(environ: Any, start: Any) -> Any:
    next(iter(()))


@case("500", raises="SystemExit(5)")
def exits_before_the_body(environ: Any, start: Any) -> Iterator[bytes]:
    start("200 OK", OK)
    sys.exit(5)
    yield b"ok"


@case("cut", raises="SystemExit(6)")
def exits_in_the_body(environ: Any, start: Any) -> Iterator[bytes]:
    start("200 OK", [("Content-Length", "4")])
    yield b"ok"
    sys.exit(6)


@case("cut", raises="KeyboardInterrupt()")
def interrupts_a_stream(environ: Any, start: Any) -> Iterator[bytes]:
    start("200 OK", [])
    yield b"ok"
    raise KeyboardInterrupt


class Closing:
    """A body that raises an error when it is closed."""

    def __init__(self, error: BaseException) -> None:
        self.parts = iter([b"ok"])
        self.error = error

    def __iter__(self) -> Iterator[bytes]:
        return self.parts

    def close(self) -> None:
        raise self.error


@case("200", raises="SystemExit(7)")
def exits_in_close(environ: Any, start: Any) -> Any:
    start("200 OK", OK)
    return Closing(SystemExit(7))


@case("200")
def fails_in_close(environ: Any, start: Any) -> Any:
    start("200 OK", OK)
    return Closing(ValueError("close"))


@case("cut", raises="SystemExit(8)")
def exits_after_write(environ: Any, start: Any) -> Any:
    start("200 OK", [("Content-Length", "4")])(b"ok")
    sys.exit(8)


class Reading:
    """A file that cannot be read."""

    def read(self, size: int = -1) -> bytes:
        raise SystemExit(9)

    def close(self) -> None:
        pass


@case("500|cut", raises="SystemExit(9)")
def exits_in_a_file(environ: Any, start: Any) -> Any:
    start("200 OK", OK)
    wrapper = environ.get("wsgi.file_wrapper")
    return wrapper(Reading()) if wrapper else iter(Reading().read, b"")


@case("500")
def raises(environ: Any, start: Any) -> Any:
    raise RuntimeError("the app")


@case("cut")
def raises_in_the_body(environ: Any, start: Any) -> Iterator[bytes]:
    start("200 OK", [("Content-Length", "4")])
    yield b"ok"
    raise RuntimeError("the body")


@case("500")
def recurses(environ: Any, start: Any) -> Any:
    return recurses(environ, start)


@case("500")
def has_no_memory(environ: Any, start: Any) -> Any:
    raise MemoryError


@case("500")
def never_starts(environ: Any, start: Any) -> Any:
    return [b"ok"]


@case("500")
def returns_none(environ: Any, start: Any) -> Any:
    start("200 OK", OK)


@case("500")
def starts_twice(environ: Any, start: Any) -> Any:
    start("200 OK", OK)
    start("200 OK", OK)
    return [b"ok"]


@case("503")
def starts_again_after_an_error(environ: Any, start: Any) -> Any:
    start("200 OK", OK)
    try:
        raise RuntimeError("the page")
    except RuntimeError:
        start("503 Service Unavailable", OK, sys.exc_info())
    return [b"no"]


@case("cut")
def starts_again_too_late(environ: Any, start: Any) -> Iterator[bytes]:
    start("200 OK", [("Content-Length", "4")])
    yield b"ok"
    try:
        raise RuntimeError("the page")
    except RuntimeError:
        start("503 Service Unavailable", OK, sys.exc_info())
    yield b"no"


@case("500")
def has_a_number_as_status(environ: Any, start: Any) -> Any:
    start(200, OK)
    return [b"ok"]


@case("500")
def has_a_number_as_header(environ: Any, start: Any) -> Any:
    start("200 OK", [("Content-Length", 2)])
    return [b"ok"]


@case("500|400")  # gunicorn before 27 takes the app's fault for the client's
def injects_a_header(environ: Any, start: Any) -> Any:
    start("200 OK", [*OK, ("X-A", "b\r\nX-Injected: yes")])
    return [b"ok"]


@case("500")
def has_text_as_length(environ: Any, start: Any) -> Any:
    start("200 OK", [("Content-Length", "two")])
    return [b"ok"]


@case("500|cut")
def has_a_body_of_text(environ: Any, start: Any) -> Any:
    start("200 OK", OK)
    return ["ok"]


@case("500|cut")
def has_a_body_of_numbers(environ: Any, start: Any) -> Any:
    start("200 OK", OK)
    return [1, 2]


@case("500|cut")
def yields_none(environ: Any, start: Any) -> Iterator[Any]:
    start("200 OK", OK)
    yield None


@case("cut")
def sends_too_little(environ: Any, start: Any) -> Iterator[bytes]:
    start("200 OK", [("Content-Length", "10")])
    yield b"ok"
    yield b"ok"


@case("200|cut")
def sends_too_much(environ: Any, start: Any) -> Iterator[bytes]:
    start("200 OK", OK)
    yield b"ok"
    yield b"HTTP/1.1 200 OK\r\n\r\n"


@case("204")
def has_a_body_with_204(environ: Any, start: Any) -> Any:
    start("204 No Content", [])
    return [b"ok"]


@case("200", request="HEAD")
def has_a_body_for_head(environ: Any, start: Any) -> Any:
    start("200 OK", OK)
    return [b"ok"]


@case("left", request="leaves", holds=True)
def never_ends_a_body(environ: Any, start: Any) -> Iterator[bytes]:
    start("200 OK", [])
    while True:
        yield b"x" * 65536


@case("200|500")
def has_a_huge_header(environ: Any, start: Any) -> Any:
    start("200 OK", [*OK, ("X-Huge", "x" * 60_000)])
    return [b"ok"]


@case("200", request="POST")
def reads_too_much(environ: Any, start: Any) -> Any:
    body = environ["wsgi.input"]
    sizes = [len(body.read()), len(body.read()), len(body.read(10))]
    start("200 OK" if sizes == [200_000, 0, 0] else "409 Conflict", OK)
    return [b"ok"]


@case("200", request="POST")
def never_reads(environ: Any, start: Any) -> Any:
    start("200 OK", OK)
    return [b"ok"]


@case("200", request="POST")
def closes_its_input(environ: Any, start: Any) -> Any:
    close = getattr(environ["wsgi.input"], "close", None)
    if close is not None:
        close()
    start("200 OK", OK)
    return [b"ok"]


@case("200|500")
def empties_its_environ(environ: Any, start: Any) -> Any:
    environ.clear()
    start("200 OK", OK)
    return [b"ok"]


@case("200")
def forks(environ: Any, start: Any) -> Any:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    start("200 OK", OK)
    return [b"ok"]


@case("200")
def forks_and_exits(environ: Any, start: Any) -> Any:
    pid = os.fork()
    if pid == 0:
        sys.exit(7)  # ends the child, which must not answer in its parent's place
    _, status = os.waitpid(pid, 0)
    start("200 OK" if os.waitstatus_to_exitcode(status) == 7 else "409 Conflict", OK)
    return [b"ok"]


@case("200")
def raises_in_threads(environ: Any, start: Any) -> Any:
    for target in (sys.exit, lambda: 1 / 0):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    start("200 OK", OK)
    return [b"ok"]


class Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the handler")


@case("500")
def logs_to_a_broken_handler(environ: Any, start: Any) -> Any:
    logger = logging.getLogger("broken")
    logger.handlers = [Handler()]
    logger.error("no")
    return [b"ok"]


@case("200")
def opens_files(environ: Any, start: Any) -> Any:
    for _ in range(50):
        socket.socket()  # closed when it is collected
    start("200 OK", OK)
    return [b"ok"]


@case("200|500")
def sets_signal_handlers(environ: Any, start: Any) -> Any:
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # only the main thread may
    start("200 OK", OK)
    return [b"ok"]


@case("200", leaves=True)
def clears_the_environment(environ: Any, start: Any) -> Any:
    os.environ.clear()
    start("200 OK", OK)
    return [b"ok"]


@case("200", leaves=True)
def changes_the_folder(environ: Any, start: Any) -> Any:
    os.chdir("/")
    start("200 OK", OK)
    return [b"ok"]


@case("200", leaves=True)
def starts_a_thread(environ: Any, start: Any) -> Any:
    threading.Thread(target=sleep, name="work").start()
    start("200 OK", OK)
    return [b"ok"]


@case("200", leaves=True)
def submits_a_job(environ: Any, start: Any) -> Any:
    ThreadPoolExecutor(1).submit(sleep)
    start("200 OK", OK)
    return [b"ok"]


@case("200", leaves=True)
def fails_at_exit(environ: Any, start: Any) -> Any:
    atexit.register(lambda: 1 / 0)
    start("200 OK", OK)
    return [b"ok"]


@case("waits", leaves=True, holds=True)
def never_returns(environ: Any, start: Any) -> Any:
    sleep()


@case("waits", leaves=True, holds=True)
def never_goes_on(environ: Any, start: Any) -> Iterator[bytes]:
    start("200 OK", [])
    yield b"x"
    sleep()


@case("200", leaves=True)
def closes_standard_output(environ: Any, start: Any) -> Any:
    sys.stdout.close()
    start("200 OK", OK)
    return [b"ok"]


def sleep() -> None:
    while True:
        time.sleep(1)


def app(environ: Any, start: Any) -> Any:
    name = environ["PATH_INFO"].strip("/")
    if name in CASES:
        return CASES[name].run(environ, start)
    if name == "dies":
        os._exit(9)
    body = json.dumps({"pid": os.getpid()}).encode()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def prepare() -> None:
    """Do what an app does when it is imported by a server."""
    folder = os.getcwd()
    atexit.register(lambda: open(os.path.join(folder, "ended"), "w").close())
    # A service of the app's own: it never ends, and is not waited for.
    threading.Thread(target=sleep, name="service").start()


if __name__ == "app":
    prepare()
