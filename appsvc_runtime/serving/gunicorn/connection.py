"""The state of one connection, shared by the worker's loop and the thread that runs the app.

While `is_busy`, a thread has the connection, and the loop only adds to what was received. A thread
clears `is_busy` before it looks at what came meanwhile, and the loop notes what came before it
looks at `is_busy`: so one of the two goes on.
"""

from __future__ import annotations

import contextlib
import functools
import selectors
import time
from typing import TYPE_CHECKING, Any

from .. import defaults
from .client_socket import ClientSocket
from .incoming import Incoming

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

__all__ = ["Connection"]


class Connection:
    """A client's connection; `deadline` is when the loop has to look at it if nothing happens."""

    def __init__(self, plain: socket.socket, client: Any, server: Any, worker: Any) -> None:
        self.sock = ClientSocket.of(plain)
        self.sock.waiting = worker.tpool.waiting
        self.sock.read_seconds = defaults.STALL_SECONDS
        self.sock.read_bytes = defaults.STALL_BYTES
        self.sock.write_seconds = defaults.WRITE_STALL_SECONDS
        self.client = client
        self.server = server
        self.incoming = Incoming(worker.cfg, client)
        # A user's keepalive may be short, or 0: it is for the time between two requests.
        self.deadline = time.monotonic() + max(worker.cfg.keepalive, defaults.STALL_SECONDS)
        self.buffered = 0  # bytes of a request that is not complete, as the worker counts them
        self.moved = 0  # bytes since the loop looked at it last
        self.is_busy = False
        self.is_upgraded = False  # the app may make a WebSocket of it
        self.is_receiving = False  # a part of a request is there
        self.is_kept = True  # another request may follow
        self.is_ending = False  # the response is sent; the client's last bytes are thrown away
        self.at_end = False  # the client sends nothing more
        self.is_read = False  # the loop reads from it

    def read(self, poller: selectors.BaseSelector, readable: Callable[[Connection], None]) -> None:
        """Have the loop call `readable` when there is something to read."""
        if not self.is_read and not self.at_end:
            callback = functools.partial(_call, readable, self)
            try:
                poller.register(self.sock, selectors.EVENT_READ, callback)
            except KeyError:  # this socket has the number of one that an app has closed itself
                poller.unregister(self.sock)
                poller.register(self.sock, selectors.EVENT_READ, callback)
            except ValueError:  # an app has closed this one
                self.at_end = True
                return
            self.is_read = True

    def stop_reading(self, poller: selectors.BaseSelector) -> None:
        """Leave what the client sends to a thread, or to the system's buffer."""
        if self.is_read:
            # If an app has closed the socket, another one may have its number by now.
            with contextlib.suppress(KeyError, ValueError):
                poller.unregister(self.sock)
            self.is_read = False

    @property
    def is_idle(self) -> bool:
        """Return whether no request is there, or not its whole head."""
        return not (self.is_busy or self.is_ending or self.incoming.request is not None)

    def is_over(self, now: float) -> bool:
        """Return whether the client has had its time; start the next one if it makes progress."""
        if self.is_busy or now < self.deadline:
            return False
        if not self.is_receiving or self.moved < defaults.STALL_BYTES:
            return True
        self.moved, self.deadline = 0, now + defaults.STALL_SECONDS
        return False


def _call(readable: Callable[[Connection], None], connection: Connection, _sock: Any) -> None:
    readable(connection)
