"""A client that reads or sends slowly is waited for, and one that stops is cut."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
pytest.importorskip("gunicorn")

from appsvc_runtime.serving.gunicorn import client_socket  # noqa: E402
from appsvc_runtime.serving.gunicorn.client_socket import (  # noqa: E402
    ClientSocket,
    ClientStalledError,
)

BIG = os.urandom(1 << 20) * 8
Pair = tuple[ClientSocket, socket.socket]


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Yield the server's socket, and that of a client with a small buffer."""
    monkeypatch.setattr(client_socket, "_LOOK_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        client.settimeout(20)
        taken = listener.accept()[0]
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        server = ClientSocket.of(taken)
        server.waiting = lambda: contextlib.nullcontext(True)
        with server:
            yield server, client


def read(client: socket.socket, count: int) -> bytes:
    pieces = []
    while count:
        pieces.append(client.recv(min(count, 1 << 16)))
        count -= len(pieces[-1])
    return b"".join(pieces)


def test_all_is_sent(pair: Pair, tmp_path: Path) -> None:
    """Bytes, views and files come as they are, whatever fits into the buffers."""
    server, client = pair
    (tmp_path / "file").write_bytes(BIG)
    with (tmp_path / "file").open("rb") as file:

        def send() -> None:
            server.sendall(BIG)
            server.sendall(memoryview(BIG)[5:])
            assert server.sendfile(file, 7, 2_000_000) == 2_000_000
            assert server.sendfile(file, 7) == len(BIG) - 7

        thread = threading.Thread(target=send)
        thread.start()
        for expected in (BIG, BIG[5:], BIG[7:2_000_007], BIG[7:]):
            assert read(client, len(expected)) == expected
        thread.join(20)


def test_a_client_that_does_not_read_is_cut(pair: Pair) -> None:
    """The error says so, and the socket keeps it."""
    server, _client = pair
    server.write_seconds = 0.3
    with pytest.raises(ClientStalledError, match="does not read"):
        server.sendall(BIG)
    assert isinstance(server.failure, ClientStalledError)


def test_where_no_thread_is_to_spare(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does nothing is cut soon, although its own limits are minutes."""
    monkeypatch.setattr(client_socket, "_CROWDED_SECONDS", 0.2)
    server, client = pair
    server.read_seconds = server.write_seconds = 600.0
    server.waiting = lambda: contextlib.nullcontext(False)
    client.sendall(b"x")
    assert server.receive(10) == b"x"
    with pytest.raises(ClientStalledError, match="stopped sending"):
        server.receive(10)
    with pytest.raises(ClientStalledError, match="does not read"):
        server.sendall(BIG)


def test_a_blocking_socket_waits_in_the_same_way(pair: Pair, tmp_path: Path) -> None:
    """A client may ask for a WebSocket, and then read nothing of a page or of a file."""
    server, _client = pair
    server.setblocking(True)
    server.write_seconds = 0.3
    entered: list[str] = []

    @contextlib.contextmanager
    def waiting() -> Iterator[bool]:
        entered.append("")
        yield True

    server.waiting = waiting
    (tmp_path / "file").write_bytes(BIG)

    def send() -> None:
        with (tmp_path / "file").open("rb") as file:
            with pytest.raises(ClientStalledError):
                server.sendfile(file)
            with pytest.raises(ClientStalledError):
                server.sendall(BIG)
        entered.append("done")

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(20)
    assert entered[-1:] == ["done"]
    assert len(entered) == 3


def test_a_client_that_reads_slowly_is_not_cut(pair: Pair) -> None:
    """It takes several times as long as one may read nothing; the system's buffer stays full."""
    server, client = pair
    server.write_seconds = 1.0
    ended = threading.Event()

    def send() -> None:
        server.sendall(BIG[: 1 << 20])
        ended.set()

    thread = threading.Thread(target=send)
    thread.start()
    last = time.monotonic() + 3
    got = 0
    while time.monotonic() < last and not ended.is_set():
        got += len(client.recv(2048))
        ended.wait(0.02)
    assert server.failure is None
    read(client, (1 << 20) - got)
    thread.join(20)
    assert ended.is_set()


def test_a_client_that_sends_slowly_is_not_cut(pair: Pair) -> None:
    """It sends for several times as long as one may send nothing."""
    server, client = pair
    server.read_seconds, server.read_bytes = 1.0, 5
    got = b""
    for _ in range(40):
        timer = threading.Timer(0.04, client.sendall, [b"ab"])
        timer.start()
        got += server.receive(10)
        timer.join()
    while len(got) < 80:
        got += server.receive(10)
    assert got == b"ab" * 40


@pytest.mark.parametrize("sent", [b"", b"abc"])
def test_a_client_that_stops_sending_is_cut(pair: Pair, sent: bytes) -> None:
    """A few bytes do not help it."""
    server, client = pair
    server.read_seconds, server.read_bytes = 0.3, 100
    client.sendall(sent + b"x")
    for _ in range(len(sent) + 1):
        server.receive(1)
    with pytest.raises(ClientStalledError, match="stopped sending"):
        server.receive(1)


def test_a_client_that_goes_away(pair: Pair) -> None:
    """Neither side is taken for complete."""
    server, client = pair
    client.close()
    with pytest.raises(ConnectionError):
        server.receive(10)
    with pytest.raises(ConnectionError):
        server.sendall(BIG)
    assert isinstance(server.failure, ConnectionError)
    assert server.send_now(b"x") == 0
