"""One request on its way through a FastCGI process, and the response that it collects.

Knows how IIS treats the two streams of a response, and uses asyncio's futures. Must not know of
sockets or processes: the connection calls `stdout`, `stderr`, `end` and `fail`.

IIS holds a response back until it is complete or longer than the handler's `responseBufferLimit`
(4 MiB unless it is set). Until then, text on FCGI_STDERR turns it into a 500 with that text
(stderrMode ReturnStdErrIn500). Sources: learn.microsoft.com/iis/configuration, system.webServer/
handlers/add and fastCgi/application.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from .cgi_head import CgiHeadError, Head, HeadParser
from .errors import FastCgiExitError

__all__ = ["RESPONSE_BUFFER", "Carrier", "Exchange", "Response", "ResponseStream"]

RESPONSE_BUFFER = 4 * 1024 * 1024
_MAX_STDERR = 64 * 1024
_HIGH = 256 * 1024  # unsent bytes above which reading stops
# Methods whose requests may be sent again whatever the app has done (RFC 9110, 9.2.1).
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# How often a request is sent at most, and how often to a process that has had no other request.
# When a file has changed, every process that has loaded the app ends: one request may meet several
# of these. A process that ends at its first request is likely to end at the next one's too.
_MOST, _MOST_FRESH = 12, 3


@dataclass
class Response:
    """A response: `body` is bytes or a stream; `stderr` is the text that made it a 500, or ""."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes | ResponseStream
    stderr: str = ""


class Carrier:
    """What an exchange calls on the connection that carries it."""

    served = 0  # the requests that it has had, with the one in progress

    def pause(self, exchange: Exchange) -> None:
        """Stop reading the response for now."""

    def resume(self, exchange: Exchange) -> None:
        """Continue reading."""

    def abandon(self, exchange: Exchange) -> None:
        """Drop the response: the client has gone."""

    def errors_said(self, text: str) -> None:
        """Log text that came on FCGI_STDERR."""


class ResponseStream(AsyncIterator[bytes]):
    """The body of a long response, as it arrives. After a failure, the error replaces the rest."""

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
        """Set a function to call if the stream is closed before its end."""
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
        """End the body, with or without an error."""
        self._ended = True
        self._error = error
        self._wake()

    async def __anext__(self) -> bytes:
        """Return the bytes that have arrived; wait if there are none."""
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
        """Discard the rest of the body. May be called again."""
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
    """One request: `message` opens it; `body` follows if part of it was not read yet.

    `future` returns the Response, or raises. `touched`: some of `body` has been consumed, so that
    the request cannot be repeated. `written`: the process may have received some of the request.
    """

    # Class-level defaults, so that a request sets only the attributes that it needs.
    began = 0.0
    tries = fresh_tries = 0
    touched = False
    written = True
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
        method: str = "GET",
    ) -> None:
        self.message = message
        self.method = method
        self.body = body
        self.length = length
        self.future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.sent = body is None
        self._limit = limit

    @property
    def has_errors(self) -> bool:
        """Return whether FCGI_STDERR has text that makes the response a 500."""
        return bool(self._stderr)

    async def response(self) -> Response:
        """Wait for the response. On cancellation, abandon the request."""
        try:
            return await self.future
        except asyncio.CancelledError:
            if self._stream is not None:  # it came at the same moment, and has no reader
                await self._stream.aclose()
            elif self.carrier is not None:
                self.carrier.abandon(self)
            raise

    @property
    def repeatable(self) -> bool:
        """Return whether it does no harm if the app has served the request already."""
        return self.method in _SAFE or not self.written

    def again(self, error: Exception) -> Exchange | None:
        """Return a copy of the request, to send it again; None if that is not safe, or in vain.

        It is sent again if its process has ended by itself, or has received nothing of it. The part
        of a response that is held back does not count, as no client has seen it: wfastcgi sends a
        response in several pieces, and its watcher may end the process between any two.
        """
        if not isinstance(error, FastCgiExitError) or (self.written and not error.clean):
            return None
        error.not_repeated = not self.repeatable
        tries = self.tries + 1
        fresh = self.carrier is not None and self.carrier.served <= 1
        fresh_tries = self.fresh_tries + fresh
        if tries >= _MOST or fresh_tries >= _MOST_FRESH or not self.repeatable:
            return None
        if self.touched or self._stream is not None or self._stderr:
            return None
        anew = Exchange(self.message, self.body, self.length, limit=self._limit, method=self.method)
        anew.tries, anew.fresh_tries = tries, fresh_tries
        return anew

    def stdout(self, data: bytes) -> None:
        """Add a piece of the response."""
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
        """Return the response's head and the first bytes of its body, or None if incomplete."""
        if self._parser is None:
            self._parser = HeadParser()
        try:
            return self._parser.feed(data)
        except CgiHeadError as error:
            self._refused = True
            self.future.set_exception(error)
            return None

    def stderr(self, data: bytes) -> None:
        """Add a piece of error output."""
        if self._stream is None:
            if not self._stderr:
                self._stderr = bytearray()
            self._stderr += data[: _MAX_STDERR - len(self._stderr)]
        if self.carrier is not None:
            self.carrier.errors_said(_text(data))

    def end(self) -> None:
        """Complete the response."""
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
        """Fail the request, or cut its response short."""
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
    """Decode text for the log: wfastcgi writes Latin-1, other programs UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
