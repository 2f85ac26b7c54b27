"""The transport of connections to servers: it does what asyncio's does, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest

from appsvc_runtime.emulator.http.slim_transport import SlimTransport
from tests.support.frontend import until

pytestmark = pytest.mark.skipif(
    not hasattr(asyncio.SelectorEventLoop, "add_reader"), reason="needs a loop that watches sockets"
)
MEGABYTE = 2**20


class Notes(asyncio.Protocol):
    """Notes what happens to it."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.events: list[str] = []
        self.error: BaseException | None = None
        self.raises = False

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.got += data
        if self.raises:
            raise RuntimeError("a fault of the protocol")

    def eof_received(self) -> None:
        """Note that nothing more comes."""
        self.events.append("eof")

    def pause_writing(self) -> None:
        """Note that there is too much to be sent."""
        self.events.append("pause")

    def resume_writing(self) -> None:
        """Note that there no longer is."""
        self.events.append("resume")

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the end."""
        self.events.append("lost")
        self.error = exc


Check = Callable[[SlimTransport, Notes, socket.socket], Awaitable[None]]


def connected(check: Check) -> list[dict[str, object]]:
    """Run a check with a transport and the other end; give what the loop had to complain of."""
    problems: list[dict[str, object]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: problems.append(context))
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())
            theirs, _ = server.accept()
        for one in (ours, theirs):
            one.setblocking(False)
        notes = Notes()
        transport = SlimTransport(loop, ours, notes)
        try:
            await check(transport, notes, theirs)
        finally:
            transport.abort()
            theirs.close()
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), 30))
    return problems


async def take(theirs: socket.socket) -> bytes:
    """Read to the end at the other side."""
    loop, got = asyncio.get_running_loop(), bytearray()
    while data := await loop.sock_recv(theirs, MEGABYTE):
        got += data
    return bytes(got)


def test_all_is_sent_before_it_closes() -> None:
    """However much: the protocol is told to wait, and to go on; nothing is sent after."""
    data = bytes(range(256)) * 4096 * 8

    async def check(transport: SlimTransport, notes: Notes, theirs: socket.socket) -> None:
        transport.write(data)
        transport.write(b"the end")
        assert notes.events == ["pause"]
        transport.close()
        transport.write(b"nothing")
        transport.close()
        assert transport.is_closing()
        assert await take(theirs) == data + b"the end"
        await until(lambda: "lost" in notes.events)
        assert notes.events == ["pause", "resume", "lost"]
        assert notes.error is None

    assert connected(check) == []


def test_abort_sends_nothing_more() -> None:
    """And is told of once."""

    async def check(transport: SlimTransport, notes: Notes, theirs: socket.socket) -> None:
        transport.write(bytes(32 * MEGABYTE))
        transport.abort()
        transport.abort()
        assert len(await take(theirs)) < 32 * MEGABYTE
        await until(lambda: "lost" in notes.events)
        assert notes.events == ["pause", "lost"]

    assert connected(check) == []


def test_what_comes_waits_while_nobody_reads() -> None:
    """In the system's buffers, until it is read again; also if that is said twice."""

    async def check(transport: SlimTransport, notes: Notes, theirs: socket.socket) -> None:
        transport.pause_reading()
        transport.pause_reading()
        theirs.send(b"hello")
        await asyncio.sleep(0.02)
        assert (notes.got, transport.is_reading()) == (b"", False)
        transport.resume_reading()
        transport.resume_reading()
        await until(lambda: notes.got == b"hello")
        transport.pause_reading()
        transport.close()
        transport.resume_reading()
        assert not transport.is_reading()

    assert connected(check) == []


def test_the_other_side_has_nothing_more_to_say() -> None:
    """Then what is still to be sent is sent, and that is all."""

    async def check(transport: SlimTransport, notes: Notes, theirs: socket.socket) -> None:
        transport.write(bytes(8 * MEGABYTE))
        theirs.shutdown(socket.SHUT_WR)
        await until(lambda: "eof" in notes.events)
        assert transport.is_closing()
        assert len(await take(theirs)) == 8 * MEGABYTE
        await until(lambda: "lost" in notes.events)
        assert notes.events == ["pause", "eof", "resume", "lost"]

    assert connected(check) == []


@pytest.mark.parametrize("writing", [False, True], ids=["reading", "writing"])
def test_a_connection_that_breaks_is_told_of(writing: bool) -> None:
    """With its error, whoever meets it first."""

    async def check(transport: SlimTransport, notes: Notes, theirs: socket.socket) -> None:
        if writing:
            transport.pause_reading()
            transport.write(bytes(32 * MEGABYTE))
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        await until(lambda: "lost" in notes.events)
        assert isinstance(notes.error, ConnectionError)

    assert connected(check) == []


def test_a_fault_of_the_protocol_ends_the_connection() -> None:
    """And is said by the event loop."""

    async def check(transport: SlimTransport, notes: Notes, theirs: socket.socket) -> None:
        notes.raises = True
        theirs.send(b"hello")
        await until(lambda: "lost" in notes.events)
        assert await take(theirs) == b""

    assert [str(problem["exception"]) for problem in connected(check)] == [
        "a fault of the protocol"
    ]
