"""The front end's limits: silence, clients that disconnect, large bodies, many connections."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.http.messages import Answer, Request
from tests.support.frontend import PUBLIC, Running, fronted, hello, run, until


def text(body: bytes | AsyncIterator[bytes] = b"ok") -> Answer:
    """Return a plain response."""
    return Answer(200, CIMultiDict(), body)


async def count(request: Request) -> Answer:
    """Respond with the number of bytes received."""
    size = 0
    async for chunk in request.body:
        size += len(chunk)
    return text(str(size).encode())


MEGABYTES = 24


def test_a_large_upload_is_not_held_in_memory() -> None:
    """Its pieces are passed on as they arrive."""
    piece = bytes(1 << 20)

    async def main() -> int:
        async with fronted(count) as front:
            client = await front.connect()
            client.send("POST / HTTP/1.1", f"Host: {PUBLIC}", f"Content-Length: {MEGABYTES << 20}")
            tracemalloc.start()
            for _ in range(MEGABYTES):
                client.writer.write(piece)
                await client.writer.drain()
            assert (await client.answer())[2] == str(MEGABYTES << 20).encode()
            return tracemalloc.get_traced_memory()[1]

    try:
        assert run(main) < 6 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("headers", [{}, {"Content-Length": str(MEGABYTES << 20)}])
def test_a_large_download_is_not_held_in_memory(headers: dict[str, str]) -> None:
    """Its pieces are passed on as they are read, in chunks and with a length."""
    piece = bytes(1 << 16)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(MEGABYTES * 16):
            yield piece

    async def ask(request: Request) -> Answer:
        return Answer(200, CIMultiDict(headers), body())

    async def main() -> int:
        async with fronted(ask) as front:
            reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
            writer.write(f"GET / HTTP/1.1\r\nHost: {PUBLIC}\r\nConnection: close\r\n\r\n".encode())
            tracemalloc.start()
            size = 0
            while data := await reader.read(1 << 16):
                size += len(data)
            peak = tracemalloc.get_traced_memory()[1]
            assert size > MEGABYTES << 20
            writer.close()
            await writer.wait_closed()
            return peak

    try:
        assert run(main) < 6 << 20
    finally:
        tracemalloc.stop()


def test_a_visitor_that_does_not_read_holds_the_app_back() -> None:
    """The body is read only when there is space for its next piece."""
    given = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1 << 16
            yield bytes(1 << 16)

    async def ask(request: Request) -> Answer:
        return text(body())

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            client.send("GET / HTTP/1.1", f"Host: {PUBLIC}")
            before = -1
            while given != before:  # until the number stays the same
                before = given
                await asyncio.sleep(0.2)
            assert 0 < given < 40 << 20  # the sockets' buffers

    run(main)


def test_an_app_that_does_not_read_holds_the_visitor_back() -> None:
    """An upload is not buffered."""
    gate: list[asyncio.Event] = []

    async def ask(request: Request) -> Answer:
        await gate[0].wait()
        return await count(request)

    async def main() -> None:
        gate.append(asyncio.Event())
        async with fronted(ask) as front:
            client = await front.connect()
            size = 64 << 20
            client.send("POST / HTTP/1.1", f"Host: {PUBLIC}", f"Content-Length: {size}")
            sent, stuck = 0, False
            while sent < size and not stuck:
                client.writer.write(bytes(1 << 16))
                sent += 1 << 16
                try:
                    await asyncio.wait_for(client.writer.drain(), 0.5)
                except asyncio.TimeoutError:
                    stuck = True
            assert sent < 40 << 20  # the sockets' buffers
            gate[0].set()
            while sent < size:
                client.writer.write(bytes(1 << 16))
                sent += 1 << 16
                await client.writer.drain()
            assert (await client.answer())[2] == str(size).encode()

    run(main)


class Stuck:
    """An `ask` that never returns, and notes how it ended."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended: list[str] = []

    async def __call__(self, request: Request) -> Answer:
        """Wait until it is cancelled."""
        self.begun += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        return text()


def test_a_request_is_cut_when_nothing_comes() -> None:
    """At the limit the client gets the platform's page, and the `ask` is cancelled."""
    stuck = Stuck()

    async def main() -> None:
        async with fronted(stuck, request_limit=0.2) as front:
            client = await front.connect()
            status, headers, body = await client.get()
            assert (status, headers["Connection"]) == (500, "close")
            assert b"500 - The request timed out." in body
            assert stuck.ended == ["cancelled"]
            await until(lambda: front.requests)
            assert "cut: nothing came for 0.2 s" in front.requests[0]

    run(main)


def test_a_request_in_which_bytes_pass_is_not_cut() -> None:
    """It may take any time; when no more bytes come, the connection is cut."""

    async def body() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b"."
            await asyncio.sleep(0.05)
        await asyncio.Event().wait()

    async def ask(request: Request) -> Answer:
        return text(body())

    async def main() -> None:
        async with fronted(ask, request_limit=0.3) as front:
            client = await front.connect()
            client.send("GET / HTTP/1.1", f"Host: {PUBLIC}")
            data = await client.ended()
            assert data.count(b"1\r\n.\r\n") == 12
            assert not data.endswith(b"0\r\n\r\n")

    run(main)


def test_an_upload_in_which_bytes_pass_is_not_cut() -> None:
    """The limit is for silence in both directions."""

    async def main() -> None:
        async with fronted(count, request_limit=0.3) as front:
            client = await front.connect()
            client.send("POST / HTTP/1.1", f"Host: {PUBLIC}", "Content-Length: 12")
            for _ in range(12):
                client.writer.write(b".")
                await asyncio.sleep(0.05)
            assert (await client.answer())[2] == b"12"

    run(main)


def test_a_visitor_that_leaves_ends_the_work() -> None:
    """This applies before and during the response: the body is closed."""
    stuck = Stuck()
    closed: list[bool] = []

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def ask(request: Request) -> Answer:
        return text(body()) if request.target == "/stream" else await stuck(request)

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            client.send("GET / HTTP/1.1", f"Host: {PUBLIC}")
            await until(lambda: stuck.begun)
            await client.close()
            await until(lambda: stuck.ended)
            client = await front.connect()
            client.send("GET /stream HTTP/1.1", f"Host: {PUBLIC}")
            await client.head()
            await client.close()
            await until(lambda: closed)
            await until(lambda: len(front.requests) == 2)
            assert all("the client has left" in line for line in front.requests)

    run(main)


def test_closing_lets_running_requests_end() -> None:
    """After the grace period they are cut; idle and new connections are closed at once."""
    release = asyncio.Event
    gate: list[asyncio.Event] = []

    async def ask(request: Request) -> Answer:
        if request.target == "/never":
            await asyncio.Event().wait()
        if request.target == "/slow":
            await gate[0].wait()
        if request.target == "/upload":
            return await count(request)
        return text()

    async def main() -> None:
        gate.append(release())
        async with fronted(ask) as front:
            idle, slow, never, upload = [await front.connect() for _ in range(4)]
            await idle.get()
            slow.send("GET /slow HTTP/1.1", f"Host: {PUBLIC}")
            never.send("GET /never HTTP/1.1", f"Host: {PUBLIC}")
            upload.send("POST /upload HTTP/1.1", f"Host: {PUBLIC}", "Content-Length: 4", body=b"ab")
            await asyncio.sleep(0.05)
            closing = asyncio.ensure_future(front.front.close(0.5))
            await asyncio.sleep(0.05)
            with pytest.raises(OSError):
                await front.connect()
            assert await idle.ended() == b""
            upload.writer.write(b"cd")
            assert (await upload.answer())[2] == b"4"
            gate[0].set()
            status, headers, _ = await slow.answer()
            assert (status, headers["Connection"]) == (200, "close")
            assert (await never.answer())[0] == 503
            await closing
            for client in (slow, never, upload):
                assert await client.ended() == b""

    run(main)


def test_a_thousand_idle_connections_are_held() -> None:
    """One more connection gets a response."""

    async def main() -> None:
        async with fronted() as front:
            sockets: list[socket.socket] = []
            try:
                for _ in range(1_000):
                    sockets.append(socket.create_connection(("127.0.0.1", front.port)))
                    if len(sockets) % 50 == 0:
                        await asyncio.sleep(0)
                client = await front.connect()
                assert (await client.get())[0] == 200
                last = sockets[-1]
                last.sendall(f"GET / HTTP/1.1\r\nHost: {PUBLIC}\r\n\r\n".encode())
                last.setblocking(False)
                loop = asyncio.get_running_loop()
                assert (await loop.sock_recv(last, 100)).startswith(b"HTTP/1.1 200")
            finally:
                for one in sockets:
                    one.close()

    run(main)


def test_requests_on_many_connections_are_all_answered() -> None:
    """Each gets its own response."""

    async def ask(request: Request) -> Answer:
        await asyncio.sleep(0)
        return text(request.target.encode())

    async def one(front: Running, number: int) -> None:
        client = await front.connect()
        for turn in range(20):
            target = f"/{number}/{turn}"
            assert (await client.get(target))[2] == target.encode()

    async def main() -> None:
        async with fronted(ask) as front:
            await asyncio.gather(*(one(front, number) for number in range(20)))
            assert len(front.requests) == 400

    run(main)


SEEDS = (
    b"GET /a?b HTTP/1.1\r\nHost: site.azurewebsites.net\r\nX-A: b\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nxx",
    b"OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
)


def mutated(chance: random.Random) -> bytes:
    """Yield requests with random mutations."""
    data = bytearray(b"".join(chance.choices(SEEDS, k=chance.randint(1, 3))))
    for _ in range(chance.randint(0, 6)):
        at = chance.randrange(len(data))
        what = chance.randrange(4)
        if what == 0:
            data[at] = chance.randrange(256)
        elif what == 1:
            data[at:at] = chance.choice((b"\r\n", b"\0", b" ", b":", b"\xff", b"#", b"9" * 30))
        elif what == 2:
            del data[at : at + chance.randint(1, 20)]
        else:
            data[at:at] = data[at : at + chance.randint(1, 40)]
        data = data or bytearray(b"\n")
    return bytes(data)


def test_no_bytes_do_harm(capfd: pytest.CaptureFixture[str]) -> None:
    """Mutated requests get a response or an end; the next client is served, nothing is printed."""
    chance = random.Random(5)

    async def one(front: Running) -> None:
        client = await front.connect()
        client.writer.write(mutated(chance))
        if chance.random() < 0.5:
            client.writer.write_eof()
        with contextlib.suppress(asyncio.TimeoutError, ConnectionError):
            await asyncio.wait_for(client.reader.read(100), 0.1)
        await client.close()

    async def main() -> None:
        async with fronted(count) as front:
            for _ in range(20):
                await asyncio.gather(*(one(front) for _ in range(20)))
            assert (await (await front.connect()).get())[0] == 200
            assert all(line.isascii() and line.isprintable() for line in front.log)

    run(main)
    assert capfd.readouterr() == ("", "")


def test_without_a_limit_nothing_is_cut() -> None:
    """0 means no limit."""

    async def ask(request: Request) -> Answer:
        await asyncio.sleep(0.1)
        return text()

    async def main() -> None:
        async with fronted(ask, request_limit=0) as front:
            assert (await (await front.connect()).get())[0] == 200

    run(main)


def test_a_log_that_fails_does_no_harm() -> None:
    """Its reader may have ended."""

    async def main() -> None:
        async with fronted() as front:
            client = await front.connect()

            def say(label: str, line: str) -> None:
                raise BrokenPipeError

            front.front.say = say
            for _ in range(2):
                assert (await client.get())[2] == b"hello"

    run(main)


def test_it_can_be_closed_twice_and_without_a_start() -> None:
    """Neither raises an error."""

    async def main() -> None:
        async with fronted(hello) as front:
            await front.front.close(0)
            await front.front.close(0)

    run(main)
