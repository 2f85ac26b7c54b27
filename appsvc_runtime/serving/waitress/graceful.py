"""Waitress with a graceful stop: no new connections, running requests finish.

Waitress itself ends its loop at once at a stop, and loses data that is still to be sent. Knows the
internals of waitress (channels, tasks, its socket map) and nothing of apps, settings or the
platform.
"""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Any

import waitress
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask, Task, WSGITask

from ...system import tcp
from .. import defaults
from .dispatcher import Dispatcher

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication

__all__ = ["GracefulServer"]

_TICK_SECONDS = 0.05
# A thread that has waited for so long for a client is replaced.
_PATIENCE_SECONDS = 0.1
_HOST_LINE = re.compile(rb"\nhost:", re.IGNORECASE)


class _Closing(Task):  # type: ignore[misc]
    """A task that sends `Connection: close` while the server stops."""

    def build_response_header(self) -> bytes:
        if self.channel.server.stopping:
            self.request.headers["CONNECTION"] = "close"
        header: bytes = super().build_response_header()
        return header


class _WSGITask(_Closing, WSGITask):  # type: ignore[misc]
    """A task that responds to HEAD with the head only (RFC 9110, 9.3.2).

    Waitress sends the body that the app returns, and Django returns one. On a kept connection IIS
    or a proxy would read it as the start of the next response.
    """

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        # Waitress always sets True; a health check must not hold the only thread.
        environ["wsgi.multithread"] = self.channel.server.adj.threads > 1
        if self.request.command == "HEAD":
            environ.pop("wsgi.file_wrapper", None)  # a file would bypass `write`
        return environ

    def write(self, data: bytes) -> None:
        if self.request.command != "HEAD":
            super().write(data)
            return
        super().write(b"")
        self.content_bytes_written += len(data)

    def finish(self) -> None:
        if self.request.command == "HEAD":
            self.write(b"")
            self.chunked_response = False  # the chunk that ends a body is not sent either
        super().finish()


class _ErrorTask(_Closing, ErrorTask):  # type: ignore[misc]
    pass


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """A parser that refuses requests that two readers may read differently.

    Those are requests with two Host headers, which waitress joins to one value (RFC 9112, 3.2),
    with both Content-Length and Transfer-Encoding, and with Transfer-Encoding in HTTP/1.0, which
    does not have it (6.1).
    """

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if "," in self.headers.get("HOST", "") and len(_HOST_LINE.findall(header_plus)) > 1:
            raise ParsingError("More than one Host header")
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length together with Transfer-Encoding")
        if self.version != "1.1" and "TRANSFER_ENCODING" in self.headers:
            raise ParsingError("Transfer-Encoding before HTTP/1.1")


class _Channel(HTTPChannel):  # type: ignore[misc]
    parser_class = _Parser
    task_class = _WSGITask
    error_task_class = _ErrorTask

    @property
    def at_work(self) -> bool:
        """Whether a request is being received or handled, or a response is being sent."""
        return bool(self.requests or self.total_outbufs_len or self.request is not None)

    def _flush_outbufs_below_high_watermark(self) -> None:
        """Wait until the client has read enough, as waitress does; see `Dispatcher`."""
        most = self.adj.outbuf_high_watermark
        if self.total_outbufs_len <= most:
            return
        with self.outbuf_lock, contextlib.ExitStack() as away:
            failed = self._flush_exception(self._flush_some, do_close=False)[1]
            patience: float | None = _PATIENCE_SECONDS
            while self.connected and (failed or self.total_outbufs_len > most):
                self.server.pull_trigger()
                if not self.outbuf_lock.wait(patience) and patience is not None:
                    away.enter_context(self.server.task_dispatcher.wait_for_client())
                    patience = None


class GracefulServer:
    """One listening socket, served by waitress until `stop` is called.

    `bound` is a bound socket, `settings` are waitress's own (`waitress.create_server`). `run`
    blocks in the main thread; `stop` may be called from a signal handler.
    """

    def __init__(
        self, app: WSGIApplication, bound: socket.socket, settings: dict[str, Any]
    ) -> None:
        self._threads = Dispatcher(settings["threads"], settings["connection_limit"])
        self._server = waitress.create_server(
            app, sockets=[bound], _dispatcher=self._threads, **settings
        )
        self._server.stopping = False
        self._server.channel_class = _Channel

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return int(self._server.effective_port)

    def stop(self) -> None:
        """Make `run` end: no new connections, running requests finish within its timeout."""
        self._server.stopping = True
        # Wakes the loop. A signal alone does not, as Python resumes `select` after it.
        self._server.pull_trigger()

    def run(self, seconds_left: Callable[[], float]) -> int:
        """Serve until `stop`, then until `seconds_left` returns 0 at most.

        Return the number of requests that were still running then and were cut off.
        """
        while not self._server.stopping:
            self._turn(1.0)
        self._stop_listening()
        started = time.monotonic()
        lingered = False
        while seconds_left() > 0:
            for channel in self._channels():
                if lingered and not channel.at_work:
                    channel.will_close = True
            if not self._channels():
                break
            # Before the turn, which reads what has come: this process may have been held up.
            lingered = time.monotonic() - started >= defaults.LINGER_SECONDS
            self._turn(_TICK_SECONDS)
        cut = sum(channel.at_work for channel in self._channels())
        self._threads.end()  # without waiting: their time is over
        wasyncore.close_all(self._server._map, ignore_all=True)
        return cut

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(
            timeout=timeout,
            use_poll=self._server.adj.asyncore_use_poll,
            map=self._server._map,
            count=1,
        )

    def _channels(self) -> list[_Channel]:
        return list(self._server.active_channels.values())

    def _stop_listening(self) -> None:
        """Accept the connections that wait already, then close the listening socket."""
        tcp.hold_off(self._server.socket)
        self._turn(_TICK_SECONDS)  # for connections that are on their way
        before = -1
        while len(self._server.active_channels) > before:
            before = len(self._server.active_channels)
            self._server.handle_accept()
        # Not the server's own close(): it would end the trigger that threads use to wake the loop.
        wasyncore.dispatcher.close(self._server)
