"""The head of a request as a server gets it: it cannot be misread."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.http.hop_headers import end_to_end, forwarded_headers
from tests.support.rawserver import OK, Raw, Reader, Writer, pieces, raw, request, run


@pytest.mark.parametrize(
    ("method", "headers", "length", "framing"),
    [
        pytest.param("GET", (), 0, [], id="get-needs-none"),
        pytest.param("OPTIONS", (), 0, [], id="options-needs-none"),
        pytest.param("GET", (("content-length", "0"),), 0, ["Content-Length: 0"], id="said"),
        pytest.param("POST", (), 0, ["Content-Length: 0"], id="post-says-so"),
        pytest.param("POST", (("Content-Length", "5"),), 5, ["Content-Length: 5"], id="length"),
        pytest.param("POST", (), 5, ["Content-Length: 5"], id="length-unsaid"),
        pytest.param(
            "POST",
            (("Content-Length", "5"), ("content-length", "6")),
            5,
            ["Content-Length: 5"],
            id="one-length-only",
        ),
        pytest.param(
            "GET",
            (("Content-Length", "5"), ("Transfer-Encoding", "gzip, chunked")),
            None,
            ["Transfer-Encoding: chunked"],
            id="chunked",
        ),
    ],
)
def test_framing_is_what_the_body_will_be(
    method: str, headers: tuple[tuple[str, str], ...], length: int | None, framing: list[str]
) -> None:
    """The headers do not matter: a contradiction could be used to smuggle a request."""

    async def serve(told: Raw, reader: Reader, writer: Writer) -> None:
        await told.head(reader)
        if length is None:
            await reader.readuntil(b"0\r\n\r\n")
        else:
            await reader.readexactly(length)
        writer.write(OK)

    async def check() -> None:
        body = pieces(b"12345" if length != 0 else b"")
        asked = request(method, "/", *headers, body=body, length=length)
        async with raw(serve) as (upstream, port, told):
            assert (await upstream.forward(asked, port, timeout=60)).status == 200
            lines = told.heads[0].decode().split("\r\n")
            assert lines == [f"{method} / HTTP/1.1", "Host: app.example", *framing, "", ""]

    run(check)


@pytest.mark.parametrize("where", ["method", "target", "name", "value"])
def test_what_would_be_no_head_is_refused(where: str) -> None:
    """No part can contain a line break."""
    for bad in ("a\r\nX: b", "a\nb", "a\rb", "a\0b", "a\x1bb", "a\x7fb"):
        given = {"method": "GET", "target": "/", "name": "X-A", "value": "1", where: bad}
        asked = request(given["method"], given["target"], (given["name"], given["value"]))
        with pytest.raises(ValueError, match="head of a request"):
            forwarded_headers(asked)


def test_what_connection_names_ends_here() -> None:
    """All Connection headers count, in any case; but headers that a request needs are kept."""
    headers = CIMultiDict(
        [("Host", "a"), ("Connection", "Close, X-One"), ("x-one", "1"), ("X-Two", "2"),
         ("connection", "host, x-TWO,content-length"), ("Content-Length", "3"), ("X-Three", "4")]
    )  # fmt: skip
    assert end_to_end(headers) == [("Host", "a"), ("Content-Length", "3"), ("X-Three", "4")]
