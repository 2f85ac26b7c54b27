"""A front end on a free loopback port for tests, and a client that writes and reads raw bytes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from multidict import CIMultiDict

from appsvc_runtime.emulator.frontend.headers import FrontHeaders
from appsvc_runtime.emulator.frontend.public_name import PublicName
from appsvc_runtime.emulator.frontend.server import FrontEnd
from appsvc_runtime.emulator.http.messages import Answer, Ask, Request
from appsvc_runtime.system import sockets

__all__ = ["Client", "Running", "fronted", "hello", "run", "until"]

PUBLIC = "site.azurewebsites.net"
T = TypeVar("T")


def run(main: Callable[[], Awaitable[T]], timeout: float = 30) -> T:
    """Run a coroutine; fail on errors in any task or callback as well."""
    problems: list[dict[str, Any]] = []

    async def watched() -> T:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: problems.append(context)
        )
        return await asyncio.wait_for(main(), timeout)

    result = asyncio.run(watched())
    assert [str(problem) for problem in problems] == []
    return result


async def until(condition: Callable[[], object], timeout: float = 60) -> None:
    """Wait until a condition is true."""
    deadline = asyncio.get_running_loop().time() + timeout
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "the condition did not become true"
        await asyncio.sleep(0.005)


async def hello(request: Request) -> Answer:
    """Respond to every request with the same text."""
    return Answer(200, CIMultiDict({"Content-Type": "text/plain"}), b"hello")


class Client:
    """A connection; `send` writes the lines of a request, `answer` reads one response."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *lines: str, body: bytes = b"") -> None:
        """Send a head made of `lines`, and then `body`."""
        self.writer.write("\r\n".join((*lines, "", "")).encode("latin-1") + body)

    async def head(self) -> tuple[str, list[tuple[str, str]]]:
        """Read a head; return its first line and its headers, in their order."""
        raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = raw.split("\r\n")[:-2]
        pairs = [line.partition(": ") for line in lines]
        return first, [(name, value) for name, _, value in pairs]

    async def answer(self, *, head: bool = False) -> tuple[int, CIMultiDict[str], bytes]:
        """Read a whole response; with `head` it is the response to HEAD, which has no body."""
        first, pairs = await self.head()
        status, headers = int(first.split(" ")[1]), CIMultiDict(pairs)
        if head or status in (204, 304):
            return status, headers, b""
        if "Content-Length" in headers:
            return status, headers, await self.reader.readexactly(int(headers["Content-Length"]))
        if headers.get("Transfer-Encoding") != "chunked":
            return status, headers, await self.reader.read()
        body = b""
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            body += (await self.reader.readexactly(size + 2))[:-2]
            if not size:
                return status, headers, body

    async def get(
        self, target: str = "/", *lines: str, method: str = "GET", body: bytes = b""
    ) -> tuple[int, CIMultiDict[str], bytes]:
        """Send one request for the site's public name and read the response."""
        host = (
            [] if any(line.lower().startswith("host:") for line in lines) else [f"Host: {PUBLIC}"]
        )
        self.send(f"{method} {target} HTTP/1.1", *host, *lines, body=body)
        return await self.answer(head=method == "HEAD")

    async def ended(self, timeout: float = 60) -> bytes:
        """Read to the end of the connection; a reset ends it as well."""
        try:
            return await asyncio.wait_for(self.reader.read(), timeout)
        except ConnectionError:
            return b""

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (OSError, ssl.SSLError):
            return


class Running:
    """A running front end: its `port`, its `log`, and connections to it."""

    def __init__(self, front: FrontEnd, port: int, log: list[str], tls: bool) -> None:
        self.front = front
        self.port = port
        self.log = log
        self._tls = tls
        self._clients: list[Client] = []

    @property
    def requests(self) -> list[str]:
        """Return the lines of the log about requests."""
        return [line for line in self.log if line.startswith("request: ")]

    async def connect(self, context: ssl.SSLContext | None = None, **options: Any) -> Client:
        """Connect to the front end; over TLS if `context` is given."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, limit=2**20, **options
        )
        self._clients.append(Client(reader, writer))
        return self._clients[-1]

    async def leave(self) -> None:
        """Close every connection."""
        for client in self._clients:
            await client.close()


@asynccontextmanager
async def fronted(
    ask: Ask = hello,
    *,
    tls: ssl.SSLContext | None = None,
    raw: bool = False,
    authentication: bool = False,
    **options: Any,
) -> AsyncIterator[Running]:
    """Start a front end before `ask` and close it at the end; it uses https if `tls` is given."""
    bound = sockets.bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    log: list[str] = []
    front = FrontEnd(
        ask,
        public=PublicName(
            PUBLIC, http_port=None if tls else port, https_port=port if tls else None, raw=raw
        ),
        headers=FrontHeaders("site", PUBLIC, authentication=authentication),
        say=lambda label, text: log.append(f"{label}: {text}"),
        **options,
    )
    await front.start(None if tls else bound, bound if tls else None, tls)
    running = Running(front, port, log, tls is not None)
    try:
        yield running
    finally:
        await running.leave()
        await front.close(0)
