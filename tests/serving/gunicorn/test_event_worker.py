"""gunicorn 27 with our loop: slow clients, odd ones, and apps that misbehave; on real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pythons import only_on
from tests.support.servers import Server, serving

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there"),
]
worker = pytest.importorskip("appsvc_runtime.serving.gunicorn.worker")
if not worker.READS_IN_LOOP:
    pytest.skip("this release of gunicorn keeps its own loop", allow_module_level=True)

APP = """\
import io, json, os, threading, time

go_on = threading.Event()

class Odd(BaseException):
    pass

ERRORS = {
    "exit": SystemExit(3), "interrupt": KeyboardInterrupt(), "odd": Odd(),
    "file": OSError(2, "x"), "pipe": BrokenPipeError(32, "x"),
    "stop": StopIteration(), "generator": GeneratorExit(),
}

def app(environ, start_response):
    path, read = environ["PATH_INFO"][1:], environ["wsgi.input"].read
    if path in ERRORS:
        raise ERRORS[path]
    if path == "echo":
        start_response("200 OK", [])
        return iter([read()])
    if path == "lines":
        body = json.dumps([line.decode() for line in environ["wsgi.input"]]).encode()
    elif path == "refuse":
        body = b"too large"
    elif path == "file":
        return environ["wsgi.file_wrapper"](open("big", "rb"))
    elif path == "big":
        start_response("200 OK", [])
        return (b"x" * 65536 for _ in range(160))
    elif path == "paged":
        def pages():
            yield b"first"
            go_on.wait(20)
            yield b"second"
        start_response("200 OK", [])
        return pages()
    elif path == "broken":
        def pages():
            yield b"first"
            raise RuntimeError("broke in the middle")
        start_response("200 OK", [("Content-Length", "100")])
        return pages()
    elif path == "go":
        go_on.set()
        body = b"go"
    elif path == "socket":
        client = environ["gunicorn.socket"]
        client.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\n\\r\\n")
        while data := client.recv(100):
            client.sendall(data.upper())
        raise StopIteration
    elif path == "closes":
        environ["gunicorn.socket"].close()
        time.sleep(0.3)  # others get its number
        body = b""
    elif path == "closes-late":
        class Late(list):
            def close(self):
                environ["gunicorn.socket"].close()
        start_response("200 OK", [("Content-Length", "1")])
        return Late([b"x"])
    else:
        body = json.dumps([path, os.getpid(), read().decode()]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
# Deadlines that a test can wait for: two seconds, in which at least 500 bytes must move.
CONFIG = """\
from appsvc_runtime.serving import defaults
from appsvc_runtime.serving.gunicorn import client_socket

defaults.STALL_SECONDS, defaults.STALL_BYTES = 2.0, 500
defaults.WRITE_STALL_SECONDS = 5.0
client_socket._LOOK_SECONDS = 0.1
"""
SERVE = ("-m", "appsvc_runtime", "serve", "app:app", "--host", "127.0.0.1", "--port", "{port}")
POST = b"POST /%b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
MIB = 1 << 20


def started(folder: Path, **variables: str) -> contextlib.AbstractContextManager[Server]:
    (folder / "app.py").write_text(APP)
    return serving(
        *SERVE, cwd=folder, **{"APPSVC_WORKERS": "1", "APPSVC_THREADS": "4", **variables}
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a server of one worker, for tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "big").write_bytes(b"0123456789" * 500_000)
    with started(folder) as running:
        yield running


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 20)


def answers(client: socket.socket, count: int = 1) -> list[tuple[int, bytes]]:
    """Return the status and body of so many responses on a connection."""
    found = []
    with client.makefile("rb") as file:
        for _ in range(count):
            response = http.client.HTTPResponse(_Readable(file))  # type: ignore[arg-type]
            response.begin()
            found.append((response.status, response.read()))
    return found


class _Readable:
    """A socket for HTTPResponse, which closes the file that it makes."""

    def __init__(self, file: object) -> None:
        self._file = file

    def makefile(self, _mode: str) -> object:
        return _Unclosed(self._file)


class _Unclosed:
    def __init__(self, file: object) -> None:
        self._file = file

    def __getattr__(self, name: str) -> object:
        return (lambda: None) if name == "close" else getattr(self._file, name)


GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"
LINES = GET % b"lines"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
UNREAD = CHUNKED.replace(b"echo", b"refuse")
CHUNKS = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n"
EXCHANGES = {
    "pipelined": (LINES + POST % (b"echo", 3) + b"abc" + LINES, [b"[]", b"abc", b"[]"]),
    "chunks": (CHUNKED + CHUNKS + LINES, [b"abcde", b"[]"]),
    "body-not-read": (POST % (b"refuse", 5) + b"abcde" + LINES, [b"too large", b"[]"]),
    "chunks-not-read": (UNREAD + CHUNKS + LINES, [b"too large", b"[]"]),
    "lines": (POST % (b"lines", 6) + b"a\nb\nc\n", [b'["a\\n", "b\\n", "c\\n"]']),
    "http-1.0": (b"GET /lines HTTP/1.0\r\n\r\n", [b"[]"]),
    "http-1.0-kept": (b"GET /lines HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2, [b"[]"] * 2),
}


@pytest.mark.parametrize(("sent", "expected"), EXCHANGES.values(), ids=EXCHANGES)
@pytest.mark.parametrize("half_closed", [False, True], ids=["open", "half-closed"])
@pytest.mark.parametrize("size", [1, 1_000])
def test_what_is_sent_is_answered(
    server: Server, sent: bytes, expected: list[bytes], half_closed: bool, size: int
) -> None:
    """It may come in pieces, and the client may have closed its side already."""
    with connect(server) as client:
        for at in range(0, len(sent), size):
            client.sendall(sent[at : at + size])
        if half_closed:
            client.shutdown(socket.SHUT_WR)
        assert [body for _, body in answers(client, len(expected))] == expected


def test_nothing_follows_a_close(server: Server) -> None:
    """What a client sends after a request with `Connection: close` is no request."""
    for _ in range(50):
        with connect(server) as client:
            client.sendall(LINES[:-2] + b"Connection: close\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                client.sendall(LINES)
            received = b""
            with contextlib.suppress(ConnectionError):
                while data := client.recv(1_000):
                    received += data
            assert received.count(b"HTTP/1.1 ") == 1


def test_a_client_that_waits_for_100_continue(server: Server) -> None:
    """It is told so before it sends the body, with a length and in chunks."""
    for head, body in ((POST % (b"echo", 3), b"abc"), (CHUNKED, b"3\r\nabc\r\n0\r\n\r\n")):
        with connect(server) as client:
            client.sendall(head.replace(b"Host: x\r\n", b"Host: x\r\nExpect: 100-continue\r\n"))
            assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(body)
            assert answers(client) == [(200, b"abc")]


def test_large_uploads_and_files(server: Server) -> None:
    """They come whole; the next request on the connection is served."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    body = b"0123456789" * 500_000
    for sent in (body, (body[at : at + 99_999] for at in range(0, len(body), 99_999))):
        chunked = not isinstance(sent, bytes)
        connection.request("POST", "/echo", sent, encode_chunked=chunked)
        assert connection.getresponse().read() == body
    connection.close()


def test_a_large_upload_that_is_refused(server: Server) -> None:
    """The client sends all of it, and then reads the response."""
    for length in (900_000, 8_000_000):
        with connect(server) as client:
            client.sendall(POST % (b"refuse", length) + b"x" * length)
            assert answers(client) == [(200, b"too large")]


REFUSED = {
    "no-request": (b"hello\r\n\r\n", 400),
    "bare-lf": (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    "long-line": (b"GET /" + b"a" * 9_000, 414),
    "long-field": (b"GET / HTTP/1.1\r\nA: " + b"a" * 9_000 + b"\r\n\r\n", 431),
    "two-lengths": (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "bad-chunk": (CHUNKED + b"x\r\n", 400),
    "unknown-coding": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n", 501),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(server: Server, sent: bytes, status: int) -> None:
    """gunicorn's own limits count; the response arrives, and the connection is closed."""
    with connect(server) as client:
        client.sendall(sent)
        assert answers(client)[0][0] == status
        assert client.recv(10) == b""


@pytest.mark.parametrize("path", ["exit", "interrupt", "odd", "file", "pipe", "stop", "generator"])
def test_what_the_app_raises_costs_one_request(server: Server, path: str) -> None:
    """The response is 500, and the process is the same before and after."""
    before = json.loads(server.request("/")[2])[1]
    assert server.request(f"/{path}")[0] == 500
    assert json.loads(server.request("/")[2])[1] == before


def test_a_response_that_breaks_is_not_taken_for_whole(server: Server) -> None:
    """What the app raises later ends the connection."""
    with pytest.raises(http.client.IncompleteRead):
        server.request("/broken")
    server.wait_for_log("broke in the middle")


def test_pieces_are_sent_as_they_come(server: Server) -> None:
    """The first arrives while the app waits for another request."""
    with connect(server) as client:
        client.sendall(GET % b"paged")
        received = b""
        while b"first" not in received:
            received += client.recv(1_000)
        assert b"second" not in received
        assert server.request("/go")[0] == 200
        while b"second" not in received:
            received += client.recv(1_000)


def test_an_app_that_reads_from_the_socket_itself(server: Server) -> None:
    """Libraries for WebSockets do so, and end the request by StopIteration."""
    with connect(server) as client:
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        client.sendall((GET % b"socket")[:-2] + upgrade)
        assert client.recv(100).startswith(b"HTTP/1.1 101 ")
        for word in (b"one", b"two"):
            client.sendall(word)
            assert client.recv(100) == word.upper()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
    assert "Error handling request GET /socket" not in server.log()


def test_a_client_that_does_not_wait_for_answers(server: Server) -> None:
    """What it sends ahead stays in the system's buffers, however many requests are answered."""
    with connect(server) as client:
        client.settimeout(3)
        with pytest.raises(TimeoutError):
            client.sendall(LINES * (64 * MIB // len(LINES)))
    with connect(server) as client:  # as many as fit, all of which are answered
        client.sendall(LINES * 10_000)
        assert answers(client, 10_000)[-1] == (200, b"[]")


@pytest.mark.parametrize("path", ["closes", "closes-late"])
@pytest.mark.parametrize("size", [0, 2 * MIB])
def test_an_app_that_closes_its_socket(server: Server, path: str, size: int) -> None:
    """The worker goes on, and what gets the number of that socket is served."""
    before = json.loads(server.request("/")[2])[1]
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(connect(server))
            client.sendall(POST % (path.encode(), size) + b"x" * size)
        for _ in range(30):
            with connect(server) as other:
                other.sendall(LINES)
                assert answers(other) == [(200, b"[]")]
    assert json.loads(server.request("/")[2])[1] == before


UPLOADS = {
    "head": b"GET / HTTP/1.1\r\nHost: x\r\nA: ",
    "body": POST % (b"echo", 100_000),
    "chunks": CHUNKED + b"186a0\r\n",
    "long-body": POST % (b"echo", 2 * MIB) + b"x" * (MIB + 5),
    "long-chunks": CHUNKED + b"200000\r\n" + b"x" * (MIB + 5),
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a server that cuts clients after two seconds without progress."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "gunicorn.conf.py").write_text(CONFIG)
    with started(folder) as running:
        yield running


def test_a_client_is_cut_only_if_it_stops_sending(strict: Server) -> None:
    """With 1 KB/s it is kept for longer than with nothing, wherever in a request it is."""
    with contextlib.ExitStack() as stack:
        slow, stalled = (
            {name: stack.enter_context(connect(strict)) for name in UPLOADS} for _ in range(2)
        )
        for name, begun in UPLOADS.items():
            slow[name].sendall(begun)
            stalled[name].sendall(begun)
        deadline, pause = time.monotonic() + 5, threading.Event()
        while time.monotonic() < deadline:
            for client in slow.values():
                client.sendall(b"x" * 100)
            pause.wait(0.1)
        for name, client in slow.items():
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                raise AssertionError(f"{name} was cut: {client.recv(100)!r}")
        for name, client in stalled.items():
            received = b""
            with contextlib.suppress(ConnectionError):
                while data := client.recv(1_000):
                    received += data
            assert b" 200 " not in received, name


@only_on(14)
def test_a_client_is_cut_only_if_it_stops_reading(strict: Server) -> None:
    """With 1 KB/s it is kept for several times as long as with nothing."""
    with contextlib.ExitStack() as stack:
        slow, stalled = (stack.enter_context(socket.socket()) for _ in range(2))
        for client in (slow, stalled):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(20)
            client.connect(("127.0.0.1", strict.port))
            client.sendall(GET % b"big")
        deadline, got = time.monotonic() + 12, 0
        pause = threading.Event()
        while time.monotonic() < deadline:
            got += len(slow.recv(1_000))
            pause.wait(0.5)
        while data := slow.recv(1 << 20):
            got += len(data)
            if got > 160 * 65536:
                break
        assert got > 160 * 65536
        total = 0
        with contextlib.suppress(ConnectionError):
            while data := stalled.recv(1 << 20):
                total += len(data)
        assert total < 160 * 65536


def test_workers_that_end_after_some_requests(tmp_path: Path) -> None:
    """All requests are answered, also on kept connections and while a worker ends."""
    with started(tmp_path, GUNICORN_CMD_ARGS="--max-requests 7", APPSVC_WORKERS="2") as server:
        seen = {json.loads(server.request("/")[2])[1] for _ in range(40)}
    assert len(seen) > 2


def test_tls(tmp_path: Path) -> None:
    """With a certificate, gunicorn's own loop serves; ours has no TLS."""
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    arguments = "--certfile cert.pem --keyfile key.pem"
    with started(tmp_path, GUNICORN_CMD_ARGS=arguments) as server:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        connection = http.client.HTTPSConnection(
            "127.0.0.1", server.port, timeout=20, context=context
        )
        for _ in range(2):
            connection.request("GET", "/")
            assert json.loads(connection.getresponse().read())[0] == ""
        connection.close()
