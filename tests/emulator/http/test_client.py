"""Connections to servers on this machine: their source address, and their reuse."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from appsvc_runtime.emulator.http import upstream as upstream_module
from appsvc_runtime.emulator.http.transfer import BrokenError, NotListeningError, SilentError
from appsvc_runtime.emulator.http.upstream import Upstream
from appsvc_runtime.emulator.linux.probe import SOURCE, front_end_source
from tests.support.rawserver import OK, Raw, Reader, Writer, pieces, raw, read, request, run, sender
from tests.support.servers import serving

has_source = pytest.mark.skipif(not front_end_source(), reason=f"this machine lacks {SOURCE}")
APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['REMOTE_ADDR']} {environ['wsgi.url_scheme']}".encode()]
"""


async def tell_peer(told: Raw, reader: Reader, writer: Writer) -> None:
    """Respond with the client's address."""
    await told.head(reader)
    peer = str(writer.get_extra_info("peername")[0]).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + peer)


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        pytest.param(SOURCE, SOURCE, id="ours", marks=has_source),
        pytest.param("", "127.0.0.1", id="none"),
        pytest.param("192.0.2.1", "127.0.0.1", id="not-of-this-machine"),
    ],
)
def test_connections_come_from_the_source(source: str, seen: str) -> None:
    """If this machine lacks that address, the system chooses one."""

    async def check() -> None:
        async with raw(tell_peer, source) as (upstream, port, _):
            assert await read(await upstream.forward(request(), port, timeout=60)) == seen.encode()
            assert upstream.tunnel(request(), port).source == (source if seen == source else "")

    run(check)


@pytest.mark.integration
@has_source
def test_gunicorn_trusts_no_front_end_but_loopback(tmp_path: Path) -> None:
    """As on the platform, where the peer is link-local: X-Forwarded-Proto is not trusted."""
    (tmp_path / "app.py").write_text(APP)

    async def check(port: int) -> None:
        for source, seen in ((SOURCE, f"{SOURCE} http"), ("", "127.0.0.1 https")):
            upstream = Upstream(source)
            asked = request("GET", "/", ("X-Forwarded-Proto", "https"))
            answer = await upstream.forward(asked, port, timeout=20)
            assert (await read(answer)).decode() == seen
            await upstream.close()

    with serving("-m", "gunicorn", "--bind=0.0.0.0:{port}", "app:app", cwd=tmp_path) as server:
        run(lambda: check(server.port))


def test_connections_that_nobody_needs_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are closed after a while, so that no server waits for them."""
    monkeypatch.setattr(upstream_module, "_KEPT_FOR", 0.05)

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(OK)
        await reader.read()

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            await upstream.forward(request(), port, timeout=60)
            await asyncio.wait_for(told.ended.wait(), 10)

    run(check)


def test_server_that_takes_no_connection() -> None:
    """Its queue is full: the client waits, but no longer than `timeout`."""

    async def check() -> None:
        upstream, waiting = Upstream(), []
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            address = server.getsockname()
            try:
                for _ in range(8):
                    waiting.append(socket.socket())
                    waiting[-1].setblocking(False)
                    waiting[-1].connect_ex(address)
                with pytest.raises(SilentError, match=r"accepted no connection for 0\.2 s"):
                    await upstream.forward(request(), address[1], timeout=0.2)
            finally:
                for one in waiting:
                    one.close()
        await upstream.close()

    run(check)


def test_closing_ends_what_is_in_use() -> None:
    """This includes a request that waits for its response."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        await reader.read()

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            task = asyncio.ensure_future(upstream.forward(request(), port, timeout=20))
            while not told.heads:
                await asyncio.sleep(0.005)
            await upstream.close()
            with pytest.raises(Exception, match="without a response"):
                await task
            await asyncio.wait_for(told.ended.wait(), 10)

    run(check)


@pytest.mark.parametrize("length", [5, None])
def test_bytes_of_a_head_and_a_body_are_sent_as_they_are(length: int | None) -> None:
    """The bytes of the body are unchanged, also if the head has bytes that are not ASCII."""
    body = b"\xe9\xc3\r\n\r\n"[:5]

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        told.bodies.append(await reader.readuntil(body))
        writer.write(OK)

    async def check() -> None:
        text = b"\xc3\xa9 \xe9\xff".decode("utf-8", "surrogateescape")
        async with raw(serve) as (upstream, port, told):
            asked = request(
                "POST", f"/{text[:1]}", ("X-Bytes", text), body=pieces(body), length=length
            )
            assert (await upstream.forward(asked, port, timeout=60)).body == b"ok"
            assert told.heads[0].startswith(b"POST /\xc3\xa9 HTTP/1.1\r\n")
            assert b"\r\nX-Bytes: \xc3\xa9 \xe9\xff\r\n" in told.heads[0]
            assert told.bodies == [body if length else b"5\r\n" + body]

    run(check)


@pytest.mark.parametrize(
    ("count", "size"),
    [pytest.param(900, 20, id="many"), pytest.param(1, 60_000, id="long")],
)
def test_heads_may_be_large(count: int, size: int) -> None:
    """This applies to both directions, beyond aiohttp's own limits."""
    lines = [(f"X-{number}", "x" * size) for number in range(count)]

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        head, _, _ = OK.partition(b"\r\n\r\n")
        more = "".join(f"\r\n{name}: {value}" for name, value in lines)
        writer.write(head + more.encode() + b"\r\n\r\nok")

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            answer = await upstream.forward(request("GET", "/", *lines), port, timeout=60)
            assert list(answer.headers.items())[1:] == lines
            assert told.heads[0].count(b"\r\nX-") == count

    run(check)


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's proxies and passwords are not used."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def check() -> None:
        async with raw(sender(OK)) as (upstream, port, told):
            assert (await upstream.forward(request(), port, timeout=60)).body == b"ok"
            assert told.heads == [b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n"]

    run(check)


async def once_again(told: Raw, reader: Reader, writer: Writer) -> None:
    """Respond to the first request, but not to the second."""
    await told.head(reader)
    writer.write(OK)
    await told.head(reader)
    await told.go_on.wait()


def test_request_that_was_the_end_of_the_server() -> None:
    """The error is that the connection broke, and not its consequence, that no server listens."""

    async def check() -> None:
        async with raw(once_again) as (upstream, port, told):
            await upstream.forward(request(), port, timeout=60)
            task = asyncio.ensure_future(upstream.forward(request(), port, timeout=60))
            while len(told.heads) < 2:
                await asyncio.sleep(0.005)
            assert told.server is not None
            told.server.close()
            told.go_on.set()
            with pytest.raises(BrokenError):
                await task

    run(check)


def test_a_bound_socket_that_cannot_be_bound_is_closed() -> None:
    """The socket is closed, and the error is that the server cannot be reached."""

    async def check() -> None:
        async with raw(sender(OK), SOURCE) as (upstream, port, _):
            upstream.source = "192.0.2.1"
            with pytest.raises(NotListeningError, match="cannot be reached"):
                await upstream.forward(request(), port, timeout=60)

    run(check)
