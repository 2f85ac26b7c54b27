"""The front end's HTTP server: aiohttp's, with our own response to a malformed request.

Must not know of what is behind it: it gets a handler, and a function that takes lines of the log.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from ...system import capabilities
from .headers import Client
from .pages import page, shown
from .response import Sent
from .response_head import make_head

__all__ = ["Protocol", "Server"]

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

# http.sys: MaxFieldLength and MaxRequestBytes are 16,384 (learn.microsoft.com, "Http.sys registry
# settings for Windows"); it does not count headers.
_MAX_LINE = 16_384
_MAX_HEADERS = 1_000
# aiohttp counts headers from 3.14 on.
_COUNTED = "max_headers" in inspect.signature(web.RequestHandler.__init__).parameters
_OPTIONS: dict[str, Any] = {"max_headers": _MAX_HEADERS} if _COUNTED else {}
# IIS: connectionTimeout of a site is 2 minutes (IIS schema, site/limits).
_IDLE_SECONDS = 120
_BUFFER = 0x10000
# Parts of aiohttp's error message for a TLS handshake: where it recognises one, and where it only
# quotes the first bytes.
_TLS_SIGNS = ("HTTPS traffic", "\\x16\\x03")
_MAX_REASON = 120


class Protocol(web.RequestHandler):
    """One connection: the client at its other end, and the local `port`."""

    __slots__ = ("_report", "client", "port")

    def __init__(self, server: Server, report: Callable[[str], None], **options: Any) -> None:
        super().__init__(server, **options)
        self._report = report
        self.client = _NOBODY
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the client's address, its TLS version and the local port."""
        peer = transport.get_extra_info("peername")
        tls = transport.get_extra_info("ssl_object")
        version = tls.version() or "TLSv1.2" if tls is not None else ""
        if isinstance(peer, tuple):
            self.client = Client.of(peer[0], peer[1], version)
        else:
            self.client = Client.of("127.0.0.1", 0, version)
        local = transport.get_extra_info("sockname")
        self.port = local[1] if isinstance(local, tuple) else 0
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the connection; mark its error as read.

        The handler that waited for the client has been cancelled and does not read the error.
        """
        waiting = getattr(self, "_drain_waiter", None)
        super().connection_lost(exc)
        if waiting is not None and waiting.done() and not waiting.cancelled():
            waiting.exception()  # else asyncio logs that the error was never read (aiohttp < 3.14)

    @property
    def idle(self) -> bool:
        """Whether no request is waiting or being handled."""
        return self._current_request is None and not self._messages

    def data_received(self, data: bytes) -> None:
        """Take bytes; raise the error of a malformed body in the handler that reads the body.

        aiohttp queues such an error behind the current request, whose reader would wait for ever.
        """
        super().data_received(data)
        if self._messages and self._current_request is not None:
            error = getattr(self._messages[-1][0], "exc", None)
            content = self._current_request.content
            if error is not None and not content.is_eof():
                content.set_exception(error)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond to a malformed request with 400, log one line, and end the connection."""
        if status != 400:  # an error after the response was sent: a second one cannot be sent
            self.log_exception(exc_info=exc)
            return Sent(False)
        # The text after a colon quotes the client's bytes, which may be a cookie or a token.
        first = (message or str(exc)).strip().partition("\n")[0].partition(":")[0]
        reason = shown(first[:_MAX_REASON])
        if isinstance(exc, LineTooLong):
            reason = f"its first line or one of its headers is longer than {_MAX_LINE} bytes"
        if any(sign in f"{message}{exc}" for sign in _TLS_SIGNS) and not self.client.secure:
            reason = "it speaks https to the http port (--https starts an https one)"
        self._report(f"400: a request from {self.client.endpoint} cannot be read: {reason}")
        answer = page(400, "Bad Request", f"The request cannot be read: {reason}.")
        body = answer.body if isinstance(answer.body, bytes) else b""
        framing = f"Content-Length: {len(body)}\r\n"
        head, _ = make_head(answer, framing, "Connection: close\r\n")
        return Sent(False, head + body)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log an error that aiohttp raised on this connection."""
        error = kw.get("exc_info")
        self._report(f"a connection was ended by {type(error).__name__}: {shown(str(error))}")


_NOBODY = Client.of("127.0.0.1", 0)


class Server(web.Server):
    """Makes a `Protocol` for each connection."""

    def __init__(self, handler: Handler, report: Callable[[str], None]) -> None:
        # A handler is cancelled when its client disconnects: nobody would read the response.
        super().__init__(handler, handler_cancellation=True)
        self._report = report

    def end_idle(self) -> None:
        """Close the idle connections; those with a request in progress stay open."""
        for connection in self.connections:
            if isinstance(connection, Protocol) and connection.idle:
                connection.force_close()

    def __call__(self) -> web.RequestHandler:
        """Return the protocol for a new connection."""
        return Protocol(
            self,
            self._report,
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=_IDLE_SECONDS,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_LINE,
            read_bufsize=_BUFFER,
            auto_decompress=False,
            tcp_keepalive=capabilities.keeps_connections_alive(),
            **_OPTIONS,
        )
