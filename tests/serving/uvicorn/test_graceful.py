"""The end of a worker of uvicorn: connections that wait are served, and the stop ends."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from appsvc_runtime.serving.uvicorn import graceful, run


class _Busy(asyncio.Protocol):
    """A connection whose client gets a response at once, and connects again, as on a busy site."""

    made = 0
    clients: ClassVar[list[socket.socket]]
    address: Any

    def __init__(self, **_: Any) -> None:
        pass

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it, close it, and let a client connect."""
        kind = type(self)
        kind.made += 1
        assert kind.made < 100, "the stop has no end"
        transport.close()
        client = socket.socket()
        kind.clients.append(client)
        client.connect_ex(kind.address)


def test_a_busy_queue_does_not_keep_a_worker_from_stopping() -> None:
    """All connections that wait are taken; those that come for them are refused."""

    class Busy(_Busy):
        clients: ClassVar[list[socket.socket]] = []

    async def stop() -> None:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        Busy.address = listener.getsockname()
        Busy.clients += [socket.create_connection(Busy.address, 20) for _ in range(3)]
        server: Any = SimpleNamespace(
            servers=[],
            config=SimpleNamespace(http_protocol_class=Busy),
            server_state=None,
            lifespan=SimpleNamespace(state={}),
        )
        await graceful._take_waiting(server, [listener])

    try:
        asyncio.run(stop())
        assert Busy.made == 3
    finally:
        for client in Busy.clients:
            client.close()


@pytest.mark.parametrize(
    ("stops", "held_off"),
    [
        pytest.param(True, True, id="the-whole-server"),
        pytest.param(False, False, id="one-worker"),
    ],
)
def test_connections_are_held_off_only_if_all_workers_stop(
    stops: bool, held_off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers share one socket: the others would get no connection any more."""

    class Server:
        server_state = SimpleNamespace(connections=[], default_headers=[])
        servers: ClassVar[list[Any]] = []
        config = SimpleNamespace(http_protocol_class=_Busy, timeout_graceful_shutdown=0.0)
        sockets: Any = None

        async def shutdown(self, sockets: Any = None) -> None:
            self.sockets = sockets

    held: list[socket.socket] = []
    monkeypatch.setattr(graceful.uvicorn, "Server", Server)
    monkeypatch.setattr(graceful.tcp, "hold_off", held.append)
    supervisor = run._Supervisor.__new__(run._Supervisor)
    supervisor._connect()
    if stops:
        supervisor._stops.send_bytes(b"all")
    graceful.install(lambda: 1.0, lambda: run._all_stop(supervisor._for_workers))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = Server()
        asyncio.run(server.shutdown([listener]))
        assert server.sockets == [listener]
    assert bool(held) == held_off
