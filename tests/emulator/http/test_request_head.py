"""The head of a request as a server gets it: bytes that can be only what was meant."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.http.request_head import end_to_end, make_request_head
from tests.support.rawserver import request


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
    """Whatever the headers say of it: a second opinion would be a way to smuggle a request."""
    head = make_request_head(request(method, "/", *headers, length=length)).decode()
    assert head.split("\r\n") == [f"{method} / HTTP/1.1", "Host: app.example", *framing, "", ""]


@pytest.mark.parametrize("where", ["method", "target", "name", "value"])
def test_what_would_be_no_head_is_refused(where: str) -> None:
    """No part of it can end a line."""
    for bad in ("a\r\nX: b", "a\nb", "a\rb", "a\0b"):
        given = {"method": "GET", "target": "/", "name": "X-A", "value": "1", where: bad}
        asked = request(given["method"], given["target"], (given["name"], given["value"]))
        with pytest.raises(ValueError, match="head of a request"):
            make_request_head(asked)


def test_what_connection_names_ends_here() -> None:
    """All of its headers count, in any case; but not what the request cannot be without."""
    headers = CIMultiDict(
        [("Host", "a"), ("Connection", "Close, X-One"), ("x-one", "1"), ("X-Two", "2"),
         ("connection", "host, x-TWO,content-length"), ("Content-Length", "3"), ("X-Three", "4")]
    )  # fmt: skip
    assert end_to_end(headers) == [("Host", "a"), ("Content-Length", "3"), ("X-Three", "4")]
