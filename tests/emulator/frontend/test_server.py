"""The front end over real sockets: what the worker gets, and what the client gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.frontend.allowed_hosts import AllowedHosts
from appsvc_runtime.emulator.frontend.certificates import Certificates
from appsvc_runtime.emulator.http.messages import Answer, Request, Tunnel
from tests.support.frontend import PUBLIC, fronted, run, until


def text(body: bytes | AsyncIterator[bytes] = b"ok", **headers: str) -> Answer:
    """Return a plain response; `_` in a header's name stands for `-`."""
    return Answer(200, CIMultiDict({k.replace("_", "-"): v for k, v in headers.items()}), body)


class Kept:
    """An `ask` that keeps its requests and their bodies."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []

    async def __call__(self, request: Request) -> Answer:
        """Read the body and respond with `ok`."""
        self.requests.append(request)
        self.bodies.append(b"".join([chunk async for chunk in request.body]))
        return text()


def test_a_worker_gets_what_the_front_end_makes_of_a_request() -> None:
    """Target and repeated headers are unchanged, and the front end's headers are added."""
    kept = Kept()

    async def main() -> None:
        async with fronted(kept) as front:
            client = await front.connect()
            target = "//a%2fb/../%C3%A9?q=a%20b+c&x=%00"
            await client.get(
                target, "X-A: 1", "x-a: 2", f"Host: 127.0.0.1:{front.port}", "TE: gzip"
            )
            port = client.writer.get_extra_info("sockname")[1]
            request = kept.requests[0]
            assert (request.method, request.target) == ("GET", target)
            assert request.headers.getall("X-A") == ["1", "2"]
            assert request.headers["Host"] == request.headers["DISGUISED-HOST"] == PUBLIC
            assert request.headers["X-Original-URL"] == target
            assert request.headers["X-Forwarded-For"] == f"127.0.0.1:{port}"
            assert "TE" not in request.headers
            assert not {"X-Forwarded-Proto", "X-ARR-SSL"} & set(request.headers)
            assert (request.secure, request.websocket, request.length) == (False, False, 0)
            assert (request.client, request.client_port) == ("127.0.0.1", front.port)
            assert front.requests[0].startswith(f"request: GET {target} 200 ")

    run(main)


def test_an_answer_goes_out_as_it_is() -> None:
    """Only Server and Date are added; repeated headers and unusual statuses stay."""
    answer = Answer(299, CIMultiDict(), b"body", reason="Quite Fine", note="said")
    for value in ("a=1", "b=2; Path=/"):
        answer.headers.add("Set-Cookie", value)
    answer.headers.add("X-Caf\udce9", "no name")
    answer.headers.add("X-Value", "caf\udce9 \u2603")
    answer.headers.add("Connection", "close")
    answer.headers.add("Date", "yesterday")

    async def ask(request: Request) -> Answer:
        return answer

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            client.send("GET / HTTP/1.1", f"Host: {PUBLIC}")
            first, pairs = await client.head()
            assert first == "HTTP/1.1 299 Quite Fine"
            names = [name for name, _ in pairs]
            assert names == [
                *("Content-Length", "Set-Cookie", "Set-Cookie", "X-Value", "Server", "Date")
            ]
            headers = CIMultiDict(pairs)
            assert headers["X-Value"].encode("latin-1") == b"caf\xe9 \xe2\x98\x83"
            assert headers["Server"] == "Microsoft-IIS/10.0"
            assert headers["Date"].endswith(" GMT")
            assert await client.reader.readexactly(4) == b"body"
            await until(lambda: front.requests)
            assert "(said; header 'X-Caf\\udce9' left out" in front.requests[0]
            assert (await client.get())[0] == 299  # the connection stays open

    run(main)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("X-Evil", "a\r\nX-Injected: yes", id="line-break-in-a-value"),
        pytest.param("X-Evil", "a\nX-Injected: yes", id="line-feed-in-a-value"),
        pytest.param("X-Evil", "a\x00b", id="nul-in-a-value"),
        pytest.param("X Evil", "a", id="blank-in-a-name"),
        pytest.param("", "a", id="no-name"),
        pytest.param("X-Evil:X", "a", id="colon-in-a-name"),
        pytest.param("X-Evil\r\nX-Injected", "yes", id="line-break-in-a-name"),
        pytest.param("X-Evil", "\ud800", id="lone-surrogate"),
    ],
)
def test_a_header_that_cannot_stand_in_an_answer_is_left_out(name: str, value: str) -> None:
    """The client gets the rest of the response, and the log names the header."""

    async def ask(request: Request) -> Answer:
        return Answer(200, CIMultiDict([("A", "1"), (name, value), ("B", "2")]), b"ok")

    async def main() -> None:
        async with fronted(ask) as front:
            status, headers, body = await (await front.connect()).get()
            assert (status, body) == (200, b"ok")
            assert set(headers) == {"A", "B", "Content-Length", "Server", "Date"}
            await until(lambda: front.requests)
            assert "left out" in front.requests[0]

    run(main)


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(
    ("headers", "chunks", "expected"),
    [
        pytest.param({}, [b"a", b"", b"bc"], b"abc", id="no-length"),
        pytest.param({"Content-Length": "3"}, [b"a", b"bc"], b"abc", id="length"),
        pytest.param({"Content-Length": "3"}, [b"ab", b"cd", b"e"], b"abc", id="too-much"),
        pytest.param({"Content-Length": "x"}, [b"abc"], b"abc", id="no-number"),
        pytest.param({"Content-Length": "0"}, [], b"", id="nothing"),
        pytest.param({}, [], b"", id="nothing-without-length"),
        pytest.param({}, [b"x" * 200_000, b"y"], b"x" * 200_000 + b"y", id="large"),
    ],
)
def test_streams_are_framed(
    headers: dict[str, str], chunks: list[bytes], expected: bytes, version: str
) -> None:
    """By length, else in chunks; for HTTP/1.0 clients the connection's end marks the body's end."""

    async def ask(request: Request) -> Answer:
        return Answer(200, CIMultiDict(headers), pieces(*chunks))

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            client.send(f"GET / HTTP/{version}", f"Host: {PUBLIC}")
            status, found, body = await client.answer()
            assert (status, body) == (200, expected)
            usable = headers.get("Content-Length", "x") != "x"
            assert ("Content-Length" in found) == usable
            assert ("Transfer-Encoding" in found) == (not usable and version == "1.1")
            if version == "1.0":
                assert await client.ended() == b""
            else:
                assert (await client.get())[0] == 200

    run(main)


def test_conflicting_lengths_of_an_app_are_not_passed_on() -> None:
    """Two readers could see two responses with them, so chunks are sent instead."""

    async def ask(request: Request) -> Answer:
        headers = CIMultiDict([("Content-Length", "1"), ("Content-Length", "3")])
        return Answer(200, headers, pieces(b"abc"))

    async def main() -> None:
        async with fronted(ask) as front:
            _, headers, body = await (await front.connect()).get()
            assert (body, "Content-Length" in headers) == (b"abc", False)

    run(main)


@pytest.mark.parametrize("status", [200, 204, 304])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "bytes"])
def test_answers_without_a_body_send_none(status: int, method: str, stream: bool) -> None:
    """HEAD, 204 and 304 have none, whatever the app returns; its body is read to the end."""
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        for chunk in (b"ab", b"cd"):
            read.append(chunk)
            yield chunk

    async def ask(request: Request) -> Answer:
        return Answer(status, CIMultiDict({"Content-Length": "4"}), body() if stream else b"abcd")

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            for _ in range(2):  # a body would be read as the head of the second response
                found, headers, _body = await client.get(method=method)
                assert found == status
                assert headers.get("Content-Length") == (None if status == 204 else "4")
            assert read == ([b"ab", b"cd"] * 2 if stream else [])

    run(main)


@pytest.mark.parametrize(
    ("head", "body", "length"),
    [
        pytest.param("Content-Length: 5", b"hello", 5, id="length"),
        pytest.param(
            "Transfer-Encoding: chunked",
            b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
            None,
            id="chunked",
        ),
    ],
)
def test_bodies_arrive(head: str, body: bytes, length: int | None) -> None:
    """They have a length, or neither a length nor Transfer-Encoding, which is the hop's own."""
    kept = Kept()

    async def main() -> None:
        async with fronted(kept) as front:
            client = await front.connect()
            assert (
                await client.get("/", head, "Content-Encoding: gzip", method="POST", body=body)
            )[0] == 200
            assert (await client.get())[0] == 200
            assert kept.bodies == [b"hello", b""]
            assert kept.requests[0].length == length
            assert "Transfer-Encoding" not in kept.requests[0].headers
            assert kept.requests[0].headers["Content-Encoding"] == "gzip"

    run(main)


def test_continue_is_sent_when_the_body_is_wanted() -> None:
    """It is not sent earlier, and the worker does not get Expect."""
    kept = Kept()

    async def main() -> None:
        async with fronted(kept) as front:
            client = await front.connect()
            client.send(
                "POST / HTTP/1.1", f"Host: {PUBLIC}", "Content-Length: 3", "Expect: 100-continue"
            )
            assert await client.head() == ("HTTP/1.1 100 Continue", [])
            client.writer.write(b"abc")
            assert (await client.answer())[0] == 200
            assert kept.bodies == [b"abc"]
            assert "Expect" not in kept.requests[0].headers

    run(main)


@pytest.mark.parametrize(("host", "expected"), [(PUBLIC, 413), ("evil.example", 400)])
def test_a_body_that_nobody_wants_is_not_asked_for(host: str, expected: int) -> None:
    """The response is sent at once and ends the connection, as the body may follow or not."""

    async def ask(request: Request) -> Answer:
        return Answer(413, CIMultiDict(), b"no")

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            client.send(
                "POST / HTTP/1.1", f"Host: {host}", "Content-Length: 3", "Expect: 100-continue"
            )
            status, headers, _ = await client.answer()
            assert (status, headers["Connection"]) == (expected, "close")
            assert await client.ended() == b""

    run(main)


ADDRESSES = [
    pytest.param("GET http://site.azurewebsites.net/a?b HTTP/1.1", "/a?b", PUBLIC, id="absolute"),
    pytest.param(
        "GET HTTP://WWW.EXAMPLE.COM:81?b HTTP/1.1", "/?b", "WWW.EXAMPLE.COM:81", id="allowed"
    ),
    pytest.param("GET http://127.0.0.1:{port} HTTP/1.1", "/", PUBLIC, id="local"),
]


@pytest.mark.parametrize(("line", "target", "host"), ADDRESSES)
def test_absolute_targets_name_the_host(line: str, target: str, host: str) -> None:
    """Host is ignored (RFC 9112, 3.2.2)."""
    kept = Kept()

    async def main() -> None:
        allowed = AllowedHosts([PUBLIC], ["www.example.com"])
        async with fronted(kept, hosts=allowed) as front:
            client = await front.connect()
            client.send(line.format(port=front.port), "Host: elsewhere.example")
            assert (await client.answer())[0] == 200
            assert (kept.requests[0].target, kept.requests[0].headers["Host"]) == (target, host)

    run(main)


def test_the_whole_server_is_answered_for() -> None:
    """The front end responds to `OPTIONS *` itself."""
    kept = Kept()

    async def main() -> None:
        async with fronted(kept) as front:
            client = await front.connect()
            status, headers, _ = await client.get("*", method="OPTIONS")
            assert (status, "GET" in headers["Allow"]) == (200, True)
            assert kept.requests == []

    run(main)


REFUSED = [
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "--https", id="tls"),
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", "Host", id="no-host"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "Host", id="two-hosts"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "Hostname", id="odd-host"),
    pytest.param(b"GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n", "Invalid URL", id="userinfo"),
    pytest.param(b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "", id="star"),
    pytest.param(b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "", id="connect"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", "", id="long"),
    pytest.param(b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", "", id="long-target"),
    pytest.param(b"\x00\xff\x1b[31m\r\n\r\n", "", id="rubbish"),
    pytest.param(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "",
        id="two-framings",
    ),
    pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", "", id="negative"),
]


@pytest.mark.parametrize(("sent", "said"), REFUSED)
def test_what_is_no_request_gets_400(
    sent: bytes, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log has one short line, the streams nothing, and the next client is served."""
    kept = Kept()

    async def main() -> None:
        async with fronted(kept) as front:
            client = await front.connect()
            client.writer.write(sent)
            assert (await client.answer())[0] == 400
            await until(lambda: front.log)
            assert len(front.log) == 1
            assert "400" in front.log[0]
            assert said in front.log[0]
            assert front.log[0].isprintable()
            assert len(front.log[0]) < 600
            assert kept.requests == []
            assert (await (await front.connect()).get())[0] == 200

    run(main)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("whole", [True, False], ids=["at-once", "later"])
def test_a_malformed_body_gets_400(whole: bool) -> None:
    """This also applies if the worker already reads it."""
    kept = Kept()

    async def main() -> None:
        async with fronted(kept) as front:
            client = await front.connect()
            client.send("POST / HTTP/1.1", f"Host: {PUBLIC}", "Transfer-Encoding: chunked")
            client.writer.write(b"2\r\nab\r\n")
            if not whole:
                await until(lambda: kept.requests)
                await asyncio.sleep(0.05)
            client.writer.write(b"ZZ\r\n")
            assert (await client.answer())[0] == 400
            assert await client.ended() == b""

    run(main)


def test_an_error_behind_is_a_page(capfd: pytest.CaptureFixture[str]) -> None:
    """The response is 500, one line has the source of the error, the connection stays open."""

    async def ask(request: Request) -> Answer:
        if request.target == "/":
            return text()
        raise KeyError("it\nbroke")

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            assert (await client.get("/broken"))[0] == 500
            assert (await client.get())[0] == 200
            await until(lambda: len(front.log) == 2)
            assert "500" in front.log[0]
            assert "KeyError" in front.log[0]
            assert "test_server.py" in front.log[0]
            assert "\n" not in front.log[0]

    run(main)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("status", [100, 101, 0, -1, 1000])
def test_a_status_that_ends_no_request_is_a_bad_gateway(status: int) -> None:
    """Otherwise a client would wait, or misread the next bytes."""

    async def ask(request: Request) -> Answer:
        return Answer(status)

    async def main() -> None:
        async with fronted(ask) as front:
            assert (await (await front.connect()).get())[0] == 502

    run(main)


def test_a_tunnel_for_a_plain_request_is_a_bad_gateway() -> None:
    """The client did not request a WebSocket."""

    async def ask(request: Request) -> Tunnel:
        return Tunnel("ws://127.0.0.1:9/")

    async def main() -> None:
        async with fronted(ask) as front:
            assert (await (await front.connect()).get())[0] == 502

    run(main)


def test_a_reset_cuts_the_connection() -> None:
    """No byte is sent."""

    async def ask(request: Request) -> Answer:
        return Answer(200, reset=True)

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            client.send("GET / HTTP/1.1", f"Host: {PUBLIC}")
            assert await client.ended() == b""
            await until(lambda: front.requests)
            assert "connection reset" in front.requests[0]

    run(main)


@pytest.mark.parametrize(
    ("length", "raises", "said"),
    [
        pytest.param({}, True, "the child died", id="chunked-raises"),
        pytest.param({"Content-Length": "10"}, True, "the child died", id="length-raises"),
        pytest.param({"Content-Length": "10"}, False, "6 bytes before", id="length-ends-early"),
    ],
)
def test_a_body_that_breaks_off_cuts_the_connection(
    length: dict[str, str], raises: bool, said: str
) -> None:
    """The client must not take it for complete."""
    closed: list[bool] = []

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"half"
            if raises:
                raise OSError("the child died")
        finally:
            closed.append(True)

    async def ask(request: Request) -> Answer:
        return Answer(200, CIMultiDict(length), body())

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            client.send("GET / HTTP/1.1", f"Host: {PUBLIC}")
            assert not (await client.ended()).endswith(b"0\r\n\r\n")
            await until(lambda: front.requests)
            assert closed == [True]
            assert said in front.requests[0]
            client = await front.connect()
            client.send("GET / HTTP/1.1", f"Host: {PUBLIC}")
            assert (await client.head())[0] == "HTTP/1.1 200 OK"

    run(main)


def test_an_event_stream_is_not_held_back() -> None:
    """The head and each event are sent at once, not with the next event."""
    step = asyncio.Semaphore(0)

    async def body() -> AsyncIterator[bytes]:
        for event in (b"one", b"two"):
            await step.acquire()
            yield event

    async def ask(request: Request) -> Answer:
        return Answer(200, CIMultiDict({"Content-Type": "text/event-stream"}), body())

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            client.send("GET / HTTP/1.1", f"Host: {PUBLIC}")
            assert (await client.head())[0] == "HTTP/1.1 200 OK"
            for event in (b"3\r\none\r\n", b"3\r\ntwo\r\n"):
                step.release()
                assert await client.reader.readexactly(8) == event

    run(main)


def test_pipelined_requests_are_answered_in_their_order() -> None:
    """Each response is sent after the one before it."""

    async def ask(request: Request) -> Answer:
        await asyncio.sleep(0.02 if request.target == "/1" else 0)
        return text(request.target.encode())

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            for target in ("/1", "/2", "/3"):
                client.send(f"GET {target} HTTP/1.1", f"Host: {PUBLIC}")
            assert [(await client.answer())[2] for _ in range(3)] == [b"/1", b"/2", b"/3"]

    run(main)


def test_a_client_of_http_1_0_may_keep_its_connection() -> None:
    """It must request that; without Host it means the site. http.sys responds with HTTP/1.1."""
    kept = Kept()

    async def main() -> None:
        async with fronted(kept) as front:
            client = await front.connect()
            client.send("GET / HTTP/1.0", "Connection: keep-alive")
            _, headers, _ = await client.answer()
            assert headers["Connection"] == "keep-alive"
            client.send("GET / HTTP/1.0")
            first, pairs = await client.head()
            assert (first, dict(pairs)["Connection"]) == ("HTTP/1.1 200 OK", "close")
            assert kept.requests[0].headers["Host"] == PUBLIC

    run(main)


def test_the_log_shows_no_control_characters() -> None:
    """A long target does not fill it either."""

    async def ask(request: Request) -> Answer:
        return Answer(200, CIMultiDict(), b"", note="caf\u00e9 \x1b[31m")

    async def main() -> None:
        async with fronted(ask) as front:
            await (await front.connect()).get("/" + "a" * 3000)
            await until(lambda: front.requests)
            assert front.requests[0].isascii()
            assert front.requests[0].isprintable()
            assert len(front.requests[0]) < 500

    run(main)


def test_https_is_served_with_its_headers() -> None:
    """A client that trusts the authority accepts the certificate, for the public name too."""
    certificates = Certificates(PUBLIC)
    kept = Kept()

    async def main(name: str) -> None:
        async with fronted(kept, tls=certificates.server_context()) as front:
            client = await front.connect(certificates.client_context(), server_hostname=name)
            await client.get("/", "X-Forwarded-Proto: http")
            request = kept.requests[-1]
            assert request.secure
            assert request.headers.getall("X-Forwarded-Proto") == ["https"]
            assert request.headers["X-Forwarded-TlsVersion"] == "1.3"
            assert "X-ARR-SSL" in request.headers

    for name in ("127.0.0.1", "localhost", PUBLIC):
        run(lambda name=name: main(name))  # type: ignore[misc]


def test_plain_http_to_the_https_port_does_no_harm(capfd: pytest.CaptureFixture[str]) -> None:
    """The connection ends, and nothing is printed."""
    certificates = Certificates(PUBLIC)

    async def main() -> None:
        async with fronted(tls=certificates.server_context()) as front:
            client = await front.connect()
            client.send("GET / HTTP/1.1", f"Host: {PUBLIC}")
            await client.ended()
            client = await front.connect(certificates.client_context())
            assert (await client.get())[0] == 200

    run(main)
    assert capfd.readouterr() == ("", "")


def test_redirects_lead_back_to_the_local_address() -> None:
    """They have the requested name; the log reports a redirect to https if https is not served."""

    async def ask(request: Request) -> Answer:
        scheme = "https" if request.target == "/secure" else "http"
        url = f"{scheme}://{request.headers['Host']}/next"
        return Answer(308, CIMultiDict({"Location": url, "Set-Cookie": f"a=b; Domain={PUBLIC}"}))

    async def main() -> None:
        async with fronted(ask) as front:
            client = await front.connect()
            _, headers, _ = await client.get("/", f"Host: localhost:{front.port}")
            assert headers["Location"] == f"http://localhost:{front.port}/next"
            assert headers["Set-Cookie"] == "a=b"
            _, headers, _ = await client.get("/secure", f"Host: 127.0.0.1:{front.port}")
            assert headers["Location"] == f"https://127.0.0.1:{front.port}/next"
            await until(lambda: len(front.requests) == 2)
            assert "--https" in front.requests[1]

    run(main)


def test_raw_translates_nothing() -> None:
    """The app sees the local address."""
    kept = Kept()

    async def main() -> None:
        async with fronted(kept, raw=True) as front:
            await (await front.connect()).get("/", f"Host: 127.0.0.1:{front.port}")
            assert kept.requests[0].headers["Host"] == f"127.0.0.1:{front.port}"

    run(main)
