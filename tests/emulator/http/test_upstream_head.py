"""A response to HEAD is its head, whatever a server sends after it."""

from __future__ import annotations

import asyncio

import pytest

from appsvc_runtime.emulator.http.transfer import BadAnswerError
from appsvc_runtime.emulator.http.upstream import Upstream
from tests.support.rawserver import read, request

BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL!"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Of: head\r\n\r\n"


async def serve(pieces: list[bytes]) -> tuple[asyncio.Server, list[int]]:
    """Send these pieces for HEAD, a moment apart, and a valid response for GET.

    Count connections.
    """
    made: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(1)
        try:
            while line := await reader.readuntil(b"\r\n\r\n"):
                if line.startswith(b"HEAD"):
                    for piece in pieces:
                        writer.write(piece)
                        await writer.drain()
                        await asyncio.sleep(0.02)
                else:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(talk, "127.0.0.1", 0), made


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([HEAD], id="no-body"),
        pytest.param([HEAD + BODY], id="body-at-once"),
        pytest.param([HEAD, BODY], id="body-later"),
        pytest.param([HEAD[:20], HEAD[20:] + BODY[:9], BODY[9:]], id="in-pieces"),
        pytest.param([b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" + HEAD + BODY], id="interim"),
        pytest.param([HEAD.replace(b"\r\n", b"\n") + BODY], id="bare-line-feeds"),
    ],
)
def test_what_follows_a_head_is_nobodys(pieces: list[bytes]) -> None:
    """HEAD gets its response, and so does the next request."""

    async def check() -> None:
        server, _ = await serve(pieces)
        port = server.sockets[0].getsockname()[1]
        upstream = Upstream()
        for _ in range(3):
            answer = await upstream.forward(request("HEAD"), port, timeout=60)
            assert (answer.status, answer.headers["X-Of"]) == (200, "head")
            assert await read(answer) == b""
            answer = await upstream.forward(request(), port, timeout=60)
            assert await read(answer) == b"good"
        await upstream.close()
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(check(), 30))


def test_other_connections_are_used_again() -> None:
    """Only the connection of HEAD is closed."""

    async def check() -> None:
        server, made = await serve([HEAD])
        port = server.sockets[0].getsockname()[1]
        upstream = Upstream()
        for _ in range(3):
            assert await read(await upstream.forward(request(), port, timeout=60)) == b"good"
        assert len(made) == 1
        await upstream.close()
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(check(), 30))


def test_a_head_without_an_end() -> None:
    """It is an error, and does not use memory without limit."""

    async def check() -> None:
        server, _ = await serve([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000])
        port = server.sockets[0].getsockname()[1]
        upstream = Upstream()
        with pytest.raises(BadAnswerError):
            await upstream.forward(request("HEAD"), port, timeout=60)
        await upstream.close()
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(check(), 30))
