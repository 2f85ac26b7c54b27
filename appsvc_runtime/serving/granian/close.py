"""The end of a worker's connections before granian stops, so that none is lost.

At a stop granian closes its listening socket while connections wait in its queue, and idle
connections at once, whose clients may be sending a request. Before granian is told to stop, the
queue is emptied here, and idle connections get a moment. Must not know of granian or signals.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...system import tcp
from .. import defaults

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["CLOSE", "Closing"]

CLOSE = (b"connection", b"close")
_TICK_SECONDS = 0.05


class Closing:
    """The end of the connections of a worker that listens on `port`.

    Once it has `begun`, each response is the last one on its connection.
    """

    def __init__(self, port: int) -> None:
        self.begun = False
        self._port = port

    def linger(self) -> None:
        """Return when no connection waits or is open, or when idle ones have had their time."""
        self.begun = True
        until = time.monotonic() + defaults.LINGER_SECONDS
        queue = tcp.find_listener(self._port)
        if queue is not None:
            with queue:
                tcp.hold_off(queue)
                while tcp.waiting(queue) and time.monotonic() < until:
                    time.sleep(_TICK_SECONDS / 10)
            while any(tcp.connections(self._port)) and time.monotonic() < until:
                time.sleep(_TICK_SECONDS)
        else:
            time.sleep(defaults.LINGER_SECONDS)  # connections cannot be seen on this system

    def ending(self, app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """Return an ASGI app that sends `Connection: close` once the end has begun."""

        async def last(scope: Any, receive: Any, send: Any) -> None:
            if self.begun and scope["type"] == "http":
                send = _closing(send)
            await app(scope, receive, send)

        return last


def _closing(send: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Return a `send` for a response with `Connection: close`."""

    async def close(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), CLOSE]}
        await send(message)

    return close
