"""WSGI on granian: the environ, and all that PEP 3333 allows an app, on the real server."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.serving.granian import environ as granian_environ
from appsvc_runtime.serving.granian.environ import make_environ
from tests.support.servers import Server, run, serving


def scope(path: bytes = b"/", *headers: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    return {
        "type": "http", "method": "GET", "raw_path": path, "query_string": b"", "scheme": "http",
        "http_version": "1.1", "server": ("127.0.0.1", "8000"), "client": ("169.254.1.2", "4711"),
        "headers": list(headers), **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param(b"/", "/", id="root"),
        pytest.param(b"/a%2Fb%20c", "/a/b c", id="encoded"),
        pytest.param("/é".encode(), "/Ã©", id="utf-8"),
        pytest.param(b"/%C3%A9", "/Ã©", id="encoded-utf-8"),
        pytest.param(b"/%ff%zz%", "/ÿ%zz%", id="no-utf-8-and-no-encoding"),
    ],
)
def test_paths(raw: bytes, path: str) -> None:
    """The bytes of a path are decoded as Latin-1, as PEP 3333 requires."""
    assert make_environ(scope(raw))["PATH_INFO"] == path


def test_what_an_environ_holds() -> None:
    """Peer, server, protocol, and headers by their WSGI names."""
    environ = make_environ(
        scope(
            b"/x", (b"host", b"example.com"), (b"content-type", b"text/plain"),
            (b"content-length", b"5"), (b"accept", b"a"), (b"accept", b"b"),
            (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"x-name", "Zoë".encode()),
            query_string=b"a=%20&b=\xff",
        )
    )  # fmt: skip
    expected = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/x", "QUERY_STRING": "a=%20&b=ÿ",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "169.254.1.2", "REMOTE_PORT": "4711", "wsgi.url_scheme": "http",
        "HTTP_HOST": "example.com", "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "5",
        "HTTP_ACCEPT": "a,b", "HTTP_COOKIE": "a=1; b=2", "HTTP_X_NAME": "ZoÃ«",
    }  # fmt: skip
    assert {name: environ[name] for name in expected} == expected
    assert "" not in environ
    assert "HTTP_HOST" not in make_environ(scope(b"/", (b"host", b"")))
    assert "HTTP_CONTENT_TYPE" not in environ


def test_headers_with_underscores_are_left_out() -> None:
    """They are left out in any mixture, however often they are sent."""
    names = (b"x_forwarded_proto", b"x-forwarded_proto", b"content_length", b"_", b"remote_user")
    for _ in range(2):
        environ = make_environ(scope(b"/", *((name, b"evil") for name in names)))
        assert "evil" not in environ.values()


def test_names_that_somebody_invents_are_not_remembered_for_ever() -> None:
    """The number of remembered names is limited; further names work all the same."""
    for number in range(2_000):
        name = f"x-{number}"
        environ = make_environ(scope(b"/", (name.encode(), b"1")))
        assert environ[f"HTTP_X_{number}"] == "1"
    assert len(granian_environ._names) <= granian_environ._MAX_NAMES


APP = """
import os, sys
from wsgiref.validate import validator

def plain(environ, start_response):
    path = environ["PATH_INFO"]
    fields = [("Content-Type", "text/plain")]
    if path == "/late-start":
        def late():
            start_response("201 Made", fields)
            yield b"late"
        return late()
    if path == "/write":
        write = start_response("200 OK", fields)
        write(b"written ")
        write(b"first")
        return [b", then this"]
    if path == "/changed-mind":
        try:
            start_response("200 OK", [*fields, ("X-A", "a")])
            raise ValueError("no")
        except ValueError:
            start_response("404 Not Found", fields, sys.exc_info())
        return [b"gone"]
    if path == "/twice":
        start_response("200 OK", fields)
        start_response("200 OK", fields)
    if path == "/never":
        return [b"x"]
    if path == "/not-latin":
        start_response("200 OK", [("X-A", "\\u20ac")])
        return [b"x"]
    if path == "/after-all":
        def parts():
            start_response("200 OK", [*fields, ("Content-Length", "100")])
            yield b"some"
            raise RuntimeError("in the middle")
        return parts()
    if path == "/after-some":
        start_response("200 OK", fields)
        def more():
            yield b"some"
            raise RuntimeError("in the middle")
        return more()
    if path == "/lines":
        given = environ["wsgi.input"]
        said = [given.readline(3), given.readline(), given.read(2), next(iter(given))]
        said += [given.readlines(), given.read()]
        start_response("200 OK", fields)
        return [repr(said).encode()]
    if path == "/endless":
        start_response("200 OK", fields)
        return Endless()
    if path == "/unread":
        start_response("200 OK", fields)
        return [b"not read"]
    start_response("204 No Content", [])
    return []

class Endless:
    def __iter__(self):
        while True:
            yield b"x" * 1000
    def close(self):
        open("closed", "w").close()

def five(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read(5)]

checked = validator(five)

def app(environ, start_response):
    chosen = checked if environ["PATH_INFO"] == "/checked" else plain
    return chosen(environ, start_response)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "app.py").write_text(APP)
    command = ("-m", "appsvc_runtime", "serve", "app:app", "--server", "granian")
    command += ("--host", "127.0.0.1", "--port", "{port}")
    with serving(*command, cwd=folder, APPSVC_WORKERS="1", APPSVC_THREADS="4") as running:
        yield running, folder


@pytest.mark.integration
@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        pytest.param("/late-start", 201, b"late", id="start_response-in-the-first-part"),
        pytest.param("/write", 200, b"written first, then this", id="write"),
        pytest.param("/changed-mind", 404, b"gone", id="exc_info"),
        pytest.param("/twice", 500, None, id="start_response-twice"),
        pytest.param("/never", 500, None, id="no-start_response"),
        pytest.param("/not-latin", 500, None, id="header-that-is-none"),
        pytest.param("/nothing", 204, b"", id="no-content"),
    ],
)
def test_answers(server: tuple[Server, Path], path: str, status: int, body: bytes | None) -> None:
    """What an app may do, and what it may not."""
    found, headers, sent = server[0].request(path)
    assert found == status
    assert body is None or sent == body
    assert "x-a" not in headers


@pytest.mark.integration
@pytest.mark.parametrize("path", ["/after-all", "/after-some"])
def test_an_error_in_the_middle_cuts_the_answer(server: tuple[Server, Path], path: str) -> None:
    """The client sees that the response is not complete."""
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        server[0].request(path)
    server[0].wait_for_log("RuntimeError: in the middle")


@pytest.mark.integration
def test_the_body_is_read_as_a_file(server: tuple[Server, Path]) -> None:
    """The body can be read by size, by line, to the end, and after it."""
    body = b"abcde\nf\nghi\njk\nlast"
    said = [b"abc", b"de\n", b"f\n", b"ghi\n", [b"jk\n", b"last"], b""]
    assert server[0].request("/lines", method="POST", body=body)[2] == repr(said).encode()


@pytest.mark.integration
def test_wsgirefs_validator_is_content(server: tuple[Server, Path]) -> None:
    """The validator checks environ, input and everything else."""
    assert server[0].request("/checked", method="POST", body=b"12345678")[::2] == (200, b"12345")
    assert server[0].request("/checked")[::2] == (200, b"")


@pytest.mark.integration
def test_a_body_that_is_not_read(server: tuple[Server, Path]) -> None:
    """The app can respond without reading it, and the next request is served."""
    assert server[0].request("/unread", method="POST", body=b"x" * 3_000_000)[2] == b"not read"
    assert server[0].request("/nothing")[0] == 204


@pytest.mark.integration
def test_a_stream_ends_when_its_visitor_goes(server: tuple[Server, Path]) -> None:
    """The app's iterable is closed, as PEP 3333 promises."""
    running, folder = server
    with socket.create_connection(("127.0.0.1", running.port), 10) as visitor:
        visitor.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert visitor.recv(1000)
    deadline = time.monotonic() + 20
    while not (folder / "closed").exists():
        assert time.monotonic() < deadline, running.log()
        time.sleep(0.01)
    # More connections than there are threads.
    for _ in range(6):
        with socket.create_connection(("127.0.0.1", running.port), 10) as visitor:
            visitor.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            assert visitor.recv(1000)
    assert running.request("/nothing")[0] == 204


@pytest.mark.integration
def test_a_visitor_who_goes_in_the_middle_of_his_body(server: tuple[Server, Path]) -> None:
    """This blocks no thread, and is not logged as an error of the app."""
    running, _ = server
    before = running.log().count("Traceback")
    for _ in range(6):
        with socket.create_connection(("127.0.0.1", running.port), 10) as visitor:
            visitor.sendall(b"POST /lines HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc")
    assert running.request("/nothing")[0] == 204
    assert running.log().count("Traceback") == before


@pytest.mark.integration
def test_a_websocket_is_refused(server: tuple[Server, Path]) -> None:
    """WSGI does not support WebSockets."""
    connection = http.client.HTTPConnection("127.0.0.1", server[0].port, timeout=20)
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    connection.request("GET", "/", headers={**headers, "Sec-WebSocket-Key": "x" * 22 + "=="})
    assert connection.getresponse().status == 403
    connection.close()


SCRIPT = """
import multiprocessing
multiprocessing.set_start_method("spawn")
from appsvc_runtime.runserver import main
raise SystemExit(main(["--server", "SERVER", "app:app", "--port", "{port}"]))
"""
ASGI = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
"""


@pytest.mark.integration
@pytest.mark.parametrize(("name", "app"), [("granian", APP), ("granian", ASGI), ("uvicorn", ASGI)])
def test_workers_that_are_spawned(name: str, app: str, tmp_path: Path) -> None:
    """As on Windows and macOS: they do not run a runserver.py without a guard again."""
    (tmp_path / "app.py").write_text(app)
    port = run("-c", "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); "
               "print(s.getsockname()[1])").stdout.strip()  # fmt: skip
    script = SCRIPT.replace("SERVER", name).replace("{port}", port)
    (tmp_path / "runserver.py").write_text(script)
    with serving("runserver.py", cwd=tmp_path, port=int(port)) as running:
        assert running.request("/nothing")[0] == 204
        assert running.stop() == 0
        assert "bootstrapping" not in running.log()
