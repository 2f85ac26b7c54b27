"""Requests that are refused before any part of the site sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from appsvc_runtime.emulator.http.url_paths import decode_path
from appsvc_runtime.emulator.iis.request_filtering import (
    BodyTooLargeError,
    LimitedBody,
    refuse,
    refuse_path,
)
from appsvc_runtime.emulator.iis.webconfig.model import RequestFiltering

FILTERING = RequestFiltering(
    max_allowed_content_length=1000,
    max_url=100,
    max_query_string=20,
    header_limits={"X-Small": 3},
    hidden_segments=("web.config", "bin", "App_Data"),
    denied_extensions=(".cs", ".config"),
)


def ask(target: str, length: int | None = 0, **headers: str) -> tuple[int, int] | None:
    """Return status and substatus of the refusal of a GET, or None if it passes."""
    refusal = refuse(FILTERING, decode_path(target), target, CIMultiDict(headers), length)
    return None if refusal is None else (refusal.status, refusal.substatus)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("/", None, id="root"),
        pytest.param("/a%20b/%C3%BC?x=%25", None, id="escaped-once"),
        pytest.param("/" + "a" * 99, None, id="url-just-fits"),
        pytest.param("/" + "a" * 100, (404, 14), id="url-too-long"),
        pytest.param("/" + "%20" * 34, (404, 14), id="url-counts-escapes"),
        pytest.param("/?" + "a" * 20, None, id="query-just-fits"),
        pytest.param("/?" + "a" * 21, (404, 15), id="query-too-long"),
        pytest.param("/%2541", (404, 11), id="double-escape"),
        pytest.param("/%252e%252e/x", (404, 11), id="double-escaped-dots"),
        pytest.param("/a+b", (404, 11), id="plus"),
        pytest.param("/a%2Bb", (404, 11), id="escaped-plus"),
        pytest.param("/100%25", None, id="percent"),
        pytest.param("/?a+b", None, id="plus-in-query"),
        pytest.param("/bin/x", (404, 8), id="hidden"),
        pytest.param("/a/BIN", (404, 8), id="hidden-case"),
        pytest.param("/%62in/", (404, 8), id="hidden-escaped"),
        pytest.param("/bin./x", (404, 8), id="hidden-dot"),
        pytest.param("/bin%20/x", (404, 8), id="hidden-blank"),
        pytest.param("/bin::$INDEX_ALLOCATION/x", (404, 8), id="hidden-stream"),
        pytest.param(r"/a\bin\x", (404, 8), id="hidden-backslash"),
        pytest.param("/binary/x", None, id="only-whole-segments"),
        pytest.param("/?bin", None, id="not-in-the-query"),
        pytest.param("/x.cs", (404, 7), id="denied"),
        pytest.param("/x.CS", (404, 7), id="denied-case"),
        pytest.param("/x.cs.", (404, 7), id="denied-dot"),
        pytest.param("/x.cs::$DATA", (404, 7), id="denied-stream"),
        pytest.param("/x.css", None, id="another-extension"),
        pytest.param("/x.cs/y", None, id="only-the-last-extension"),
        pytest.param("/app.config", (404, 7), id="config-files"),
        pytest.param("/web.config", (404, 8), id="web-config"),
    ],
)
def test_targets(target: str, expected: tuple[int, int] | None) -> None:
    """Targets are refused with this status and substatus; None means that they pass."""
    assert ask(target) == expected


def test_double_escaping_may_be_allowed() -> None:
    """With allowDoubleEscaping, only the decoded path counts."""
    filtering = RequestFiltering(allow_double_escaping=True)
    assert refuse(filtering, "/a+b/%41", "/a+b/%2541", {}, 0) is None


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        pytest.param(1000, None, id="just-fits"),
        pytest.param(1001, (413, 1), id="too-long"),
        pytest.param(None, None, id="chunked"),
    ],
)
def test_announced_lengths(length: int | None, expected: tuple[int, int] | None) -> None:
    """A chunked body announces no length."""
    assert ask("/", length) == expected


def test_header_limits() -> None:
    """A limit applies to the named header in any case, and to each of several lines."""
    assert ask("/", **{"x-small": "123"}) is None
    assert ask("/", **{"x-small": "1234"}) == (431, 0)
    assert ask("/", other="1234") is None
    both = CIMultiDict([("X-Small", "1"), ("X-Small", "1234")])
    assert refuse(FILTERING, "/", "/", both, 0) is not None
    assert refuse(FILTERING, "/", "/", list(both.items()), 0) is not None


@pytest.mark.parametrize("value", ["", "1"])
def test_a_header_limit_of_nothing_denies_the_header(value: str) -> None:
    """sizeLimit 0 refuses any value, as in the schema's reference; other headers pass."""
    filtering = replace(FILTERING, header_limits={"X_Small": 0})
    assert refuse(filtering, "/", "/", {"x_small": value}, 0) is not None
    assert refuse(filtering, "/", "/", {"x-small": "1"}, 0) is None


def test_refusals_say_which_limit() -> None:
    """The text names the setting and its value."""
    for target, words in [("/" + "a" * 200, "maxUrl, 100"), ("/bin", "hiddenSegments")]:
        refusal = refuse(FILTERING, target, target, {}, 0)
        assert refusal is not None
        assert words in refusal.text


def test_rewritten_paths_are_asked_again() -> None:
    """A rewrite rule does not reveal a hidden path."""
    assert refuse_path(FILTERING, "/App_Data/secret.txt") is not None
    assert refuse_path(RequestFiltering(), "/sub/Web.Config") is not None
    assert refuse_path(FILTERING, "/index.html") is None


class Source:
    """A body of a number of chunks that records whether it was closed."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self.chunks:
            raise StopAsyncIteration
        return self.chunks.pop(0)

    async def aclose(self) -> None:
        """Record that it was closed."""
        self.closed = True


def test_a_body_within_the_limit_passes() -> None:
    """A body passes up to the last allowed byte."""

    async def read() -> bytes:
        return b"".join([chunk async for chunk in LimitedBody(Source(b"12", b"345"), 5)])

    assert asyncio.run(read()) == b"12345"


def test_a_body_past_the_limit_stops() -> None:
    """The error carries 413.1; the source is closed, and its rest is not read."""
    source = Source(b"123", b"456", b"789")

    async def read() -> None:
        body = LimitedBody(source, 5)
        assert await body.__anext__() == b"123"
        with pytest.raises(BodyTooLargeError, match="5 bytes") as caught:
            await body.__anext__()
        assert (caught.value.status, caught.value.substatus) == (413, 1)

    asyncio.run(read())
    assert source.closed
    assert source.chunks == [b"789"]


def test_closing_a_limited_body_closes_its_source() -> None:
    """Generators are closed as well as other streams."""
    source = Source(b"1")
    asyncio.run(LimitedBody(source, 5).aclose())
    assert source.closed


@given(st.text(max_size=40), st.text(max_size=40), st.integers(0, 2000) | st.none())
def test_no_target_raises(path: str, target: str, length: int | None) -> None:
    """Every target is refused or passes; none raises."""
    refusal = refuse(FILTERING, "/" + path, target, {"X-Small": target}, length)
    assert refusal is None or 400 <= refusal.status < 500
