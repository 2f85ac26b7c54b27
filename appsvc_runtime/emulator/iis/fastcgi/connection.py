"""The connection to one FastCGI process: requests go out one at a time, answers come in.

Knows asyncio and when IIS gives up on a process. Must not know how the process was started, nor of
its end but that the connection is lost. Bodies are never held whole: reading stops while a visitor
is slow, sending while the process is. Source of the limits: learn.microsoft.com/iis/configuration/
system.webServer/fastCgi/application.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, cast

from .channel import Connection
from .errors import FastCgiTimeoutError
from .exchange import RESPONSE_BUFFER, Carrier, Exchange, Response
from .protocol import (
    ABORT_REQUEST,
    BEGIN_REQUEST,
    PARAMS_END,
    STDIN_END,
    End,
    FastCgiError,
    ResponseParser,
    Stderr,
    Stdout,
    encode_params,
    encode_stdin,
)

if TYPE_CHECKING:
    from typing import Any

    from ...http.messages import Say

__all__ = ["FastCgiConnection"]

_READ = 128 * 1024
_FOREVER = float("inf")


class FastCgiConnection(Connection, Carrier):
    """A connection. `on_free` is called when it could take the next request.

    The limits are in seconds, 0 for none: `activity_timeout` between signs of life during a
    request, `request_timeout` for the whole of one. `served` counts the requests.
    """

    def __init__(
        self, label: str, say: Say, *, activity_timeout: float = 30, request_timeout: float = 90
    ) -> None:
        self.label = label
        self.served = 0
        self.retired = False
        self.error: FastCgiError | None = None  # why the process was given up
        self.at_fault = True  # for that
        self.doubtful = False  # its first answer was an error: wfastcgi ends after those at start
        self.on_free: Callable[[Any], None] = lambda _: None
        self._say = say
        self._activity_timeout = activity_timeout or _FOREVER
        self._request_timeout = request_timeout or _FOREVER
        self._loop = asyncio.get_running_loop()
        self._view = memoryview(bytearray(_READ))
        self._parser = ResponseParser()
        self._exchange: Exchange | None = None
        self._sender: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._activity = 0.0
        self._waits_for_visitor = False
        self._paused = False
        self._writable = asyncio.Event()
        self._writable.set()
        self.connected = asyncio.Event()
        self.closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._exchange is not None

    async def request(
        self,
        params: Mapping[str, str],
        body: AsyncIterator[bytes] | None = None,
        length: int | None = 0,
        *,
        limit: int = RESPONSE_BUFFER,
    ) -> Response:
        """Make a request of a process that is not busy; give the answer.

        Raises FastCgiError (FastCgiExitError, FastCgiTimeoutError), CgiHeadError, and what `body`
        raises. `length` None: as long as `body` is.
        """
        message = BEGIN_REQUEST + encode_params(params) + PARAMS_END
        exchange = Exchange(message if body else message + STDIN_END, body, length, limit=limit)
        self.begin(exchange)
        return await exchange.response()

    def begin(self, exchange: Exchange) -> None:
        """Send a request. Nothing may be under way."""
        transport = self._transport
        if transport is None or self._exchange is not None:
            raise FastCgiError(f"{self.label} cannot take a request now.")
        self._exchange = exchange
        exchange.carrier = self
        self.served += 1
        exchange.began = self._activity = self._loop.time()
        try:
            self._parser.next_request()
        except FastCgiError as error:
            self._break(error)
            return
        transport.write(exchange.message)
        if not exchange.sent:
            self._sender = self._loop.create_task(self._send(exchange, transport))
        if self._timer is None:
            self._check_time()

    def retire(self) -> None:
        """Take no more requests: hang up, after the one under way."""
        self.retired = True
        if self._exchange is None:
            self._hang_up()

    def abort(self) -> None:
        """Let go of the connection, now."""
        if self._transport is not None:
            self._transport.abort()

    # What an exchange asks for.

    def pause(self, exchange: Exchange) -> None:
        """Read no more of this answer for now."""
        if exchange is self._exchange and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self, exchange: Exchange) -> None:
        """Go on reading."""
        if exchange is self._exchange:
            self._unpause()

    def abandon(self, exchange: Exchange) -> None:
        """The visitor has gone: tell the process, which may go on, and read what it still says.

        wfastcgi ignores FCGI_ABORT_REQUEST, as the specification lets it (§5.4). Where it has not
        had the whole body there is no way back, and it is hung up on.
        """
        if exchange is not self._exchange or self._transport is None:
            return
        if not exchange.sent:
            self._break(FastCgiError("The visitor went away in the middle of the body."), False)
        else:
            self._transport.write(ABORT_REQUEST)

    def errors_said(self, text: str) -> None:
        """Show what came on FCGI_STDERR in the log."""
        for line in text.splitlines():
            self._say(self.label, line)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self.connected.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give the place for what is read: always the same, since it is parsed at once."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        exchange = self._exchange
        if exchange is None:
            self._break(FastCgiError("The application sent something that belongs to no request."))
            return
        self._activity = self._loop.time()
        try:
            events = self._parser.feed(self._view[:nbytes])
        except FastCgiError as error:
            self._break(error)
            return
        if len(events) == 2 and type(events[1]) is End and type(events[0]) is Stdout:
            # A short answer, whole: it can be looked at while the process is busy again.
            self._finish(exchange, events[0].data)
            return
        for event in events:
            kind = type(event)
            if kind is Stdout:
                exchange.stdout(cast("Stdout", event).data)
            elif kind is Stderr:
                exchange.stderr(cast("Stderr", event).data)
            else:
                self._finish(exchange)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that there is no connection any more."""
        self.closed.set()
        self._writable.set()
        if self._timer is not None:  # it would keep all of this until it goes off
            self._timer.cancel()
            self._timer = None

    def pause_writing(self) -> None:
        """Stop sending: the process does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on sending."""
        self._writable.set()

    # Within.

    def _finish(self, exchange: Exchange, last: bytes = b"") -> None:
        """The answer is whole: first the next request, since the process is waiting for it."""
        self._exchange = None
        if self._paused:
            self._unpause()
        self.doubtful = self.ending = self.served == 1 and exchange.has_errors
        if self._parser.surplus:
            self._break(FastCgiError("The application sent something that belongs to no request."))
        elif not exchange.sent:
            # An answer before the end of the body: the rest would be taken for the next request's.
            if self._sender is not None:
                self._sender.cancel()
            self.retire()
        elif self.retired:
            self._hang_up()
        elif self.error is None:
            self.on_free(self)
        if last:
            exchange.stdout(last)
        exchange.end()

    def _unpause(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._activity = self._loop.time()
            if not self._transport.is_closing():
                self._transport.resume_reading()

    async def _send(self, exchange: Exchange, transport: asyncio.Transport) -> None:
        """Send the body, as fast as the process reads it."""
        body = exchange.body
        sent = 0
        try:
            while body is not None:
                self._waits_for_visitor = True
                try:
                    chunk = await body.__anext__()
                except StopAsyncIteration:
                    break
                finally:
                    self._waits_for_visitor = False
                    self._activity = self._loop.time()
                exchange.touched = True
                sent += len(chunk)
                for record in encode_stdin(chunk):
                    transport.write(record)
                    await self._writable.wait()
                    self._activity = self._loop.time()
                    if transport.is_closing():
                        return
            if exchange.length is not None and sent != exchange.length:
                problem = f"The body has {sent} bytes instead of {exchange.length}."
                raise FastCgiError(problem)
        except Exception as error:
            exchange.fail(error)
            self._break(FastCgiError(f"The body could not be read: {error}"), False)
            return
        exchange.sent = True
        transport.write(STDIN_END)

    def _check_time(self) -> None:
        """See whether the request has taken too long; look again when it could have."""
        self._timer = None
        exchange = self._exchange
        if exchange is None or self.error is not None or self.closed.is_set():
            return
        now = self._loop.time()
        since = now if self._paused or self._waits_for_visitor else self._activity
        over = exchange.began + self._request_timeout
        silent = since + self._activity_timeout
        if now >= over:
            self._break(FastCgiTimeoutError("The FastCGI process exceeded its request timeout."))
        elif now >= silent:
            self._break(FastCgiTimeoutError("The FastCGI process exceeded its activity timeout."))
        elif min(over, silent) < _FOREVER:
            self._timer = self._loop.call_at(min(over, silent), self._check_time)

    def _break(self, error: FastCgiError, at_fault: bool = True) -> None:
        """Give the process up: it is ended, and what is under way fails with this."""
        if self.error is None:
            self.error = error
            self.at_fault = at_fault
            self.retired = True
            if self._transport is not None:
                self._transport.abort()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()
