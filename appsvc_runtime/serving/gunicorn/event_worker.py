"""The worker for gunicorn 27: a loop that reads requests, and threads that run the app.

A client has no thread until its request is there, so that none can hold one by being slow. Knows
gunicorn's threaded worker, whose signals, stop and settings it keeps; nothing of apps or settings
of ours.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from typing import Any

from gunicorn.http.errors import NoMoreData

from ...system import sockets
from .. import defaults
from .connection import Connection
from .response import ResponseBrokenError, respond
from .shares import Shares
from .threads import Threads
from .worker import AppServiceWorker

__all__ = ["EventWorker"]

_PIECE = 1 << 18
_TICK_SECONDS = 1.0
_STOPPING_TICK_SECONDS = 0.1
# How long connections are left to workers that have fewer, and how many are accepted before the
# next pause if those do not come for them: they may be busy.
_PAUSE_SECONDS = 0.01
_AT_ONCE = 8
# What is read ahead of a request that waits for its turn; the rest stays in the system's buffer.
_AHEAD = 1 << 16
# A client that sends on is heard out for as long and as much, or the system would throw away the
# response that it has not read yet.
_ENDING_SECONDS = 2.0
_ENDING_BYTES = 1 << 24
_GONE = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EINTR)


class EventWorker(AppServiceWorker):
    """A threaded worker whose loop reads requests, and their bodies up to a limit."""

    alive: bool
    worker_connections: int
    _shares: Shares

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Return the worker, or one with gunicorn's own loop for TLS and other protocols."""
        cfg = args[5] if len(args) > 5 else kwargs["cfg"]
        if cfg.is_ssl or cfg.protocol != "http" or cfg.proxy_protocol not in ("off", False):
            return AppServiceWorker(*args, **kwargs)
        if "h2" in cfg.http_protocols:
            return AppServiceWorker(*args, **kwargs)
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.worker_connections == self.cfg.settings["worker_connections"].default:
            self.worker_connections = sockets.max_connections()  # one that is idle costs little
        self._connections: set[Connection] = set()
        if not hasattr(EventWorker, "_shares"):  # in the master, before it forks
            EventWorker._shares = Shares()
        self._pause_ends = 0.0  # until then another worker may accept, and then this one
        self._is_paused = False
        self._unshared = 0
        self._buffered = 0  # bytes of requests that are not complete
        self._last_tick = 0.0
        self._stops_at = 0.0

    def get_thread_pool(self) -> Threads:
        """Return the threads that run the app."""
        return Threads(self._handle, self.cfg.threads)

    def run(self) -> None:
        """Serve until the worker is told to stop, then until all requests are finished."""
        self.poller.register(
            self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks
        )
        self._shares.write(self.age, 0)
        self.set_accept_enabled(True)
        while self.alive:
            self._turn(_TICK_SECONDS)
        self._is_paused = False
        self._shares.leave(self.age)
        self._stops_at = time.monotonic() + self.cfg.graceful_timeout
        self.set_accept_enabled(False)
        while self._connections and time.monotonic() < self._stops_at:
            self._turn(_STOPPING_TICK_SECONDS)
        for connection in list(self._connections):
            self._close(connection)

    def _turn(self, seconds: float) -> None:
        """Wait for events and handle them; look at the clock once in so many seconds."""
        for key, _ in self.poller.select(_PAUSE_SECONDS if self._is_paused else seconds):
            key.data(key.fileobj)
        now = time.monotonic()
        if self._is_paused and now >= self._pause_ends and self.alive:
            self._is_paused = False
            self.set_accept_enabled(self.nr_conns < self.worker_connections)
        if now < self._last_tick + seconds:
            return
        self._last_tick = now
        self.notify()
        if self.alive and not self.is_parent_alive():
            self.alive = False
        for connection in list(self._connections):
            if connection.is_over(now):
                self._close(connection)
            elif not self.alive and connection.is_idle:
                connection.deadline = min(connection.deadline, now + defaults.LINGER_SECONDS)
        if self.alive:
            self._shares.write(self.age, self.nr_conns)
        if self.alive and not self._is_paused:
            self.set_accept_enabled(self.nr_conns < self.worker_connections)

    def accept(self, listener: Any) -> None:
        """Accept one connection, or leave it to another worker that has fewer, for a moment."""
        if self.alive and self._shares.has_fewer(self.nr_conns) and not self.cfg.reuse_port:
            if not self._unshared:
                self._unshared = _AT_ONCE
                self._is_paused, self._pause_ends = True, time.monotonic() + _PAUSE_SECONDS
                self.set_accept_enabled(False)
                return
            self._unshared -= 1
        try:
            client_socket, client = listener.accept()
        except OSError as error:
            if error.errno in _GONE:
                return
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            if self.alive:
                self.set_accept_enabled(False)  # until the next tick
            return
        connection = Connection(client_socket, client, listener.getsockname(), self)
        self.nr_conns += 1
        self._shares.set(self.age, self.nr_conns)
        self._connections.add(connection)
        connection.read(self.poller, self._readable)
        if self.alive and self.nr_conns >= self.worker_connections:
            self.set_accept_enabled(False)

    def _readable(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(_PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            connection.at_end = True
            connection.stop_reading(self.poller)
            if not connection.is_busy:
                self._go_on(connection)
            return
        connection.moved += len(data)
        if connection.is_ending:
            if connection.moved > _ENDING_BYTES:
                self._close(connection)
            return
        connection.incoming.data += data
        if not connection.is_busy:
            self._go_on(connection)
        elif len(connection.incoming.data) > _AHEAD:
            connection.stop_reading(self.poller)

    def _advance(self, connection: Connection) -> None:
        """Pass a request on to a thread if it is there."""
        incoming = connection.incoming
        most = defaults.BODY_BYTES if self._buffered < defaults.UNFINISHED_BYTES else 0
        try:
            is_there = incoming.advance(most)
        except Exception as error:
            self._refuse(connection, error)
            return
        if not is_there:
            self._await_more(connection)
            return
        self._count_buffered(connection, 0)
        connection.is_receiving = False
        connection.is_busy = True
        connection.is_upgraded = _wants_websocket(incoming.request)
        if connection.is_upgraded:  # the app reads from the socket itself
            connection.stop_reading(self.poller)
            connection.sock.setblocking(True)
        elif not incoming.is_whole:
            connection.stop_reading(self.poller)
            incoming.stream(connection.sock.receive)
        self.tpool.put(connection)

    def _await_more(self, connection: Connection) -> None:
        incoming = connection.incoming
        self._count_buffered(connection, len(incoming.data))
        is_full = incoming.request is None and self._buffered > defaults.UNFINISHED_BYTES
        if connection.at_end or (is_full and len(incoming.data) > _AHEAD):
            self._close(connection)
            return
        if not connection.is_receiving:
            connection.is_receiving, connection.moved = True, 0
            connection.deadline = time.monotonic() + defaults.STALL_SECONDS
        connection.read(self.poller, self._readable)
        if incoming.request is not None and incoming.request._expected_100_continue:
            incoming.request._expected_100_continue = False
            connection.sock.send_now(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _count_buffered(self, connection: Connection, count: int) -> None:
        self._buffered += count - connection.buffered
        connection.buffered = count

    def _handle(self, connection: Connection) -> None:
        """Run the app for a request, in a thread, and give the connection back to the loop."""
        is_kept = False
        try:
            is_kept = respond(self, connection) and not connection.is_upgraded
            is_kept = is_kept and connection.incoming.finish()
        except (NoMoreData, ResponseBrokenError):
            self.log.debug("The request or its response was broken off.")
        except BaseException as error:
            # An app may call sys.exit(), or a library raise what is no Exception: that costs this
            # request and nothing else. WebSocket libraries end a request by StopIteration.
            if not (connection.is_upgraded and isinstance(error, StopIteration)):
                self._report(connection, error)
        finally:
            connection.is_kept = is_kept
            connection.deadline = time.monotonic() + self.cfg.keepalive
            connection.is_busy = False
            is_waited_for = is_kept and connection.is_read and not connection.at_end
            if connection.incoming.data or not is_waited_for:
                self.method_queue.defer(self._take_back, connection)

    def _take_back(self, connection: Connection) -> None:
        """Go on with a connection whose request a thread has handled."""
        if connection.is_busy or connection not in self._connections:
            return
        if connection.is_kept:
            if len(connection.incoming.data) <= _AHEAD:  # else it would grow with each request
                connection.read(self.poller, self._readable)
            self._go_on(connection)
        elif not connection.is_ending:
            self._end(connection)

    def _go_on(self, connection: Connection) -> None:
        """Handle what was received before the last response, or close at the end."""
        if connection.is_kept and not connection.is_ending and connection.incoming.data:
            self._advance(connection)
        elif connection.at_end:
            self._close(connection)

    def _refuse(self, connection: Connection, error: Exception) -> None:
        """Respond to what is no request, and end the connection."""
        if not isinstance(error, (StopIteration, NoMoreData)):
            self._report(connection, error)
        self._end(connection)

    def _report(self, connection: Connection, error: BaseException) -> None:
        """Log an error and respond with its page, unless it is only that the client is gone."""
        if connection.sock.failure is not None:
            self.log.debug("The client is gone: %s", connection.sock.failure)
            return
        request = connection.incoming.request
        self.handle_error(request, _Hasty(connection.sock), connection.client, error)

    def count_request(self) -> bool:
        """Count a request; return whether its connection is to be closed after it."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
            self.method_queue.defer(_nothing)
        return not self.alive or not self.cfg.keepalive

    def _end(self, connection: Connection) -> None:
        """Tell the client that nothing more follows, and close when it has heard so."""
        connection.is_ending, connection.is_receiving, connection.moved = True, False, 0
        connection.deadline = time.monotonic() + _ENDING_SECONDS
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            connection.at_end = True
        if connection.at_end:
            self._close(connection)
        else:
            connection.read(self.poller, self._readable)

    def _close(self, connection: Connection) -> None:
        connection.stop_reading(self.poller)
        self._count_buffered(connection, 0)
        self._connections.discard(connection)
        self.nr_conns -= 1
        self._shares.set(self.age, self.nr_conns)
        with contextlib.suppress(OSError):
            connection.sock.close()


class _Hasty:
    """The socket for an error page, which is sent as far as the client takes it at once."""

    def __init__(self, sock: Any) -> None:
        self.sendall = sock.send_now

    def gettimeout(self) -> float:
        """Return that the socket does not block; gunicorn calls this."""
        return 0.0


def _wants_websocket(request: Any) -> bool:
    return any(
        name == "UPGRADE" and value.lower() == "websocket" for name, value in request.headers
    )


def _nothing() -> None:
    """Do nothing; to queue this wakes the loop."""
