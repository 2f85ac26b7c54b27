"""Connections to servers on this machine: where they come from, how long they are kept."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from appsvc_runtime.emulator.http import connection_pool
from appsvc_runtime.emulator.http.transfer import SilentError
from appsvc_runtime.emulator.http.upstream import Upstream
from appsvc_runtime.emulator.linux.probe import SOURCE, front_end_source
from appsvc_runtime.system import capabilities
from tests.support.rawserver import OK, Raw, Reader, Writer, raw, read, request, run
from tests.support.servers import serving

has_source = pytest.mark.skipif(not front_end_source(), reason=f"{SOURCE} is not of this machine")
APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['REMOTE_ADDR']} {environ['wsgi.url_scheme']}".encode()]
"""


async def tell_peer(told: Raw, reader: Reader, writer: Writer) -> None:
    """Answer with the address of who asks."""
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
    """Where this machine has that address; else from where the system takes them."""

    async def check() -> None:
        async with raw(tell_peer, source) as (upstream, port, _):
            assert await read(await upstream.forward(request(), port, timeout=5)) == seen.encode()
            assert upstream.tunnel(request(), port).source == (source if seen == source else "")

    run(check)


@pytest.mark.integration
@has_source
def test_gunicorn_trusts_no_front_end_but_loopback(tmp_path: Path) -> None:
    """As on the platform, where the peer is link-local: X-Forwarded-Proto is not believed."""
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
    """After a while, by themselves, so that no server waits for them."""
    monkeypatch.setattr(connection_pool, "_KEPT_FOR", 0.05)

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(OK)
        await reader.read()

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            await upstream.forward(request(), port, timeout=5)
            await asyncio.wait_for(told.ended.wait(), 10)

    run(check)


@pytest.mark.parametrize("own", [True, False], ids=["own-transport", "asyncio-transport"])
def test_server_that_takes_no_connection(own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue is full: that is waited for, and no longer than was said."""
    monkeypatch.setattr(capabilities, "watches_sockets", lambda: own)

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
                with pytest.raises(SilentError, match=r"took no connection for 0\.2 s"):
                    await upstream.forward(request(), address[1], timeout=0.2)
            finally:
                for one in waiting:
                    one.close()
        await upstream.close()

    run(check)


def test_closing_ends_what_is_in_use() -> None:
    """And a request that is waiting for its answer."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        await reader.read()

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            task = asyncio.ensure_future(upstream.forward(request(), port, timeout=20))
            while not told.heads:
                await asyncio.sleep(0.005)
            await upstream.close()
            with pytest.raises(Exception, match="without an answer"):
                await task
            await asyncio.wait_for(told.ended.wait(), 10)

    run(check)
