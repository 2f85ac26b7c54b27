"""Requests that two readers could parse in two ways: each server responds with 400."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from appsvc_runtime.serving.one_host import OneHost
from tests.support.frontend import fronted, run
from tests.support.serverapps import PLATFORM, ROWS
from tests.support.servers import Server, serving

TWO_HOSTS = [
    pytest.param(["Host: a.example", "Host: b.example"], id="two"),
    pytest.param(["Host: a.example", "Host: a.example"], id="twice-the-same"),
    pytest.param(["host: a.example", "HOST: b.example"], id="cases"),
    pytest.param(["Host: a.example", "X-A: 1", "Host: b.example"], id="apart"),
    pytest.param(["Host: a.example", "Host:"], id="second-empty"),
    pytest.param(["Host:", "Host: b.example"], id="first-empty"),
]
TWO_LENGTHS = ["Host: a.example", "Content-Length: 2", "Content-Length: 3"]


@pytest.fixture(scope="module", params=ROWS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Run each server that this package starts."""
    row = ROWS[request.param]
    site = row.site(tmp_path_factory.mktemp(request.param))
    with serving(*row.serve, cwd=site, APPSVC_WORKERS="1", **PLATFORM) as served:
        yield served


def status(port: int, method: str, lines: list[str]) -> int:
    """Send the head of a request unchanged; return the status of the response."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        head = "\r\n".join([f"{method} / HTTP/1.1", *lines, "", "ab"])
        connection.sendall(head.encode("latin-1"))
        with connection.makefile("rb") as file:
            return int(file.readline().split()[1])


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("lines", TWO_HOSTS)
def test_two_hosts_are_refused(server: Server, method: str, lines: list[str]) -> None:
    """RFC 9112, 3.2, requires 400; the app does not get the request."""
    length = ["Content-Length: 2"] if method == "POST" else []
    assert status(server.port, method, [*lines, *length]) == 400


def test_two_lengths_are_refused(server: Server) -> None:
    """Two lengths would end the request at two different positions."""
    assert status(server.port, "POST", TWO_LENGTHS) == 400


SMUGGLED = "0\r\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("length", [0, 4, len(SMUGGLED)])
@pytest.mark.parametrize("order", [1, -1], ids=["length-first", "length-last"])
def test_no_request_is_smuggled_in_a_body(
    server: Server, version: str, length: int, order: int
) -> None:
    """Content-Length beside Transfer-Encoding: one response, then the connection is closed.

    If hyper (granian's HTTP library) accepts such a request, it uses Transfer-Encoding alone.
    """
    lengths = [f"Content-Length: {length}", "Transfer-Encoding: chunked"][::order]
    lines = [f"POST / HTTP/{version}", "Host: a.example", "Connection: keep-alive", *lengths]
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall("\r\n".join([*lines, "", SMUGGLED]).encode())
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                received += part
    assert len(re.findall(rb"^HTTP/1\.[01] ", received, re.MULTILINE)) == 1


@pytest.mark.parametrize("lines", [["Host: a.example"], ["Host: a.example:80"]])
def test_one_host_is_served(server: Server, lines: list[str]) -> None:
    """One Host is accepted: the other tests are not refused for the rest of the request's form."""
    assert status(server.port, "GET", lines) == 200
    assert status(server.port, "GET", [*lines, "X-Host: b.example"]) == 200


@pytest.mark.parametrize("lines", TWO_HOSTS)
def test_the_emulators_front_end_refuses_two_hosts(lines: list[str]) -> None:
    """The front end refuses them as http.sys does, before FastCGI or HttpPlatformHandler."""

    async def check() -> None:
        async with fronted() as running:
            client = await running.connect()
            client.send("GET / HTTP/1.1", *lines)
            assert (await client.answer())[0] == 400

    run(check)


@pytest.mark.parametrize("extended", [False, True], ids=["closed", "answered"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([(b"host", b"a"), (b"host", b"b")], id="hosts"),
        pytest.param([(b"content-length", b"1"), (b"transfer-encoding", b"chunked")], id="lengths"),
    ],
)
def test_an_ambiguous_websocket_is_refused(
    extended: bool, headers: list[tuple[bytes, bytes]]
) -> None:
    """The refusal comes before the WebSocket opens, with 400 if the server supports a response."""
    sent: list[dict[str, Any]] = []

    async def app(*_: Any) -> None:
        raise AssertionError("the app got it")

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope = {"type": "websocket", "headers": headers}
    if extended:
        scope["extensions"] = {"websocket.http.response": {}}
    asyncio.run(OneHost(app)(scope, receive, send))
    if extended:
        assert [m["type"] for m in sent] == [
            "websocket.http.response.start",
            "websocket.http.response.body",
        ]
        assert sent[0]["status"] == 400
    else:
        assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_lifespan_is_passed_on() -> None:
    """A lifespan scope has no headers, and is passed on."""
    seen: list[Any] = []

    async def app(scope: Any, *_: Any) -> None:
        seen.append(scope)

    asyncio.run(OneHost(app)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == [{"type": "lifespan"}]
