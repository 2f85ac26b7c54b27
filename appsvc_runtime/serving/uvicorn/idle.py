"""Closes connections that uvicorn would keep open without an end.

Uvicorn has a time limit for a connection between two requests, but none before the first request,
and none for the rest of a request's head. Each such connection takes one of the files that the
process may open. Knows uvicorn's `Server`, and nothing of apps, settings or the platform.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import uvicorn

from .. import defaults

__all__ = ["IdleConnections", "install"]

# Uvicorn's ticks, of a tenth of a second, between two looks.
_TICKS = 50


class _Seen(NamedTuple):
    """The last request on an idle connection, None before the first, and since when it is idle."""

    cycle: Any
    since: float


class IdleConnections:
    """The connections of one server that have no request; `look` closes those that are too old."""

    def __init__(self) -> None:
        self._seen: dict[Any, _Seen] = {}

    def look(self, server: uvicorn.Server, now: float) -> None:
        """Close the connections without a whole head of a request for `KEEPALIVE_SECONDS`."""
        seen, self._seen = self._seen, {}
        kind: Any = server.config.http_protocol_class
        for one in list(server.server_state.connections):
            if not isinstance(one, kind) or not hasattr(one, "cycle"):
                continue
            cycle = one.cycle
            if cycle is not None and not cycle.response_complete:
                continue
            last = seen.get(one)
            if last is None or last.cycle is not cycle:
                last = _Seen(cycle, now)
            if now - last.since < defaults.KEEPALIVE_SECONDS:
                self._seen[one] = last
            else:
                one.transport.close()


def install() -> None:
    """Make the server of this process close such connections."""
    idle = IdleConnections()
    kind: Any = uvicorn.Server
    plain = kind.on_tick

    async def on_tick(server: uvicorn.Server, counter: int) -> bool:
        if counter % _TICKS == 0:
            idle.look(server, time.monotonic())
        ends: bool = await plain(server, counter)
        return ends

    kind.on_tick = on_tick
