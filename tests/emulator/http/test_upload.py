"""The body of a request on its way to a server: failures on either side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from appsvc_runtime.emulator.http.transfer import SilentError
from appsvc_runtime.emulator.http.upload import Upload
from tests.support.rawserver import OK, Raw, Reader, Writer, pieces, raw, read, request, run


async def endless() -> AsyncIterator[bytes]:
    """Yield a body without an end."""
    while True:
        yield bytes(1000)
        await asyncio.sleep(0.001)


def test_server_is_expected_to_take_each_piece_and_to_respond() -> None:
    """This includes the end of the body.

    While the client is silent, the server's time does not run.
    """

    async def check() -> None:
        expired = asyncio.Event()
        ready = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b"a"
            await ready.wait()

        upload = Upload(request(body=body(), length=1), 0.05, expired.set, lambda _: None)
        assert await anext(upload) == b""  # with the head
        assert await anext(upload) == b"a"
        await asyncio.wait_for(expired.wait(), 10)
        expired.clear()
        end = asyncio.ensure_future(anext(upload, None))
        await asyncio.sleep(0.1)
        assert not expired.is_set()
        ready.set()
        assert await end is None
        await asyncio.wait_for(expired.wait(), 10)

    run(check)


def test_silence_after_an_interim_response() -> None:
    """The same limit applies."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        await reader.read()

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            for body, length in ((pieces(), 0), (pieces(b"ab"), 2)):
                told.ended.clear()
                asked = request("POST", body=body, length=length)
                with pytest.raises(SilentError, match=r"sent no response for 0\.2 s"):
                    await upstream.forward(asked, port, timeout=0.2)
                await asyncio.wait_for(told.ended.wait(), 10)

    run(check)


@pytest.mark.parametrize("length", [0, 5, None])
def test_response_may_take_longer_than_the_server_may_be_silent(length: int | None) -> None:
    """This applies also if the server does not read the body."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n")
        for _ in range(18):
            await asyncio.sleep(0.1)
            writer.write(b"x")

    async def check() -> None:
        body = pieces(b"12345") if length != 0 else pieces()
        async with raw(serve) as (upstream, port, _):
            asked = request("POST", body=body, length=length)
            answer = await upstream.forward(asked, port, timeout=1.5)
            assert await read(answer) == b"x" * 18

    run(check)


def test_body_cut_by_the_client_behind_the_head_of_the_response() -> None:
    """The response's body raises the error, and the connection is not used again."""

    class GoneError(Exception):
        pass

    responded = asyncio.Event()

    async def cut() -> AsyncIterator[bytes]:
        yield b"half"
        await responded.wait()
        raise GoneError

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        await reader.read()

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            answer = await upstream.forward(request("POST", body=cut(), length=8), port, timeout=20)
            responded.set()
            with pytest.raises(GoneError):
                await read(answer)
            await asyncio.wait_for(told.ended.wait(), 10)

    run(check)


def test_response_that_is_whole_before_the_body_is() -> None:
    """The rest of the body is not sent, and the connection is not used again."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        await reader.readexactly(10)
        writer.write(OK)
        await reader.read()

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            for number in (1, 2):
                told.ended.clear()
                answer = await upstream.forward(
                    request("PUT", body=endless(), length=10**9), port, timeout=20
                )
                assert await read(answer) == b"ok"
                await asyncio.wait_for(told.ended.wait(), 10)
                assert told.connections == number

    run(check)


@pytest.mark.parametrize("length", [5, None])
def test_head_does_not_wait_for_the_body(length: int | None) -> None:
    """A server may refuse a request whose client has sent nothing more yet."""

    async def never() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        told.bodies.append(await reader.read())

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            asked = request("POST", body=never(), length=length)
            answer = await asyncio.wait_for(upstream.forward(asked, port, timeout=20), 10)
            assert (answer.status, await read(answer)) == (413, b"no")
            await asyncio.wait_for(told.ended.wait(), 10)
            assert told.bodies == [b""]

    run(check)
