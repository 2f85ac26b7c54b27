"""Requests in what a client sends, however it is cut: the same that gunicorn's parser finds."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
config = pytest.importorskip("gunicorn.config")
parser = pytest.importorskip("gunicorn.http.parser")
worker = pytest.importorskip("appsvc_runtime.serving.gunicorn.worker")
if not worker.READS_IN_LOOP:
    pytest.skip("this release of gunicorn keeps its own loop", allow_module_level=True)

from appsvc_runtime.serving.gunicorn.incoming import Incoming  # noqa: E402

CLIENT = ("127.0.0.1", 5)
MOST = 1_000
POST = b"POST /%b HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
REQUESTS = {
    "none-has-a-body": b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.0\r\n\r\n",
    "an-empty-line-before": b"\r\nGET /1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no-header": b"GET /1 HTTP/1.1\r\n\r\n" * 3,
    "length": (POST % b"1" + b"Content-Length: 9\r\n\r\n\r\n\r\nbody\r") * 2,
    "length-0": (POST % b"1" + b"Content-Length: 0\r\n\r\n") * 2,
    "chunks": (CHUNKED % b"1" + b"3\r\nabc\r\n00A;x=y\r\n0123456789\r\n0\r\n\r\n") * 2,
    "chunks-that-look-like-ends": CHUNKED % b"1" + b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
    "no-chunk": (CHUNKED % b"1" + b"0\r\n\r\n") * 2,
    "trailer": (CHUNKED % b"1" + b"1\r\na\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n") * 2,
}
REFUSED = {
    "words": b"hello world\r\n\r\n",
    "bare-lf": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare-lf-later": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "long-line": b"GET /" + b"a" * 9_000,
    "long-field": b"GET / HTTP/1.1\r\nA: " + b"a" * 9_000 + b"\r\n\r\n",
    "many-fields": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    "never-ending-head": b"GET / HTTP/1.1\r\n" + b"A: bcdefgh\r\n" * 150_000,
    "two-lengths": POST % b"1" + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length-and-chunks": POST % b"1" + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    "no-length": POST % b"1" + b"Content-Length: x\r\n\r\n",
    "unknown-coding": POST % b"1" + b"Transfer-Encoding: x\r\n\r\n",
}
MALFORMED_CHUNKS = {
    "no-number": b"xyz\r\nabc\r\n0\r\n\r\n",
    "negative": b"-3\r\nabc\r\n0\r\n\r\n",
    "no-end-of-a-chunk": b"3\r\nabcdef\r\n0\r\n\r\n",
    "bare-lf": b"3\nabc\n0\n\n",
    "long-line": b"3;" + b"a" * 9_000,
}


def settings() -> object:
    return config.Config()


def read_all(data: bytes, size: int) -> list[tuple[str, bytes, list[tuple[str, str]]]]:
    """Return the requests in `data`, which comes in pieces of a size."""
    incoming, found = Incoming(settings(), CLIENT), []
    for at in range(0, len(data), size):
        incoming.data += data[at : at + size]
        while incoming.data and incoming.advance(1 << 20):
            request = incoming.request
            assert incoming.is_whole
            found.append((request.uri, request.body.read(), request.headers))
            assert incoming.finish()
    assert not incoming.data, "bytes were left"
    return found


@pytest.mark.parametrize("data", REQUESTS.values(), ids=REQUESTS)
def test_pieces_of_any_size(data: bytes) -> None:
    """Requests, bodies and headers are those that gunicorn's parser finds in the whole."""
    expected = [
        (request.uri, request.body.read(), request.headers)
        for request in parser.RequestParser(settings(), [data], CLIENT)
    ]
    assert expected
    for size in (1, 2, 3, 5, 7, len(data)):
        assert read_all(data, size) == expected, size


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("size", [1_000, 1_000_000])
def test_what_gunicorn_refuses(data: bytes, size: int) -> None:
    """It is refused with the same error, without waiting for an end that never comes."""
    with pytest.raises(Exception) as expected:
        next(parser.RequestParser(settings(), [data[:-1], data[-1:]], CLIENT))
    with pytest.raises(type(expected.value)):
        read_all(data, size)


@pytest.mark.parametrize("body", MALFORMED_CHUNKS.values(), ids=MALFORMED_CHUNKS)
def test_what_is_no_chunk_reaches_the_parser(body: bytes) -> None:
    """The app gets gunicorn's error when it reads, and no request follows on the connection."""
    incoming = Incoming(settings(), CLIENT)
    incoming.data += CHUNKED % b"1" + body
    assert incoming.advance(1 << 20)
    with pytest.raises(Exception):  # noqa: B017
        incoming.request.body.read()
    assert not incoming.finish()


def test_a_part_of_a_request_is_no_request() -> None:
    """Every beginning of a request waits for more."""
    for data in REQUESTS.values():
        first = data[: len(data) // 2] if data.count(b"HTTP/1.") > 1 else data
        for length in range(1, len(first)):
            incoming = Incoming(settings(), CLIENT)
            incoming.data += first[:length]
            assert not incoming.advance(1 << 20) or incoming.is_whole


@pytest.mark.parametrize("head", [POST % b"1" + b"Content-Length: 5000\r\n\r\n", CHUNKED % b"1"])
def test_the_rest_of_a_long_body_comes_while_the_app_runs(head: bytes) -> None:
    """The app gets all of it, and the next request is found where the body ends."""
    body = b"z" * 5_000
    sent = body if b"Length" in head else b"1388\r\n" + body + b"\r\n0\r\n\r\n"
    incoming = Incoming(settings(), CLIENT)
    incoming.data += head + sent[: MOST - 1]
    assert not incoming.advance(MOST)
    incoming.data += sent[MOST - 1 : MOST + 5]
    assert incoming.advance(MOST)
    assert not incoming.is_whole
    rest = sent[MOST + 5 :] + b"GET /2 HTTP/1.1\r\n\r\n"
    pieces = [rest[:1_000], rest[1_000:]]
    incoming.stream(lambda most: pieces.pop(0))
    assert incoming.request.body.read() == body
    assert incoming.finish()
    assert incoming.advance(MOST)
    assert incoming.request.uri == "/2"


def test_a_body_that_the_app_does_not_read() -> None:
    """It is skipped if all of it is there; of a long one only a little is waited for."""
    incoming = Incoming(settings(), CLIENT)
    incoming.data += REQUESTS["length"]
    for _ in range(2):
        assert incoming.advance(MOST)
        assert incoming.finish()
    incoming.data += POST % b"1" + b"Content-Length: 1000000\r\n\r\n" + b"a" * MOST
    assert incoming.advance(MOST)
    incoming.stream(lambda most: b"a" * 10_000)
    assert not incoming.finish()
