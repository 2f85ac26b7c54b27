"""Writes a response to a client: the head as bytes, the body in pieces, complete or cut off.

Must not know where the request came from or what responded. aiohttp frames and writes the body. The
head is our own: aiohttp's web.StreamResponse, even with its headers cleared, adds a Content-Type if
the app has sent none, drops a 304's Content-Length and bytes that are not UTF-8, and gives HTTP/1.0
clients another status line than http.sys does (measured with aiohttp 3.9.0 and 3.14).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from ..http.messages import Answer
from .response_head import make_head, own_length

__all__ = ["Flight", "Sent", "close_body", "send"]

_BODILESS = frozenset({204, 304})
_LARGE = 0x10000


class Flight:
    """One request in progress: `seen` is when bytes last passed, in the event loop's time.

    `status` is the status of the response once its head is sent or about to be sent; 0 before.
    """

    __slots__ = ("cut", "seen", "started", "status", "task")

    def __init__(self, task: asyncio.Task[object] | None, now: float) -> None:
        self.task = task
        self.started = self.seen = now
        self.status = 0
        self.cut = False  # True if the front end has ended the request


class Sent(web.StreamResponse):
    """The object that aiohttp's server gets for a response already sent, except for `data`."""

    def __init__(self, keep_alive: bool, data: bytes = b"") -> None:
        super().__init__()
        self._open = keep_alive
        self._data = data

    @property
    def keep_alive(self) -> bool:
        """Whether the connection takes another request."""
        return self._open

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write `data`."""
        transport = request.transport
        if self._data and transport is not None and not transport.is_closing():
            transport.write(self._data)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the response is complete."""


async def close_body(body: bytes | AsyncIterator[bytes]) -> None:
    """Close a body if it is a stream; ignore its errors."""
    close = getattr(body, "aclose", None)
    if close is not None:
        try:
            await close()
        except Exception:
            return  # the response is over: an error of its source no longer matters


class _ShortError(Exception):
    """The body ended before its Content-Length."""


async def send(
    request: web.BaseRequest, answer: Answer, flight: Flight, *, last: bool = False
) -> tuple[bool, str]:
    """Write a response; return whether the connection can take another request, and a log note.

    `last`: the connection takes no other request. The body is always closed. If the body raises, or
    ends before its Content-Length, the connection is cut, so that the client cannot take the
    response for a complete one.
    """
    body = answer.body
    try:
        transport = request.transport
        if transport is None or transport.is_closing():
            return False, "the client has left"
        if answer.reset:
            transport.abort()
            return False, "connection reset"
        flight.status = answer.status
        head, length, keep, note = _frame(request, answer, last)
        empty = request.method == "HEAD" or answer.status in _BODILESS
        if isinstance(body, bytes):
            transport.write(head if empty else head + body)
            if len(body) > _LARGE:
                await request.writer.drain()
            return keep, note
        try:
            await _stream(request, transport, head, body, flight, length, empty)
        except _ShortError as error:
            transport.abort()
            return False, str(error)
        except ConnectionError:
            return False, "the client has left"
        except Exception as error:
            transport.abort()
            return False, f"the response broke off: {type(error).__name__}: {error}"
        return keep, note
    finally:
        if not isinstance(body, bytes):
            await close_body(body)


def _frame(
    request: web.BaseRequest, answer: Answer, last: bool
) -> tuple[bytes, int | None, bool, str]:
    """Return the head, the body's length (None: chunked), whether to keep the connection, a note.

    The note is for the log.
    """
    old = request.version < (1, 1)
    empty = request.method == "HEAD" or answer.status in _BODILESS
    length = own_length(answer)
    if isinstance(answer.body, bytes) and not (empty and length is not None):
        length = len(answer.body)
    framing = ""
    # RFC 9110, 8.6: no length in a 204; in a 304 only the length that a 200 would have had.
    if length is not None and answer.status != 204 and (length or answer.status != 304):
        framing = f"Content-Length: {length}\r\n"
    elif not empty and not old:
        framing = "Transfer-Encoding: chunked\r\n"
    keep = request.keep_alive and not last and (bool(framing) or empty)
    connection = ("Connection: keep-alive\r\n" if old else "") if keep else "Connection: close\r\n"
    head, dropped = make_head(answer, framing, connection)
    note = f"header {dropped!r} left out: its name or value is not valid" if dropped else ""
    return head, length, keep, note


async def _stream(
    request: web.BaseRequest,
    transport: asyncio.Transport,
    head: bytes,
    body: AsyncIterator[bytes],
    flight: Flight,
    length: int | None,
    empty: bool,
) -> None:
    """Write head and body, no faster than the client reads and no more than `length` bytes.

    With `empty` (a response to HEAD, for example) the body is read and dropped, as IIS does.
    """
    loop, writer = asyncio.get_running_loop(), request.writer
    transport.write(head)
    writer.length = length
    if length is None and request.version >= (1, 1):
        writer.enable_chunking()
    async for piece in body:
        if piece:
            flight.seen = loop.time()
            if not empty:
                await writer.write(piece)
    if not empty:
        if writer.length:
            raise _ShortError(f"the response ended {writer.length} bytes before its Content-Length")
        await writer.write_eof()
