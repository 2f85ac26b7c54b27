"""The connection to one FastCGI process: requests go out one at a time, responses come in.

Uses asyncio, and knows when IIS gives up on a process. Must not know how the process was started;
of its end it sees only the lost connection. Bodies are never held as a whole: reading from the
process stops while the client is slow, and sending while the process is slow. Source of the limits:
learn.microsoft.com/iis/configuration/system.webServer/fastCgi/application.
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

    The limits are in seconds, 0 for none: `activity_timeout` between signs of activity during a
    request, `request_timeout` for a whole request. `served` counts the requests.
    """

    def __init__(
        self, label: str, say: Say, *, activity_timeout: float = 30, request_timeout: float = 90
    ) -> None:
        self.label = label
        self.served = 0
        self.retired = False
        self.error: FastCgiError | None = None  # why the process was given up
        self.at_fault = True  # whether `error` is the fault of the process
        self.doubtful = False  # its first response was an error: wfastcgi ends after one at start
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
        self._waits_for_client = False
        self._paused = False
        self._writable = asyncio.Event()
        self._writable.set()
        self.connected = asyncio.Event()
        self.closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    @property
    def busy(self) -> bool:
        """Return whether a request is in progress."""
        return self._exchange is not None

    async def request(
        self,
        params: Mapping[str, str],
        body: AsyncIterator[bytes] | None = None,
        length: int | None = 0,
        *,
        limit: int = RESPONSE_BUFFER,
    ) -> Response:
        """Send a request to a process that is not busy; return the response.

        Raises FastCgiError (FastCgiExitError, FastCgiTimeoutError), CgiHeadError, and what `body`
        raises. `length` None: the length of `body` is not known.
        """
        message = BEGIN_REQUEST + encode_params(params) + PARAMS_END
        exchange = Exchange(message if body else message + STDIN_END, body, length, limit=limit)
        self.begin(exchange)
        return await exchange.response()

    def begin(self, exchange: Exchange) -> None:
        """Send a request. No other request may be in progress."""
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
        # A connection that the process has closed takes nothing, and closes on this side at once.
        exchange.written = not transport.is_closing()
        if not exchange.sent:
            self._sender = self._loop.create_task(self._send(exchange, transport))
        if self._timer is None:
            self._check_time()

    def retire(self) -> None:
        """Take no more requests: close the connection, after the request in progress."""
        self.retired = True
        if self._exchange is None:
            self._hang_up()

    def abort(self) -> None:
        """Close the connection immediately."""
        if self._transport is not None:
            self._transport.abort()

    # Called by an exchange.

    def pause(self, exchange: Exchange) -> None:
        """Stop reading this response for now."""
        if exchange is self._exchange and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self, exchange: Exchange) -> None:
        """Continue reading."""
        if exchange is self._exchange:
            self._unpause()

    def abandon(self, exchange: Exchange) -> None:
        """Note that the client has gone: abort the request, and read what the process still sends.

        wfastcgi ignores FCGI_ABORT_REQUEST, as the specification allows (§5.4). If the process has
        not received the whole body, it cannot be reused, and the connection is closed.
        """
        if exchange is not self._exchange or self._transport is None:
            return
        if not exchange.sent:
            self._break(FastCgiError("The client went away in the middle of the body."), False)
        else:
            self._transport.write(ABORT_REQUEST)

    def errors_said(self, text: str) -> None:
        """Write text from FCGI_STDERR to the log."""
        for line in text.splitlines():
            self._say(self.label, line)

    # Called by asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self.connected.set()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer to read into: always the same, since it is parsed at once."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Parse the bytes that were read."""
        exchange = self._exchange
        if exchange is None:
            self._break(FastCgiError("The application sent bytes that belong to no request."))
            return
        self._activity = self._loop.time()
        try:
            events = self._parser.feed(self._view[:nbytes])
        except FastCgiError as error:
            self._break(error)
            return
        if len(events) == 2 and type(events[1]) is End and type(events[0]) is Stdout:
            # A short, complete response: process it after the process has the next request.
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
        """Note that the connection is lost."""
        self.closed.set()
        self._writable.set()
        if self._timer is not None:  # it would keep this object alive until it fires
            self._timer.cancel()
            self._timer = None

    def pause_writing(self) -> None:
        """Stop sending: the process does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Continue sending."""
        self._writable.set()

    # Internal.

    def _finish(self, exchange: Exchange, last: bytes = b"") -> None:
        """End an exchange; first send the next request, since the process waits for it."""
        self._exchange = None
        if self._paused:
            self._unpause()
        self.doubtful = self.served == 1 and exchange.has_errors
        if self._parser.surplus:
            self._break(FastCgiError("The application sent bytes that belong to no request."))
        elif not exchange.sent:
            # The response ended before the body: the process would take the rest of the body for
            # the next request.
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
                self._waits_for_client = True
                try:
                    chunk = await body.__anext__()
                except StopAsyncIteration:
                    break
                finally:
                    self._waits_for_client = False
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
        """Check whether the request has taken too long; set a timer for the next check."""
        self._timer = None
        exchange = self._exchange
        if exchange is None or self.error is not None or self.closed.is_set():
            return
        now = self._loop.time()
        since = now if self._paused or self._waits_for_client else self._activity
        over = exchange.began + self._request_timeout
        silent = since + self._activity_timeout
        if now >= over:
            self._break(FastCgiTimeoutError("The FastCGI process exceeded its request timeout."))
        elif now >= silent:
            self._break(FastCgiTimeoutError("The FastCGI process exceeded its activity timeout."))
        elif min(over, silent) < _FOREVER:
            self._timer = self._loop.call_at(min(over, silent), self._check_time)

    def _break(self, error: FastCgiError, at_fault: bool = True) -> None:
        """Abort the connection and give up the process; its request then fails with `error`."""
        if self.error is None:
            self.error = error
            self.at_fault = at_fault
            self.retired = True
            if self._transport is not None:
                self._transport.abort()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()
