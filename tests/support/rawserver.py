"""A loopback server that sends what a test specifies, byte for byte, and an upstream client for it.

Must not depend on the tests that use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from multidict import CIMultiDict

from appsvc_runtime.emulator.http.messages import Answer, Request
from appsvc_runtime.emulator.http.upstream import Upstream

__all__ = ["OK", "Raw", "Reader", "Writer", "pieces", "raw", "read", "request", "run", "sender"]

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Raw:
    """A server that calls `serve` for each connection; `heads` are the heads it has read."""

    def __init__(self, serve: Callable[[Raw, Reader, Writer], Awaitable[None]]) -> None:
        self._serve = serve
        self.connections = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.ended = asyncio.Event()
        self.over = asyncio.Event()
        self.go_on = asyncio.Event()
        self.server: asyncio.Server | None = None
        self.running: set[asyncio.Task[object]] = set()
        self.writers: list[Writer] = []

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        """Serve one connection."""
        self.connections += 1
        self.running.add(asyncio.current_task())  # type: ignore[arg-type]
        self.writers.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(self, reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        self.ended.set()

    async def head(self, reader: Reader) -> bytes:
        """Read the head of a request, and keep it."""
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        return self.heads[-1]


@asynccontextmanager
async def raw(
    serve: Callable[[Raw, Reader, Writer], Awaitable[None]], source: str = ""
) -> AsyncIterator[tuple[Upstream, int, Raw]]:
    """Run a server; yield an `Upstream` to it, its port, and the server.

    Requests come from the address `source`.
    """
    told = Raw(serve)
    server = told.server = await asyncio.start_server(told, "127.0.0.1", 0, backlog=500)
    upstream = Upstream(source)
    try:
        yield upstream, server.sockets[0].getsockname()[1], told
    finally:
        await upstream.close()
        server.close()
        told.over.set()
        for writer in told.writers:
            writer.transport.abort()
        await asyncio.gather(*told.running)


def run(check: Callable[[], Awaitable[None]]) -> None:
    """Run a test, for half a minute at most."""
    asyncio.run(asyncio.wait_for(check(), 30))


def request(
    method: str = "GET", target: str = "/", *headers: tuple[str, str], **options: object
) -> Request:
    """Return a request."""
    return Request(method, target, CIMultiDict([("Host", "app.example"), *headers]), **options)  # type: ignore[arg-type]


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    """Yield a body in these pieces."""
    for piece in given:
        yield piece
        await asyncio.sleep(0)


async def read(answer: Answer) -> bytes:
    """Read the body of a response."""
    if isinstance(answer.body, bytes):
        return answer.body
    return b"".join([piece async for piece in answer.body])


def sender(*parts: bytes) -> Callable[[Raw, Reader, Writer], Awaitable[None]]:
    """Return a `serve` that sends these bytes for each request; they must contain their framing."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        while True:
            await told.head(reader)
            for part in parts:
                writer.write(part)
                await writer.drain()

    return serve
