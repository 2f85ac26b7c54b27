"""Cuts connections whose clients do not read a response.

Such a client holds memory, and a thread or a task of the app. Servers see that a connection cannot
be written to, but not whether its client reads slowly or not at all: the system reports space in a
connection's buffer only when a third of it, perhaps a megabyte, is free. So the system's count of
what the client has received is used. Knows connections, and nothing of servers.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any, NamedTuple

from ..system import tcp
from . import defaults

__all__ = ["StalledReaders", "watch"]


class _Seen(NamedTuple):
    """A connection with data for its client: what the client had received, and when."""

    received: int
    since: float


class StalledReaders:
    """The connections to `port` whose clients have data to read; `look` cuts those that stall."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._seen: dict[Any, _Seen] = {}

    def look(self, now: float) -> int:
        """Cut clients that received nothing for `WRITE_STALL_SECONDS`; return their number."""
        seen, self._seen = self._seen, {}
        cut = 0
        for peer, connection in tcp.connections(self._port):
            with contextlib.suppress(OSError):  # it has just been closed
                if not tcp.unacknowledged(connection):
                    continue
                received = tcp.acknowledged(connection)
                last = seen.get(peer)
                if last is None or received > last.received:
                    last = _Seen(received, now)
                if now - last.since < defaults.WRITE_STALL_SECONDS:
                    self._seen[peer] = last
                else:
                    connection.shutdown(socket.SHUT_RDWR)
                    cut += 1
        return cut


def watch(port: int) -> None:
    """Cut the stalled clients of this process's connections to `port`, in a thread of its own.

    Do nothing where the system does not show connections.
    """
    if not tcp.are_visible():
        return
    readers = StalledReaders(port)

    def run() -> None:
        while True:
            time.sleep(defaults.WRITE_STALL_SECONDS / 10)
            readers.look(time.monotonic())

    threading.Thread(target=run, name="stalled-readers", daemon=True).start()
