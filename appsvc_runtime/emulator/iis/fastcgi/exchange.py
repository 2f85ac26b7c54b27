"""One request on its way through a FastCGI process, and the answer that it gathers.

Knows what IIS makes of the two streams of an answer, and asyncio's futures. Must not know of
sockets or processes: whoever carries the bytes calls `stdout`, `stderr`, `end` and `fail`.

IIS holds an answer back until it is whole or longer than the handler's `responseBufferLimit`
(4 MiB unless said otherwise); until then text on FCGI_STDERR turns it into a 500 with that text
(stderrMode ReturnStdErrIn500). Sources: learn.microsoft.com/iis/configuration, system.webServer/
handlers/add and fastCgi/application.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from .cgi_head import CgiHeadError, Head, HeadParser

__all__ = ["RESPONSE_BUFFER", "Carrier", "Exchange", "Response", "ResponseStream"]

RESPONSE_BUFFER = 4 * 1024 * 1024
_MAX_STDERR = 64 * 1024
_HIGH, _LOW = 256 * 1024, 64 * 1024  # bytes waiting for the visitor: stop reading, go on


@dataclass
class Response:
    """An answer: `body` is whole or a stream; `stderr` is what made it a 500, empty for none."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes | ResponseStream
    stderr: str = ""


class Carrier:
    """What an exchange asks of the process that carries it."""

    ending = False  # it is likely to end instead of answering

    def pause(self, exchange: Exchange) -> None:
        """Read no more of the answer for now."""

    def resume(self, exchange: Exchange) -> None:
        """Go on reading."""

    def abandon(self, exchange: Exchange) -> None:
        """The visitor has gone: nobody wants the answer."""

    def errors_said(self, text: str) -> None:
        """Text on FCGI_STDERR, for the log."""


class ResponseStream(AsyncIterator[bytes]):
    """The body of a long answer, as it comes. Raises what went wrong, in place of the rest."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self.closed = False
        self._pause = pause
        self._resume = resume
        self._held = bytearray()
        self._paused = False
        self._ended = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._on_close: Callable[[], None] | None = None

    def on_close(self, call: Callable[[], None]) -> None:
        """Call this if the stream is closed before its end."""
        self._on_close = call

    def put(self, data: bytes) -> None:
        """Add to the body."""
        if self.closed:
            return
        self._held += data
        self._wake()
        if len(self._held) > _HIGH and not self._paused:
            self._paused = True
            self._pause()

    def finish(self, error: Exception | None = None) -> None:
        """End the body, well or not."""
        self._ended = True
        self._error = error
        self._wake()

    async def __anext__(self) -> bytes:
        """Give what has come; wait for it."""
        while not self._held:
            if self._error is not None and not self.closed:
                raise self._error
            if self._ended or self.closed:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = bytes(self._held)
        self._held = bytearray()
        if self._paused:
            self._paused = False
            self._resume()
        return data

    async def aclose(self) -> None:
        """Want no more of it. Can be called again."""
        if self.closed:
            return
        self.closed = True
        self._held = bytearray()
        if self._paused:
            self._paused = False
            self._resume()
        if not self._ended and self._on_close:
            self._on_close()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._waiter = None


class Exchange:
    """One request: `message` opens it, `body` follows where there is one of unread bytes.

    `future` gives the Response, or raises. `touched`: some of `body` has been taken, so that the
    request cannot be made anew.
    """

    # Defaults, so that a request sets no more than it needs.
    began = 0.0
    retried = touched = False
    carrier: Carrier | None = None
    _parser: HeadParser | None = None
    _head: Head | None = None
    _buffer: bytes | bytearray = b""
    _stderr: bytes | bytearray = b""
    _stream: ResponseStream | None = None
    _refused = False

    def __init__(
        self,
        message: bytes,
        body: AsyncIterator[bytes] | None = None,
        length: int | None = 0,
        *,
        limit: int = RESPONSE_BUFFER,
    ) -> None:
        self.message = message
        self.body = body
        self.length = length
        self.future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.sent = body is None
        self._limit = limit

    @property
    def has_errors(self) -> bool:
        """Whether FCGI_STDERR has said something that makes the answer a 500."""
        return bool(self._stderr)

    async def response(self) -> Response:
        """Wait for the answer. Cancelled, the request is abandoned."""
        try:
            return await self.future
        except asyncio.CancelledError:
            if self._stream is not None:  # it came at the same moment, and nobody has it
                await self._stream.aclose()
            elif self.carrier is not None:
                self.carrier.abandon(self)
            raise

    def again(self) -> Exchange | None:
        """Return the same request anew, once, if nothing of it has been used up; else None.

        A process that was about to end anyway does not count as the once.

        What is held of an answer does not count, as no visitor has seen it: wfastcgi sends an
        answer in several pieces, and its watcher may end the process between any two of them.
        """
        once_more = not self.retried or (self.carrier is not None and self.carrier.ending)
        if not once_more or self.touched or self._stream is not None or self._stderr:
            return None
        anew = Exchange(self.message, self.body, self.length, limit=self._limit)
        anew.retried = True
        return anew

    def stdout(self, data: bytes) -> None:
        """Take a piece of the answer."""
        if self._stream is not None:
            self._stream.put(data)
            return
        if self._stderr or self._refused or self.future.done():
            return
        if self._head is None:
            found = self._read_head(data)
            if found is None:
                return
            self._head, data = found
        if not self._buffer:
            self._buffer = data
        else:
            if type(self._buffer) is bytes:
                self._buffer = bytearray(self._buffer)
            self._buffer += data
        if len(self._buffer) >= self._limit:
            self._flush(self._head)

    def _read_head(self, data: bytes) -> tuple[Head, bytes] | None:
        """Return the answer's head, and what of its body came with it, once it is whole."""
        if self._parser is None:
            self._parser = HeadParser()
        try:
            return self._parser.feed(data)
        except CgiHeadError as error:
            self._refused = True
            self.future.set_exception(error)
            return None

    def stderr(self, data: bytes) -> None:
        """Take a piece of what went wrong."""
        if self._stream is None:
            if not self._stderr:
                self._stderr = bytearray()
            self._stderr += data[: _MAX_STDERR - len(self._stderr)]
        if self.carrier is not None:
            self.carrier.errors_said(_text(data))

    def end(self) -> None:
        """The answer is whole."""
        if self._stream is not None:
            self._stream.finish()
        elif self.future.done():
            return
        elif self._stderr:
            text = _text(bytes(self._stderr))
            headers = [("Content-Type", "text/plain; charset=utf-8")]
            body = text.encode("utf-8", "replace")
            self.future.set_result(Response(500, "", headers, body, text))
        else:
            try:
                head = self._head or (self._parser or HeadParser()).finish()
            except CgiHeadError as error:
                self.future.set_exception(error)
                return
            status, reason, fields = head
            self.future.set_result(Response(status, reason, fields, bytes(self._buffer)))

    def fail(self, error: Exception) -> None:
        """There will be no answer, or not all of it."""
        if self._stream is not None:
            self._stream.finish(error)
        elif not self.future.done():
            self.future.set_exception(error)

    def _flush(self, head: Head) -> None:
        carrier = self.carrier or Carrier()
        stream = ResponseStream(lambda: carrier.pause(self), lambda: carrier.resume(self))
        stream.on_close(lambda: carrier.abandon(self))
        if self._buffer:
            stream.put(bytes(self._buffer))
            self._buffer = b""
        self._stream = stream
        self.future.set_result(Response(head.status, head.reason, head.headers, stream))


def _text(data: bytes) -> str:
    """Decode for people: wfastcgi writes Latin-1, others UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
