"""WebSockets through the front end: real servers behind it, real clients in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import WSCloseCode, WSMsgType, web
from multidict import CIMultiDict
from yarl import URL

from appsvc_runtime.emulator.frontend.certificates import Certificates
from appsvc_runtime.emulator.http.messages import Answer, Request, Tunnel
from appsvc_runtime.emulator.linux.probe import SOURCE, front_end_source
from tests.support.frontend import PUBLIC, Running, fronted, run, until

Child = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def tunnelled(child: Child, source: str = "", **options: object) -> AsyncIterator[Running]:
    """Run a front end before a real WebSocket server; connections come from `source`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", child)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]

    async def ask(request: Request) -> Answer | Tunnel:
        if not request.websocket:
            return Answer(200, CIMultiDict(), b"plain")
        return Tunnel(f"ws://127.0.0.1:{port}{request.target}", request.headers, source)

    try:
        async with fronted(ask, **options) as front:  # type: ignore[arg-type]
            yield front
    finally:
        await runner.cleanup()


class Echo:
    """Sends messages back, and notes requests and how they ended."""

    def __init__(self, **options: object) -> None:
        self.options = options
        self.requests: list[web.Request] = []
        self.codes: list[int | None] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one WebSocket."""
        self.requests.append(request)
        socket = web.WebSocketResponse(max_msg_size=0, autoping=False, **self.options)  # type: ignore[arg-type]
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT and message.data.startswith("close "):
                await socket.close(code=int(message.data[6:]), message=b"bye")
            elif message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            elif message.type is WSMsgType.PING:
                await socket.pong(message.data)
        self.codes.append(socket.close_code)
        return socket


def test_messages_pass_both_ways() -> None:
    """Text, binary, empty messages, ones larger than any buffer, pings; then the close code."""
    echo = Echo()

    async def main() -> None:
        async with tunnelled(echo.serve) as front, aiohttp.ClientSession() as session:
            url = f"ws://127.0.0.1:{front.port}/chat?a=%2f"
            async with session.ws_connect(
                URL(url, encoded=True), max_msg_size=0, autoping=False
            ) as socket:
                for text in ("", "hello", "\u2603", "x" * 1_000_000):
                    await socket.send_str(text)
                    assert await socket.receive_str() == text
                for data in (b"", b"\x00\xff", bytes(1_000_000)):
                    await socket.send_bytes(data)
                    assert await socket.receive_bytes() == data
                await socket.ping(b"are you there")
                message = await socket.receive()
                assert (message.type, message.data) == (WSMsgType.PONG, b"are you there")
                await socket.close(code=4001)
            await until(lambda: echo.codes)
            assert echo.codes == [4001]
            assert echo.requests[0].raw_path == "/chat?a=%2f"
            await until(lambda: front.requests)
            assert "GET /chat?a=%2f 101" in front.requests[0]

    run(main)


@pytest.mark.parametrize("code", [WSCloseCode.OK, 3000, 4999])
def test_the_childs_close_code_reaches_the_client(code: int) -> None:
    """The reason is passed on too."""
    echo = Echo()

    async def main() -> None:
        async with (
            tunnelled(echo.serve) as front,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://127.0.0.1:{front.port}/") as socket,
        ):
            await socket.send_str(f"close {int(code)}")
            message = await socket.receive()
            assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, code, "bye")

    run(main)


def test_the_handshake_is_the_clients_own() -> None:
    """Subprotocol, compression, cookies; the public name and the front end's headers as usual."""
    echo = Echo(protocols=("graphql-ws", "other"), compress=True)

    async def main() -> None:
        async with tunnelled(echo.serve) as front, aiohttp.ClientSession() as session:
            origin = f"http://127.0.0.1:{front.port}"
            async with session.ws_connect(
                f"{origin}/", protocols=("unknown", "graphql-ws"), origin=origin, compress=15,
                headers={"Cookie": "a=b", "X-Forwarded-Proto": "https"},
            ) as socket:  # fmt: skip
                assert socket.protocol == "graphql-ws"
                assert socket.compress
                await socket.send_str("x" * 10_000)
                assert await socket.receive_str() == "x" * 10_000
            headers = echo.requests[0].headers
            assert headers["Host"] == PUBLIC
            assert headers["Origin"] == f"http://{PUBLIC}"
            assert headers["Cookie"] == "a=b"
            assert headers["X-Forwarded-For"].startswith("127.0.0.1:")
            assert "X-Forwarded-Proto" not in headers
            assert len(headers.getall("Sec-WebSocket-Key")) == 1

    run(main)


def test_no_compression_where_the_child_has_none() -> None:
    """The client offers it, the child does not accept, and the client learns that."""
    echo = Echo(compress=False)

    async def main() -> None:
        async with tunnelled(echo.serve) as front, aiohttp.ClientSession() as session:
            url = f"ws://127.0.0.1:{front.port}/"
            async with session.ws_connect(url, compress=15) as socket:
                assert not socket.compress
                await socket.send_str("plain")
                assert await socket.receive_str() == "plain"

    run(main)


@pytest.mark.skipif(not front_end_source(), reason=f"this machine lacks {SOURCE}")
def test_the_child_sees_where_it_is_asked_from() -> None:
    """The same as for plain requests: on Linux the front end's address is not loopback."""
    echo = Echo()

    async def main() -> None:
        async with (
            tunnelled(echo.serve, SOURCE) as front,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{front.port}/") as socket,
        ):
            await socket.send_str("hello")
            assert await socket.receive_str() == "hello"
        assert [request.remote for request in echo.requests] == [SOURCE]

    run(main)


def test_over_https() -> None:
    """It works as over http."""
    echo = Echo()
    certificates = Certificates(PUBLIC)

    async def main() -> None:
        async with tunnelled(echo.serve, tls=certificates.server_context()) as front:
            connector = aiohttp.TCPConnector(ssl=certificates.client_context())
            async with aiohttp.ClientSession(connector=connector) as session:
                url = f"wss://localhost:{front.port}/"
                async with session.ws_connect(
                    url, origin=f"https://localhost:{front.port}"
                ) as socket:
                    await socket.send_str("x" * 100_000)
                    assert await socket.receive_str() == "x" * 100_000
            assert echo.requests[0].headers["Origin"] == f"https://{PUBLIC}"
            assert echo.requests[0].headers["X-Forwarded-Proto"] == "https"
            await asyncio.sleep(0.05)

    run(main)


HANDSHAKE = (
    "Connection: keep-alive, Upgrade",
    "Upgrade: WebSocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def test_a_refusal_is_the_childs_own() -> None:
    """Status, headers and body are passed on; the connection can be used again."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        headers = [("X-Why", "closed"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        return web.Response(status=403, reason="Not Now", headers=CIMultiDict(headers), text="no!")

    async def main() -> None:
        async with tunnelled(refuse) as front:
            client = await front.connect()
            client.send("GET /ws HTTP/1.1", f"Host: {PUBLIC}", *HANDSHAKE)
            status, headers, body = await client.answer()
            assert (status, headers["X-Why"], body) == (403, "closed", b"no!")
            assert headers.getall("Set-Cookie") == ["a=1", "b=2"]
            assert (await client.get())[2] == b"plain"

    run(main)


def test_a_handshake_and_its_refusal_pass_as_they_are() -> None:
    """Two spellings of a header, invalid UTF-8, and a body that ends with the connection."""
    heads: list[bytes] = []

    async def child(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.0 403 No\r\n\r\nnot")
        await writer.drain()
        writer.write(b" now")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(child, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def ask(request: Request) -> Tunnel:
            return Tunnel(f"ws://127.0.0.1:{port}{request.target}")

        async with fronted(ask) as front:
            client = await front.connect()
            lines = ("X-One: 1", "x-one: caf\xe9", *HANDSHAKE)
            status, _, body = await client.get("/a//b?c=%20", *lines)
            assert (status, body) == (403, b"not now")
            assert heads[0].startswith(b"GET /a//b?c=%20 HTTP/1.1\r\n")
            assert b"\r\nX-One: 1\r\n" in heads[0]
            assert b"\r\nx-one: caf\xe9\r\n" in heads[0]
        server.close()
        await server.wait_closed()

    run(main)


def test_frames_sent_with_the_handshake_are_not_lost() -> None:
    """A client should wait for the response, but may not."""
    echo = Echo()

    async def main() -> None:
        async with tunnelled(echo.serve) as front:
            client = await front.connect()
            masked = bytes([0x81, 0x82, 0, 0, 0, 0]) + b"hi"
            client.send("GET /ws HTTP/1.1", f"Host: {PUBLIC}", *HANDSHAKE, body=masked)
            first, pairs = await client.head()
            assert first.startswith("HTTP/1.1 101 ")
            headers = CIMultiDict(pairs)
            assert headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
            assert (headers["Upgrade"], headers["Connection"]) == ("websocket", "Upgrade")
            assert await client.reader.readexactly(4) == b"\x81\x02hi"

    run(main)


async def closed_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    return port


def test_a_child_that_is_not_there_is_a_bad_gateway() -> None:
    """The status is 502, and the log has the reason."""

    async def main() -> None:
        port = await closed_port()

        async def ask(request: Request) -> Tunnel:
            return Tunnel(f"ws://127.0.0.1:{port}/")

        async with fronted(ask) as front:
            assert (await (await front.connect()).get("/", *HANDSHAKE))[0] == 502
            await until(lambda: front.requests)
            assert "502" in front.requests[0]

    run(main)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", id="no-upgrade"),
        pytest.param(b"rubbish\r\n\r\n", id="rubbish"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_child_that_talks_rubbish_is_a_bad_gateway(said: bytes) -> None:
    """Only that request fails; the child gets it once."""
    heads: list[bytes] = []

    async def child(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(said)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(child, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def ask(request: Request) -> Answer | Tunnel:
            return Tunnel(f"ws://127.0.0.1:{port}/") if request.websocket else Answer(200)

        async with fronted(ask) as front:
            assert (await (await front.connect()).get("/", *HANDSHAKE))[0] == 502
            assert (await (await front.connect()).get())[0] == 200
            assert len(heads) == 1
        server.close()
        await server.wait_closed()

    run(main)


def test_a_client_that_vanishes_ends_the_childs_side() -> None:
    """The child sees no close frame, but 1006, as without a front end."""
    echo = Echo()

    async def main() -> None:
        async with tunnelled(echo.serve) as front:
            client = await front.connect()
            client.send("GET /ws HTTP/1.1", f"Host: {PUBLIC}", *HANDSHAKE)
            await client.head()
            await client.close()
            await until(lambda: echo.codes)
            assert echo.codes == [WSCloseCode.ABNORMAL_CLOSURE]
            await until(lambda: front.requests)

    run(main)


def test_a_close_frame_just_before_the_end_is_passed_on() -> None:
    """The client sends a close frame and disconnects at once."""
    echo = Echo()

    async def main() -> None:
        async with tunnelled(echo.serve) as front:
            client = await front.connect()
            client.send("GET /ws HTTP/1.1", f"Host: {PUBLIC}", *HANDSHAKE)
            await client.head()
            client.writer.write(bytes([0x88, 0x82, 0, 0, 0, 0]) + (4002).to_bytes(2, "big"))
            await client.close()
            await until(lambda: echo.codes)
            assert echo.codes == [4002]

    run(main)


def test_a_child_that_vanishes_ends_the_clients_side() -> None:
    """The client first gets what the child has sent."""

    async def child(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            + b"\x81\x04last"
        )
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(child, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def ask(request: Request) -> Tunnel:
            return Tunnel(f"ws://127.0.0.1:{port}/")

        async with fronted(ask) as front:
            client = await front.connect()
            client.send("GET /ws HTTP/1.1", f"Host: {PUBLIC}", *HANDSHAKE)
            await client.head()
            assert await client.ended() == b"\x81\x04last"
        server.close()
        await server.wait_closed()

    run(main)


def test_a_slow_client_slows_the_child_down() -> None:
    """Nothing is buffered in between."""
    sent = 0

    async def child(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        try:
            while sent < 200_000_000:
                writer.write(bytes(50_000))
                await writer.drain()
                sent += 50_000
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(child, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def ask(request: Request) -> Tunnel:
            return Tunnel(f"ws://127.0.0.1:{port}/")

        async with fronted(ask) as front:
            client = await front.connect()
            client.send("GET /ws HTTP/1.1", f"Host: {PUBLIC}", *HANDSHAKE)
            await client.head()
            before = -1
            while sent != before:  # until the number stays the same
                before = sent
                await asyncio.sleep(0.2)
            assert 0 < sent < 40_000_000  # sockets' buffers, and the test client's own
        server.close()
        await server.wait_closed()

    run(main)


def test_a_silent_websocket_is_cut_at_the_limit() -> None:
    """A WebSocket on which anything passes is not cut."""
    echo = Echo()

    async def main() -> None:
        async with (
            tunnelled(echo.serve, request_limit=0.3) as front,
            aiohttp.ClientSession() as session,
        ):
            async with session.ws_connect(f"ws://127.0.0.1:{front.port}/") as socket:
                for _ in range(8):
                    await socket.send_str("still here")
                    await socket.receive_str()
                    await asyncio.sleep(0.1)
                assert (await socket.receive(10)).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
            await until(lambda: front.requests)
            assert "nothing came" in front.requests[0]

    run(main)


def test_closing_ends_open_websockets() -> None:
    """They end after the grace period."""
    echo = Echo()

    async def main() -> None:
        async with (
            tunnelled(echo.serve) as front,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://127.0.0.1:{front.port}/") as socket,
        ):
            await socket.send_str("a")
            await socket.receive_str()
            await front.front.close(0.1)
            assert (await socket.receive(10)).type in (WSMsgType.CLOSED, WSMsgType.ERROR)

    run(main)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(("Upgrade: websocket",), id="no-connection"),
        pytest.param(("Upgrade: h2c", "Connection: Upgrade"), id="other-protocol"),
        pytest.param(("Connection: Upgrade",), id="no-upgrade"),
    ],
)
def test_what_asks_for_no_websocket_is_a_plain_request(lines: tuple[str, ...]) -> None:
    """The worker gets neither header."""
    seen: list[Request] = []

    async def ask(request: Request) -> Answer:
        seen.append(request)
        return Answer(200)

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            for _ in range(2):
                assert (await client.get("/", *lines))[0] == 200
            assert not seen[0].websocket
            assert not {"Upgrade", "Connection"} & set(seen[0].headers)

    run(main)
