"""FastCGI's records and CGI's heads: writing, parsing, and what is refused."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appsvc_runtime.emulator.iis.fastcgi.cgi_head import MAX_HEAD, CgiHeadError, Head, HeadParser
from appsvc_runtime.emulator.iis.fastcgi.protocol import (
    ABORT_REQUEST,
    BEGIN_REQUEST,
    MAX_CONTENT,
    PARAMS_END,
    STDIN_END,
    End,
    FastCgiError,
    ResponseParser,
    Stderr,
    Stdout,
    encode_params,
    encode_stdin,
)
from benchmarks.fuzz_fastcgi import fuzz_parsers
from tests.support.fastcgi_fake import HEAD, STDERR, STDOUT, answer, end, record

BEGIN_BYTES = bytes.fromhex("0101000100080000 0001010000000000")


def records(data: bytes) -> list[tuple[int, bytes]]:
    """Split bytes into records, strictly."""
    found = []
    while data:
        version, kind, number, length, padding, reserved = struct.unpack(">BBHHBB", data[:8])
        assert (version, number, reserved) == (1, 1, 0)
        assert len(data) >= 8 + length + padding
        found.append((kind, data[8 : 8 + length]))
        data = data[8 + length + padding :]
    return found


def pairs(data: bytes) -> list[tuple[bytes, bytes]]:
    """Parse name-value pairs according to the specification (§3.4)."""
    found = []
    at = 0
    while at < len(data):
        sizes = []
        for _ in range(2):
            if data[at] < 128:
                sizes.append(data[at])
                at += 1
            else:
                sizes.append(struct.unpack_from(">I", data, at)[0] & 0x7FFFFFFF)
                at += 4
        name, value = data[at : at + sizes[0]], data[at + sizes[0] : at + sum(sizes)]
        assert len(value) == sizes[1]
        found.append((name, value))
        at += sum(sizes)
    return found


def test_a_request_opens_as_the_specification_has_it() -> None:
    """The role is responder, the connection is kept; each stream ends with an empty record."""
    assert BEGIN_REQUEST == BEGIN_BYTES
    assert records(PARAMS_END + STDIN_END + ABORT_REQUEST) == [(4, b""), (5, b""), (2, b"")]
    assert encode_params({"A": "b"}) == bytes.fromhex("0104000100040000") + b"\x01\x01Ab"


LONG = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=20),
    st.integers(120, 140).map("x".__mul__),
    st.integers(65_500, 65_560).map("y".__mul__),
    st.just("z" * 70_000),
)


@settings(max_examples=60)
@given(st.dictionaries(LONG, LONG, max_size=5))
def test_parameters_can_be_read_back(params: dict[str, str]) -> None:
    """Pairs of any length survive; a pair that fits into a record is not split."""
    found = records(encode_params(params))
    assert {kind for kind, _ in found} <= {4}
    assert all(content for _, content in found)
    read = pairs(b"".join(content for _, content in found))
    assert read == [(n.encode("latin-1"), v.encode("latin-1")) for n, v in params.items()]
    if all(len(n) + len(v) < MAX_CONTENT - 8 for n, v in params.items()):
        assert [pair for _, content in found for pair in pairs(content)] == read


def test_a_parameter_that_is_no_latin_is_refused() -> None:
    """The error is typed, and shows no value."""
    with pytest.raises(FastCgiError, match="not Latin-1") as caught:
        encode_params({"HTTP_X": "secret \u0142"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 200_000])
def test_a_body_is_cut_into_records(size: int) -> None:
    """No record is empty, because that would end the body."""
    data = random.Random(size).randbytes(size)
    found = records(b"".join(encode_stdin(data)))
    assert b"".join(content for _, content in found) == data
    assert all(kind == 5 and content for kind, content in found)


def feed(data: bytes, *sizes: int) -> list[Stdout | Stderr | End]:
    """Feed a parser in pieces of the given sizes; the last size is repeated."""
    parser = ResponseParser()
    events = []
    turn = 0
    while data:
        size = sizes[min(turn, len(sizes) - 1)] if sizes else len(data)
        turn += 1
        events += parser.feed(memoryview(bytearray(data[:size])))
        data = data[size:]
    return events


def merged(events: list[Stdout | Stderr | End]) -> list[Stdout | Stderr | End]:
    """Join consecutive pieces of the same kind, because their boundaries have no meaning."""
    found: list[Stdout | Stderr | End] = []
    for event in events:
        if found and type(found[-1]) is type(event) and not isinstance(event, End):
            found[-1] = type(event)(found[-1].data + event.data)
        else:
            found.append(event)
    return found


ANSWER = (
    record(STDOUT, HEAD) + record(STDOUT) + record(STDERR, b"oh") + record(STDOUT, b"ab") + end(7)
)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_an_answer_is_read_in_any_pieces(sizes: list[int]) -> None:
    """Padding and empty records are ignored."""
    assert merged(feed(ANSWER, *sizes)) == [Stdout(HEAD), Stderr(b"oh"), Stdout(b"ab"), End(7, 0)]


def test_the_longest_record_is_read_byte_by_byte() -> None:
    """It has 65,535 bytes and 255 of padding; no more than the record itself is held."""
    content = random.Random(1).randbytes(65_535)
    data = struct.pack(">BBHHBB", 1, STDOUT, 1, 65_535, 255, 0) + content + bytes(255)
    assert merged(feed(data, 1)) == [Stdout(content)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(record(STDOUT, b"x", version=2), "version 2", id="version"),
        pytest.param(record(STDOUT, b"x", number=2), "request 2", id="request-id"),
        pytest.param(record(STDOUT, b"x", number=0), "request 0", id="management-request"),
        pytest.param(record(10, b"x"), "type 10", id="get-values-result"),
        pytest.param(record(11, bytes(8)), "type 11", id="unknown-type"),
        pytest.param(record(5, b"x"), "type 5", id="our-own-type"),
        pytest.param(record(3, bytes(7)), "7 bytes", id="short-end"),
        pytest.param(record(3), "0 bytes", id="empty-end"),
        pytest.param(record(3, bytes(9)), "9 bytes", id="long-end"),
        pytest.param(end(0, 1), "FCGI_CANT_MPX_CONN", id="cannot-multiplex"),
        pytest.param(end(0, 2), "FCGI_OVERLOADED", id="overloaded"),
        pytest.param(end(0, 9), "status 9", id="unknown-status"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", "version 72", id="http"),
    ],
)
def test_rubbish_is_refused(data: bytes, message: str) -> None:
    """One typed error is raised, wherever the bytes are split."""
    for size in (1, 9, 1000):
        with pytest.raises(FastCgiError, match=message):
            feed(record(STDOUT, HEAD) + data, size)


@pytest.mark.parametrize("size", [1, 1000], ids="{}-bytes".format)
def test_what_follows_the_end_is_noticed(size: int) -> None:
    """The response is valid, and such an application gets no other request."""
    parser = ResponseParser()
    data = answer() + b"\x01"
    events: list[Stdout | Stderr | End] = []

    def go_on() -> None:
        for at in range(0, len(data), size):
            events.extend(parser.feed(data[at : at + size]))
        assert parser.surplus
        parser.next_request()

    with pytest.raises(FastCgiError, match="no request"):
        go_on()
    assert events[-1] == End(0, 0)


def test_half_a_record_is_known_as_such() -> None:
    """Between records nothing is held."""
    parser = ResponseParser()
    parser.feed(record(STDOUT, b"abc")[:-1])
    assert parser.partial
    assert merged(parser.feed(b"d" + end())) == [Stdout(b"abc"), End(0, 0)]
    assert not parser.partial
    parser.next_request()
    assert merged(parser.feed(answer())) == [Stdout(HEAD + b"fine"), End(0, 0)]


# Heads.

FIELDS = [("Content-Type", "text/html; charset=utf-8"), ("X-Empty", "")]


@pytest.mark.parametrize(
    ("data", "head", "rest"),
    [
        pytest.param(
            b"Status: 404 Not Found\r\nContent-Type: text/html; charset=utf-8\r\n"
            b"X-Empty:\r\n\r\nab",
            Head(404, "Not Found", FIELDS), b"ab", id="usual",
        ),
        pytest.param(
            b"Status: 404 Not Found\nContent-Type:text/html; charset=utf-8\nX-Empty: \n\n\nab",
            Head(404, "Not Found", FIELDS), b"\nab", id="line-feeds",
        ),
        pytest.param(b"Status: 299\n\r\n", Head(299, "", []), b"", id="no-reason-mixed-ends"),
        pytest.param(b"A: b\r\n\r\n", Head(200, "", [("A", "b")]), b"", id="no-status"),
        pytest.param(
            b"location: /x\r\n\r\n", Head(302, "", [("location", "/x")]), b"", id="location"
        ),
        pytest.param(
            b"Location: /x\r\nSTATUS: 201 Made\r\n\r\n",
            Head(201, "Made", [("Location", "/x")]), b"", id="location-with-status",
        ),
        pytest.param(
            b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n",
            Head(200, "", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]), b"", id="repeated",
        ),
        pytest.param(
            "X: \t é \r\n\r\n".encode(), Head(200, "", [("X", "é")]), b"", id="utf-8"
        ),
        pytest.param(
            b"X: \xe9\r\n\r\n", Head(200, "", [("X", "\udce9")]), b"", id="latin-1-byte-kept"
        ),
    ],
)  # fmt: skip
def test_heads_are_read(data: bytes, head: Head, rest: bytes) -> None:
    """Heads may be split anywhere, and the bytes after them are returned unchanged."""
    for size in (1, 3, 1000):
        parser = HeadParser()
        pieces = (
            (parser.feed(data[at : at + size]), at + size) for at in range(0, len(data), size)
        )
        found, end = next((found, end) for found, end in pieces if found)
        assert (found[0], found[1] + data[end:]) == (head, rest), size


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\r\n\r\nbody", id="blank-line-first"),
        pytest.param(b"\nbody\n\n", id="line-feed-first"),
        pytest.param(b"no colon here\r\n\r\n", id="no-colon"),
        pytest.param(b": nameless\r\n\r\n", id="no-name"),
        pytest.param(b"A B: c\r\n\r\n", id="blank-in-name"),
        pytest.param(b"A : c\r\n\r\n", id="blank-after-name"),
        pytest.param(b" A: c\r\n\r\n", id="blank-before-name"),
        pytest.param(b"A: b\r\n c\r\n\r\n", id="folded"),
        pytest.param(b"A: b\rX: c\r\n\r\n", id="bare-return"),
        pytest.param(b"A: b\0c\r\n\r\n", id="nul"),
        pytest.param(b"A: b\x1bc\r\n\r\n", id="escape"),
        pytest.param(b"A\xe9: b\r\n\r\n", id="name-not-ascii"),
        pytest.param(b"Status: 200 OK\r\nStatus: 200 OK\r\n\r\n", id="two-statuses"),
        pytest.param(b"Status: 99 Low\r\n\r\n", id="status-of-two-digits"),
        pytest.param(b"Status: 100 Continue\r\n\r\n", id="interim-status"),
        pytest.param(b"Status: 2000\r\n\r\n", id="status-of-four-digits"),
        pytest.param("Status: ٢٠٠\r\n\r\n".encode(), id="arabic-digits"),
        pytest.param(b"Status: fine\r\n\r\n", id="status-in-words"),
        pytest.param(b"Status:\r\n\r\n", id="status-empty"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", id="status-line-of-http"),
        pytest.param(b"A: " + b"b" * MAX_HEAD + b"\r\n\r\n", id="too-long"),
        pytest.param(b"A: b\r\n" * 20_000, id="without-end"),
    ],
)
def test_what_is_no_head_is_refused(data: bytes) -> None:
    """One typed error is raised, so that nothing can be smuggled into a response."""
    for size in (2, 100_000):
        parser = HeadParser()
        with pytest.raises(CgiHeadError):
            any(parser.feed(data[at : at + size]) for at in range(0, len(data), size))


def test_a_head_may_end_with_the_answer() -> None:
    """wfastcgi's own 500 lacks the blank line; an empty response has no head."""
    parser = HeadParser()
    assert parser.feed(b"Status: 500 Internal Server Error\r\n") is None
    assert parser.finish() == Head(500, "Internal Server Error", [])
    with pytest.raises(CgiHeadError, match="empty"):
        parser.finish()


def test_mutated_streams_raise_only_typed_errors() -> None:
    """A part of the fuzz run; all of it: `python -m benchmarks.fuzz_fastcgi`."""
    outcome = fuzz_parsers(3000, seed=1)
    assert outcome.failures == []
    assert outcome.refused > 500
    assert outcome.answered > 100
