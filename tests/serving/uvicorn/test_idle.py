"""Connections without a request are closed, and no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from appsvc_runtime.serving import defaults
from appsvc_runtime.serving.uvicorn.idle import IdleConnections


class Connection:
    """A connection as uvicorn's protocols are, with the last request."""

    def __init__(self, cycle: Any = None) -> None:
        self.cycle = cycle
        self.closed = False
        self.transport = SimpleNamespace(close=self.close)

    def close(self) -> None:
        """Note that it is closed."""
        self.closed = True


def test_connections_without_a_request_are_closed() -> None:
    """Those before the first request and after the last; not running ones, nor WebSockets."""
    running = SimpleNamespace(response_complete=False)
    new, busy, used = Connection(), Connection(running), Connection(running)
    websocket = SimpleNamespace(transport=None)
    server: Any = SimpleNamespace(
        config=SimpleNamespace(http_protocol_class=Connection),
        server_state=SimpleNamespace(connections=[]),
    )
    server.server_state.connections = [new, busy, used, websocket]
    idle = IdleConnections()
    idle.look(server, 0.0)
    used.cycle = SimpleNamespace(response_complete=True)
    idle.look(server, defaults.KEEPALIVE_SECONDS - 1)
    assert [one.closed for one in (new, busy, used)] == [False, False, False]
    idle.look(server, defaults.KEEPALIVE_SECONDS)
    assert [one.closed for one in (new, busy, used)] == [True, False, False]
    used.cycle = SimpleNamespace(response_complete=True)  # another request came and went
    server.server_state.connections = [busy, used, websocket]
    idle.look(server, 2 * defaults.KEEPALIVE_SECONDS)
    assert not used.closed
    idle.look(server, 3 * defaults.KEEPALIVE_SECONDS)
    assert [one.closed for one in (busy, used)] == [False, True]
