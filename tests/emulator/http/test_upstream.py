"""Requests passed on to servers on this machine: real connections, many to servers that fail."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from appsvc_runtime.emulator.http.transfer import (
    BadAnswerError,
    BrokenError,
    CutError,
    NotListeningError,
    SilentError,
    UpstreamError,
)
from appsvc_runtime.emulator.http.upstream import Upstream
from tests.support.rawserver import OK, Raw, Reader, Writer, pieces, raw, read, request, run, sender
from tests.support.servers import free_port

MEGABYTE = 2**20


async def close_after_one(told: Raw, reader: Reader, writer: Writer) -> None:
    await told.head(reader)
    writer.write(OK)


TARGETS = [
    pytest.param("/", id="root"),
    pytest.param("/a%20b/%c3%a9/%2F?q=%41+b&q=%26", id="escapes"),
    pytest.param("/a?", id="empty-query"),
    pytest.param("/?a?b=/../&&==", id="odd-query"),
    pytest.param("//host/../a/./b", id="dots"),
    pytest.param("/%", id="lone-percent"),
    pytest.param("/a#b", id="hash"),
    pytest.param("/a|b\"<>{}^`'", id="not-allowed"),
    pytest.param("/@x:80/", id="like-an-authority"),
]


@pytest.mark.parametrize("target", TARGETS)
def test_target_is_sent_as_it_is(target: str) -> None:
    """Nothing is escaped, unescaped, resolved or removed."""

    async def check() -> None:
        async with raw(sender(OK)) as (upstream, port, told):
            answer = await upstream.forward(request("GET", target), port, timeout=60)
            assert (answer.status, answer.body) == (200, b"ok")
            assert told.heads[0].split(b"\r\n")[0] == f"GET {target} HTTP/1.1".encode()

    run(check)


def test_headers_are_sent_as_they_are() -> None:
    """Order and repeated headers are kept, none is added; headers of the hop are removed."""

    async def check() -> None:
        async with raw(sender(OK)) as (upstream, port, told):
            await upstream.forward(
                request(
                    "GET", "/",
                    ("X-One", "1"), ("Cookie", "a=b"), ("X-Two", "2"), ("x-one", "3"),
                    ("Cookie", "c=d"), ("Connection", "close, X-Hop"), ("X-Hop", "1"),
                    ("Keep-Alive", "9"), ("TE", "trailers"), ("Upgrade", "h2c"),
                    ("Proxy-Connection", "x"), ("Expect", "100-continue"), ("X-Last", "é"),
                ),
                port,
                timeout=60,
            )  # fmt: skip
            assert told.heads[0].decode().split("\r\n")[1:-2] == [
                "Host: app.example", "X-One: 1", "Cookie: a=b", "X-Two: 2", "x-one: 3",
                "Cookie: c=d", "X-Last: é",
            ]  # fmt: skip

    run(check)


def test_bytes_that_are_no_utf_8_are_sent_as_they_are() -> None:
    """This applies to the target and to headers, in the form that aiohttp's server uses."""

    async def check() -> None:
        async with raw(sender(OK)) as (upstream, port, told):
            text = b"caf\xe9".decode("utf-8", "surrogateescape")
            asked = request("GET", f"/{text}", ("X-Bytes", text))
            await upstream.forward(asked, port, timeout=60)
            assert told.heads[0].startswith(b"GET /caf\xe9 HTTP/1.1\r\n")
            assert b"X-Bytes: caf\xe9\r\n" in told.heads[0]

    run(check)


def test_answer_comes_as_it_is() -> None:
    """Reason, repeated headers and the compressed body are unchanged; cookies are not stored."""
    head = (
        b"HTTP/1.1 299 As It Is\r\nSet-Cookie: a=b\r\nX-Odd:  1 \r\nSet-Cookie: c=d\r\n"
        b"Content-Encoding: gzip\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
        b"Content-Length: 7\r\nX-Bytes: caf\xe9\r\n\r\n"
    )

    async def check() -> None:
        async with raw(sender(head, b"no gzip")) as (upstream, port, told):
            for _ in range(2):
                answer = await upstream.forward(request(), port, timeout=60)
                assert (answer.status, answer.reason) == (299, "As It Is")
                assert [(n.lower(), v) for n, v in answer.headers.items()] == [
                    ("set-cookie", "a=b"), ("x-odd", "1"), ("set-cookie", "c=d"),
                    ("content-encoding", "gzip"), ("content-length", "7"), ("x-bytes", "caf\udce9"),
                ]  # fmt: skip
                assert await read(answer) == b"no gzip"
            assert told.connections == 1
            assert b"Cookie" not in told.heads[1]

    run(check)


@pytest.mark.parametrize(
    ("method", "answer", "body"),
    [
        pytest.param("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"", id="head"),
        pytest.param("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b"", id="204"),
        pytest.param("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b"", id="304"),  # noqa: E501
        pytest.param("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK, b"ok", id="1xx"),  # noqa: E501
        pytest.param("GET", b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", b"", id="redirect"),  # noqa: E501
        pytest.param("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: x\r\n\r\n", b"ok", id="chunked"),  # noqa: E501
        pytest.param("POST", OK, b"ok", id="post-without-a-body"),
        pytest.param("PURGE", OK, b"ok", id="other-method"),
    ],
)  # fmt: skip
def test_kinds_of_answers(method: str, answer: bytes, body: bytes) -> None:
    """Each is passed on unchanged, twice, over one connection if that is safe."""

    async def check() -> None:
        async with raw(sender(answer)) as (upstream, port, told):
            for _ in range(2):
                found = await upstream.forward(request(method), port, timeout=60)
                assert found.status == int(answer.split(b"HTTP/1.1 ")[-1][:3])
                assert await read(found) == body
            # Bytes may follow a response without a body: its connection is not used again.
            bodiless = method == "HEAD" or b" 204 " in answer or b" 304 " in answer
            assert told.connections == (2 if bodiless else 1)
            # aiohttp adds a length of 0, except for methods that have no body.
            length = None if method in ("GET", "HEAD") else b"Content-Length: 0"
            lines = [one for one in told.heads[0].split(b"\r\n") if b"Content-" in one]
            assert lines == ([length] if length else [])

    run(check)


def test_answer_without_a_length_ends_with_the_connection() -> None:
    """HTTP/1.0 servers do this, also some development servers."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nfirst ")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"second")

    async def check() -> None:
        async with raw(serve) as (upstream, port, _):
            assert (
                await read(await upstream.forward(request(), port, timeout=60)) == b"first second"
            )

    run(check)


async def take_body(told: Raw, reader: Reader, writer: Writer) -> None:
    """Read one request with a body, and respond."""
    head = (await told.head(reader)).lower()
    if b"transfer-encoding: chunked" in head:
        body = b""
        while size := int((await reader.readline()).strip(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    else:
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
    told.bodies.append(body)
    writer.write(OK)


@pytest.mark.parametrize("length", [6, None])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_body_is_sent_in_its_framing(length: int | None, method: str) -> None:
    """It has its length if that is known, else chunks; empty pieces do no harm."""

    async def check() -> None:
        async with raw(take_body) as (upstream, port, told):
            headers = [] if length is None else [("Content-Length", "6")]
            asked = request(method, "/", *headers, body=pieces(b"abc", b"", b"def"), length=length)
            assert (await upstream.forward(asked, port, timeout=60)).body == b"ok"
            assert told.bodies == [b"abcdef"]
            head = told.heads[0].lower()
            assert (b"content-length" in head) == (length is not None)
            assert (b"transfer-encoding: chunked" in head) == (length is None)
            assert b"content-type" not in head

    run(check)


@pytest.mark.parametrize("given", [b"ab", b"abcdefghi"], ids=["shorter", "longer"])
def test_body_that_is_not_as_long_as_was_said(given: bytes) -> None:
    """The connection is cut, so that no part of the body is read as another request."""

    async def check() -> None:
        async with raw(take_body) as (upstream, port, told):
            asked = request("POST", "/", body=pieces(given), length=6)
            with pytest.raises(ValueError, match="not as long"):
                await upstream.forward(asked, port, timeout=60)
            await asyncio.wait_for(told.ended.wait(), 10)
            assert told.bodies == []

    run(check)


def test_bodies_stream_both_ways() -> None:
    """A response begins before the request has ended, and no body is held in memory."""
    total = 40

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (total * MEGABYTE))
        for _ in range(total * 16):
            writer.write(await reader.readexactly(MEGABYTE // 16))
            await writer.drain()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(total):
            yield bytes(MEGABYTE)

    async def check() -> None:
        async with raw(serve) as (upstream, port, _):
            size = ("Content-Length", str(total * MEGABYTE))
            asked = request("POST", "/", size, body=body(), length=total * MEGABYTE)
            tracemalloc.start()
            answer = await upstream.forward(asked, port, timeout=60)
            received = 0
            assert not isinstance(answer.body, bytes)
            async for piece in answer.body:
                received += len(piece)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert received == total * MEGABYTE
            assert peak < 12 * MEGABYTE

    run(check)


def test_visitor_that_reads_slowly_holds_the_server_back() -> None:
    """The response is not buffered for a client that does not read."""
    sent = 0

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        nonlocal sent
        await told.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * MEGABYTE))
        while True:
            writer.write(bytes(MEGABYTE))
            await writer.drain()
            sent += 1

    async def check() -> None:
        async with raw(serve) as (upstream, port, _):
            answer = await upstream.forward(request(), port, timeout=60)
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.05)
            assert sent < 30
            await answer.body.aclose()  # type: ignore[union-attr]

    run(check)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        pytest.param(b"", BrokenError, "closed the connection without a response", id="nothing"),
        pytest.param(b"HTTP/1.1 200", BrokenError, "without a response", id="half-a-line"),
        pytest.param(b"rubbish\r\n\r\n", BadAnswerError, "data that is not HTTP", id="rubbish"),
        pytest.param(b"\0\xff\r\n\r\n" * 90, BadAnswerError, "data that is not HTTP", id="binary"),
        pytest.param(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", BadAnswerError, "HTTP", id="no-header"),  # noqa: E501
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", BadAnswerError, "HTTP", id="endless-header"),  # noqa: E501
    ],
)  # fmt: skip
def test_server_that_sends_no_answer(answer: bytes, error: type[Exception], message: str) -> None:
    """Each failure has its own type and names the port; a new connection is not tried."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(answer)

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            with pytest.raises(error, match=message) as caught:
                await upstream.forward(request(), port, timeout=60)
            assert isinstance(caught.value, UpstreamError)
            assert f"port {port}" in str(caught.value)
            assert told.connections == 1

    run(check)


def test_nobody_listens() -> None:
    """The message is the system's own."""

    async def check() -> None:
        upstream = Upstream()
        with pytest.raises(NotListeningError, match="cannot be reached"):
            await upstream.forward(request(), free_port(), timeout=60)
        await upstream.close()

    run(check)


async def never(told: Raw, reader: Reader, writer: Writer) -> None:
    await told.head(reader)
    await reader.read()


async def never_read(told: Raw, reader: Reader, writer: Writer) -> None:
    await told.head(reader)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await told.over.wait()


def test_server_that_hangs() -> None:
    """The client waits for `timeout`, and a later response is discarded."""

    async def check() -> None:
        async with raw(never) as (upstream, port, told):
            with pytest.raises(SilentError, match=r"sent no response for 0\.1 s"):
                await upstream.forward(request(), port, timeout=0.1)
            await asyncio.wait_for(told.ended.wait(), 10)

    run(check)


def test_server_that_takes_no_body() -> None:
    """A large upload has the same limit."""

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield bytes(MEGABYTE)

    async def check() -> None:
        async with raw(never_read) as (upstream, port, _):
            with pytest.raises(SilentError, match="read nothing of the request"):
                await upstream.forward(
                    request("POST", "/", body=body(), length=None), port, timeout=0.3
                )
            assert asyncio.current_task().cancel() is True  # type: ignore[union-attr]
            with pytest.raises(asyncio.CancelledError):  # a real one is still distinguished
                await asyncio.sleep(1)

    run(check)


def test_slow_visitor_is_not_the_servers_fault() -> None:
    """While it waits for the body, the server need not respond."""

    async def slow() -> AsyncIterator[bytes]:
        for pause in (0.7, 0.0, 0.0):
            await asyncio.sleep(pause)
            yield b"ab"

    async def check() -> None:
        async with raw(take_body) as (upstream, port, told):
            asked = request("POST", "/", ("Content-Length", "6"), body=slow(), length=6)
            assert (await upstream.forward(asked, port, timeout=0.5)).status == 200
            assert told.bodies == [b"ababab"]

    run(check)


def test_body_cut_by_the_visitor() -> None:
    """The front end's exception is passed on, and the connection to the server is cut."""

    class Gone(Exception):  # noqa: N818
        pass

    async def cut() -> AsyncIterator[bytes]:
        yield b"half"
        raise Gone("the client went away")

    async def check() -> None:
        async with raw(take_body) as (upstream, port, told):
            asked = request("POST", "/", ("Content-Length", "100"), body=cut(), length=100)
            with pytest.raises(Gone, match="went away"):
                await upstream.forward(asked, port, timeout=60)
            await asyncio.wait_for(told.ended.wait(), 10)
            assert told.bodies == []

    run(check)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", id="length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", id="chunk"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", id="last-chunk"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nZZ\r\n",
            id="rubbish",
        ),
    ],
)
def test_answer_cut_by_the_server(start: bytes) -> None:
    """It does not end like a complete one."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(start)
        await writer.drain()

    async def check() -> None:
        async with raw(serve) as (upstream, port, _):
            with pytest.raises(UpstreamError):
                await read(await upstream.forward(request(), port, timeout=60))

    run(check)


def test_answer_that_stops_is_cut() -> None:
    """This happens after the time for which the server may be silent."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await reader.read()

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            answer = await upstream.forward(request(), port, timeout=0.1)
            with pytest.raises(CutError, match=r"nothing more of its response for 0\.1 s"):
                await read(answer)
            await asyncio.wait_for(told.ended.wait(), 10)

    run(check)


def test_answer_given_up_lets_the_server_go() -> None:
    """This applies before and during the body."""

    async def check() -> None:
        big = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n", bytes(50_000_000)
        for begun in (False, True):
            async with raw(sender(*big)) as (upstream, port, told):
                answer = await upstream.forward(request(), port, timeout=60)
                assert not isinstance(answer.body, bytes)
                if begun:
                    await anext(aiter(answer.body))
                await answer.body.aclose()  # type: ignore[attr-defined]
                await asyncio.wait_for(told.ended.wait(), 10)

    run(check)


def test_early_answer_ends_the_upload() -> None:
    """A server that refuses the body need not read it, and its connection is not used again."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        await reader.read()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1000)
            await asyncio.sleep(0.001)

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            asked = request("POST", "/", body=endless(), length=None)
            answer = await upstream.forward(asked, port, timeout=60)
            assert answer.status == 413
            assert await read(answer) == b"no"
            await asyncio.wait_for(told.ended.wait(), 10)
            assert (await upstream.forward(request(), port, timeout=60)).status == 413
            assert told.connections == 2

    run(check)


@pytest.mark.parametrize(
    ("method", "again"),
    [
        pytest.param("GET", True, id="may-be-sent-twice"),
        pytest.param("POST", False, id="may-not"),
    ],
)
def test_kept_connection_that_is_closed_by_the_next_request(method: str, again: bool) -> None:
    """A request that no server can have read is sent again on a new connection; others are not."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(OK)
        if told.connections == 1:
            await told.head(reader)  # closed without a response
            return
        await told.head(reader)

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            await upstream.forward(request(), port, timeout=60)
            if again:
                assert (await upstream.forward(request(method), port, timeout=60)).body == b"ok"
            else:
                with pytest.raises(BrokenError):
                    await upstream.forward(request(method), port, timeout=60)
            assert told.connections == 1 + again

    run(check)


def test_a_request_is_sent_again_over_a_new_connection() -> None:
    """Other kept connections may be closed as well."""
    together = asyncio.Event()

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        number = told.connections
        await told.head(reader)
        if number == 3:
            together.set()
        await together.wait()
        writer.write(OK)
        await told.head(reader)
        if number > 3:
            writer.write(OK)

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            await asyncio.gather(*(upstream.forward(request(), port, timeout=60) for _ in range(3)))
            assert (await upstream.forward(request(), port, timeout=60)).body == b"ok"
            assert told.connections == 4

    run(check)


def test_kept_connection_that_was_closed_meanwhile() -> None:
    """The closed connection is noticed, whatever the method."""

    async def check() -> None:
        async with raw(close_after_one) as (upstream, port, told):
            for _ in range(3):
                told.ended.clear()
                asked = request("POST", "/", ("Content-Length", "1"), body=pieces(b"x"), length=1)
                assert (await upstream.forward(asked, port, timeout=60)).status == 200
                await asyncio.wait_for(told.ended.wait(), 10)
                await asyncio.sleep(0.01)
            assert told.connections == 3

    run(check)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_was_not_asked_for_is_nobodys_answer(method: str) -> None:
    """A server that sends more after its response gets no other request on that connection.

    The next request of any kind uses another one.
    """
    go_on, gone_on = asyncio.Event(), asyncio.Event()

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        writer.write(OK)
        await writer.drain()
        if told.connections == 1:
            await go_on.wait()
            writer.write(OK.replace(b"ok", b"no"))
            await writer.drain()
            gone_on.set()
        await reader.read()

    async def check() -> None:
        async with raw(serve) as (upstream, port, told):
            assert (await upstream.forward(request(), port, timeout=60)).body == b"ok"
            go_on.set()
            await gone_on.wait()
            await asyncio.sleep(0.05)
            options = {"body": pieces(b"x"), "length": 1} if method == "POST" else {}
            asked = request(method, "/", **options)
            assert (await upstream.forward(asked, port, timeout=60)).body == b"ok"
            assert told.connections == 2
            assert told.heads[1].startswith(method.encode())

    run(check)


def test_many_at_once() -> None:
    """There is no limit of connections for which requests would wait."""
    together = asyncio.Event()

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        if told.connections == 150:
            together.set()
        await together.wait()
        writer.write(OK)

    async def check() -> None:
        async with raw(serve) as (upstream, port, _):
            asked = [upstream.forward(request(), port, timeout=20) for _ in range(150)]
            assert [answer.status for answer in await asyncio.gather(*asked)] == [200] * 150

    run(check)


def test_cancelled_request_lets_the_server_go() -> None:
    """This happens when the client disconnects."""

    async def check() -> None:
        async with raw(never) as (upstream, port, told):
            task = asyncio.ensure_future(upstream.forward(request(), port, timeout=20))
            while not told.heads:
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(told.ended.wait(), 10)

    run(check)


def test_tunnel_names_the_server() -> None:
    """It has the unchanged target, and the request's headers."""
    upstream = Upstream()
    asked = request("GET", "/ws?a=%20#x", ("X-A", "1"), websocket=True)
    tunnel = upstream.tunnel(asked, 8001)
    assert tunnel.url == "ws://127.0.0.1:8001/ws?a=%20#x"
    assert tunnel.headers == asked.headers
