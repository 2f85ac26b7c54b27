"""Conditional and range requests for files, according to RFC 9110."""

from __future__ import annotations

from email import message_from_bytes
from pathlib import Path

import pytest

from tests.support.staticsite import DATE, EARLIER, LATER, TAG, TEXT, ask, make_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site with files."""
    return make_site(tmp_path_factory.mktemp("static"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"If_None_Match": TAG}, 304, id="tag"),
        pytest.param({"If_None_Match": f"W/{TAG}"}, 304, id="weak-tag"),
        pytest.param({"If_None_Match": f'"x", {TAG}'}, 304, id="one-of-several"),
        pytest.param({"If_None_Match": "*"}, 304, id="any-tag"),
        pytest.param({"If_None_Match": '"x"'}, 200, id="other-tag"),
        pytest.param({"If_Modified_Since": DATE}, 304, id="same-time"),
        pytest.param({"If_Modified_Since": LATER}, 304, id="later"),
        pytest.param({"If_Modified_Since": EARLIER}, 200, id="earlier"),
        pytest.param({"If_Modified_Since": "yesterday"}, 200, id="no-date"),
        pytest.param(
            {"If_None_Match": '"x"', "If_Modified_Since": DATE}, 200, id="tag-before-time"
        ),
        pytest.param({"If_Match": TAG}, 200, id="match"),
        pytest.param({"If_Match": "*"}, 200, id="match-any"),
        pytest.param({"If_Match": '"x"'}, 412, id="no-match"),
        pytest.param({"If_Match": f"W/{TAG}"}, 412, id="match-is-strong"),
        pytest.param({"If_Unmodified_Since": DATE}, 200, id="unmodified"),
        pytest.param({"If_Unmodified_Since": EARLIER}, 412, id="modified"),
        pytest.param({"If_Match": TAG, "If_Unmodified_Since": EARLIER}, 200, id="match-first"),
        pytest.param({"If_Match": '"x"', "If_None_Match": TAG}, 412, id="match-before-none-match"),
    ],
)
def test_conditions(site: Path, headers: dict[str, str], status: int) -> None:
    """Conditions are evaluated in the order of RFC 9110."""
    answer, body = ask(site, "/a.txt", **headers)
    assert answer.status == status
    if status == 304:
        assert body == b""
        assert set(answer.headers) == {"ETag", "Last-Modified", "Accept-Ranges", "Cache-Control"}


def test_several_lines_of_tags(site: Path) -> None:
    """Several header lines count as one list."""
    lines = [("If-None-Match", '"x"'), ("If-None-Match", TAG)]
    assert ask(site, "/a.txt", lines=lines)[0].status == 304


@pytest.mark.parametrize(
    ("given_range", "status", "body", "content_range"),
    [
        pytest.param("bytes=0-0", 206, b"0", "bytes 0-0/10", id="first"),
        pytest.param("bytes=2-4", 206, b"234", "bytes 2-4/10", id="middle"),
        pytest.param("bytes=7-", 206, b"789", "bytes 7-9/10", id="rest"),
        pytest.param("bytes=-3", 206, b"789", "bytes 7-9/10", id="last"),
        pytest.param("bytes=-99", 206, TEXT, "bytes 0-9/10", id="last-of-more"),
        pytest.param("bytes=5-999999999999999999999", 206, b"56789", "bytes 5-9/10", id="huge"),
        pytest.param("bytes=10-", 416, None, "bytes */10", id="behind-the-end"),
        pytest.param("bytes=10-11,20-", 416, None, "bytes */10", id="all-behind-the-end"),
        pytest.param("bytes=0-1,20-", 206, b"01", "bytes 0-1/10", id="one-behind-the-end"),
        pytest.param("bytes=4-2", 200, TEXT, None, id="backwards"),
        pytest.param("items=0-1", 200, TEXT, None, id="other-unit"),
        pytest.param("bytes=a-b", 200, TEXT, None, id="no-numbers"),
        pytest.param("bytes=0-5,3-8", 200, TEXT, None, id="overlapping"),
        pytest.param("bytes=" + ",".join(["0-0"] * 5000), 200, TEXT, None, id="very-many"),
    ],
)
def test_ranges(
    site: Path, given_range: str, status: int, body: bytes | None, content_range: str | None
) -> None:
    """A satisfiable range, ranges that cannot be satisfied, and invalid ranges."""
    answer, got = ask(site, "/a.txt", Range=given_range)
    assert answer.status == status
    assert body in (None, got)
    assert answer.headers.get("Content-Range") == content_range


def test_several_ranges(site: Path) -> None:
    """Several ranges are parts of multipart/byteranges, each with type and range."""
    answer, body = ask(site, "/a.txt", Range="bytes=0-1,4-5,-1")
    assert answer.status == 206
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    parts = [part for part in message_from_bytes(head + body).walk() if not part.is_multipart()]
    assert [
        (part["Content-Range"], part.get_content_type(), part.get_payload()) for part in parts
    ] == [
        ("bytes 0-1/10", "text/plain", "01"),
        ("bytes 4-5/10", "text/plain", "45"),
        ("bytes 9-9/10", "text/plain", "9"),
    ]


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        pytest.param(TAG, 206, id="tag"),
        pytest.param(DATE, 206, id="time"),
        pytest.param('"x"', 200, id="other-tag"),
        pytest.param(f"W/{TAG}", 200, id="weak-tag"),
        pytest.param(LATER, 200, id="other-time"),
        pytest.param("", 200, id="empty"),
    ],
)
def test_if_range(site: Path, if_range: str, status: int) -> None:
    """A range applies only if If-Range names exactly this state of the file."""
    assert ask(site, "/a.txt", Range="bytes=0-1", If_Range=if_range)[0].status == status


def test_an_empty_file(site: Path) -> None:
    """An empty file has no range at all."""
    assert ask(site, "/empty.txt")[1] == b""
    assert ask(site, "/empty.txt", Range="bytes=0-")[0].status == 416
