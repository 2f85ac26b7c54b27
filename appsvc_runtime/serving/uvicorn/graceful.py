"""A worker of uvicorn that loses no connection at a stop.

Uvicorn closes its listening socket while connections wait in its queue, and idle connections at
once, whose clients may be sending a request. Knows uvicorn's `Server`, and nothing of apps,
settings or the platform.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import uvicorn

from ...system import tcp
from .. import defaults

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

__all__ = ["install"]

_TICK_SECONDS = 0.05
_CLOSE = (b"connection", b"close")


def install(seconds_left: Callable[[], float], all_stop: Callable[[], bool]) -> None:
    """Make the server of this process stop without losing a connection.

    `seconds_left` returns how long running requests may still take when the stop begins, `all_stop`
    whether every process that listens on the same sockets stops. The server exists already, and is
    made by uvicorn itself: the class is changed.
    """
    plain = uvicorn.Server.shutdown

    async def shutdown(server: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
        until = time.monotonic() + seconds_left()
        if all_stop():
            # Else connections that come after a worker's last look at the queue would be lost.
            for one in sockets or []:
                tcp.hold_off(one)
        await _take_waiting(server, sockets or [])
        state = server.server_state
        state.default_headers = [*state.default_headers, _CLOSE]
        await _linger(server, min(defaults.LINGER_SECONDS, seconds_left()))
        left: Any = max(0.0, until - time.monotonic())  # uvicorn only passes it on to asyncio
        server.config.timeout_graceful_shutdown = left
        await plain(server, sockets)

    kind: Any = uvicorn.Server
    kind.shutdown = shutdown


async def _take_waiting(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
    """Stop accepting in the loop, accept what waits in the queues, and close the sockets.

    Meanwhile no request is served: clients that get a response connect again, and a busy site's
    queue would never be empty.
    """
    loop = asyncio.get_running_loop()
    await asyncio.sleep(_TICK_SECONDS)  # for connections that are on their way
    queues = [one.dup() for one in sockets]
    for listening in server.servers:
        listening.close()
    for one in sockets:
        one.close()
    taken: list[socket.socket] = []
    for queue in queues:
        queue.setblocking(False)
        with queue:
            while (connection := _accept(queue)) is not None:
                taken.append(connection)
    for connection in taken:
        await loop.connect_accepted_socket(lambda: _protocol(server), connection)


def _accept(queue: socket.socket) -> socket.socket | None:
    while True:
        try:
            return queue.accept()[0]
        except ConnectionError:  # the client has gone again
            continue
        except OSError:
            return None


def _protocol(server: uvicorn.Server) -> Any:
    """Return the protocol for a new connection, as uvicorn makes it."""
    make: Any = server.config.http_protocol_class
    return make(
        config=server.config,
        server_state=server.server_state,
        app_state=server.lifespan.state,
        _loop=asyncio.get_running_loop(),
    )


async def _linger(server: uvicorn.Server, seconds: float) -> None:
    """Wait until no connection is open, for `seconds` at most; close WebSockets at once."""
    until = time.monotonic() + seconds
    kind: Any = server.config.http_protocol_class
    while (connections := list(server.server_state.connections)) and time.monotonic() < until:
        for one in connections:
            cycle = getattr(one, "cycle", None)
            if not isinstance(one, kind) or not (cycle is None or cycle.response_complete):
                one.shutdown()  # of a running request: it is the last one on its connection
        await asyncio.sleep(_TICK_SECONDS)
