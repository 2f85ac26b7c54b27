"""What the system knows of this process's TCP sockets."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator

import pytest

from appsvc_runtime.system import tcp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


@pytest.fixture
def listening() -> Iterator[tuple[socket.socket, int]]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(10)
        listener.setblocking(False)
        yield listener, listener.getsockname()[1]


def test_the_listener_is_found_and_left_as_it_is(listening: tuple[socket.socket, int]) -> None:
    """The duplicate is of the same socket, which does not become a blocking one."""
    listener, port = listening
    found = tcp.find_listener(port)
    assert found is not None
    with found, socket.create_connection(("127.0.0.1", port), 5):
        assert tcp.waiting(found) == 1
    listener.accept()[0].close()
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert tcp.find_listener(1) is None


def test_no_new_connection_enters_a_queue_that_is_held_off(
    listening: tuple[socket.socket, int],
) -> None:
    """Those that wait already stay, and can be used."""
    listener, port = listening
    with socket.create_connection(("127.0.0.1", port), 5) as early:
        tcp.hold_off(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", port), 0.2)
        assert tcp.waiting(listener) == 1
        early.sendall(b"x")
        with listener.accept()[0] as taken:
            taken.settimeout(5)
            assert taken.recv(1) == b"x"


def test_what_a_client_has_received_is_seen(listening: tuple[socket.socket, int]) -> None:
    """Sent bytes are acknowledged, or wait."""
    listener, port = listening
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        with listener.accept()[0] as taken:
            taken.settimeout(0.2)
            with pytest.raises(TimeoutError):
                taken.sendall(b"x" * 16_000_000)
            address = client.getsockname()
            (seen,) = [one.dup() for peer, one in tcp.connections(port) if peer == address]
            with seen:
                assert tcp.unacknowledged(seen) > 0
                before = tcp.acknowledged(seen)
                deadline = time.monotonic() + 20
                while tcp.acknowledged(seen) == before:
                    assert time.monotonic() < deadline
                    client.recv(65536)
