"""Clients that stall do not stop others, and slow ones are served, on every server."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks._apps import write_stallable
from benchmarks._load import STALLS, stalled, visit
from tests.support.promises import need
from tests.support.pythons import only_on
from tests.support.servers import Server, serving

pytestmark = pytest.mark.integration
resource = pytest.importorskip("resource", reason="POSIX has these limits")

# Of one kind, as in `benchmarks.stalled`, which shows the figures of docs/servers.md.
CLIENTS = 300
OTHERS = 20
SERVE = ("-m", "appsvc_runtime", "serve", "--host", "127.0.0.1", "--port", "{port}", "--server")
ROWS = {
    "gunicorn": (*SERVE, "gunicorn", "app:app"),
    "waitress": (*SERVE, "waitress", "app:app"),
    "runserver": ("-m", "appsvc_runtime.runserver", "--port", "{port}", "app:app"),
    "granian": (*SERVE, "granian", "app:app"),
    "granian-asgi": (*SERVE, "granian", "asgi_app:app"),
    "uvicorn": (*SERVE, "uvicorn", "asgi_app:app"),
}
rows = pytest.mark.parametrize("name", ROWS)
BESIDE_STALLED = "Three hundred, which may also read nothing, do not stop others"
NEVER_CUT = "A client that moves at least 1 KB/s is never cut, and one that stalls is"
# What a server does in minutes, in seconds. Put before the app, as every worker imports it.
SHORT = """\
from appsvc_runtime.serving import defaults
defaults.STALL_SECONDS, defaults.STALL_BYTES = 8.0, 4_000
defaults.WRITE_STALL_SECONDS = 8.0
"""
WSGI = """
def app(environ, start_response):
    if environ["PATH_INFO"] == "/big":
        start_response("200 OK", [("Content-Length", str(65536 * 256))])
        return (b"x" * 65536 for _ in range(256))
    body = str(len(environ["wsgi.input"].read())).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
ASGI = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    length, more = 0, scope["path"] != "/big"
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(256 if scope["path"] == "/big" else 0):
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    await send({"type": "http.response.body", "body": str(length).encode()})
"""


@only_on(12)
@rows
def test_others_are_answered_beside_stalled_clients(name: str, tmp_path: Path) -> None:
    """All four kinds at once, and then all of them are gone again.

    Each kind alone would take all threads, or all connections that plain servers accept.
    """
    need("waitress" if name == "runserver" else name, BESIDE_STALLED)
    command = ROWS[name]
    with serving(*command, cwd=write_stallable(tmp_path)) as server, contextlib.ExitStack() as all_:
        for kind in STALLS:
            all_.enter_context(stalled(server.port, kind, CLIENTS))
        assert visit(server.port, OTHERS, 5, 15.0).answered == OTHERS, server.log()
        all_.close()
        assert visit(server.port, OTHERS, 5, 15.0).answered == OTHERS, server.log()


@only_on(14)
@rows
def test_a_system_that_allows_1024_files(name: str, tmp_path: Path) -> None:
    """The server cannot raise its limit, and has 300 idle clients."""
    need("waitress" if name == "runserver" else name, BESIDE_STALLED)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    start = (
        "import os, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
    )
    assert hard == resource.RLIM_INFINITY or hard >= 1024 <= soft
    folder = write_stallable(tmp_path)
    with (
        serving("-c", start, *ROWS[name], cwd=folder) as server,
        stalled(server.port, "idle", CLIENTS),
        stalled(server.port, "reads nothing", CLIENTS // 4),
    ):
        assert visit(server.port, OTHERS, 5, 15.0).answered == OTHERS, server.log()


def connect(port: int) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    client.connect(("127.0.0.1", port))
    return client


def send_slowly(server: Server) -> None:
    """Send a body at 1 KB/s for longer than the time limit, and get the response."""
    with connect(server.port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12288\r\n\r\n")
        for _ in range(48):
            client.sendall(b"x" * 256)
            time.sleep(0.25)
        assert client.recv(4096).startswith(b"HTTP/1.1 200"), server.log()


def read_slowly(server: Server) -> None:
    """Read a long response at 1 KB/s for longer than the time limit; then the rest."""
    with connect(server.port) as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        count = 0
        for _ in range(48):
            count += len(client.recv(256))
            time.sleep(0.25)
        while data := client.recv(1024 * 1024):
            count += len(data)
        assert count > 65536 * 256, server.log()


def read_nothing(server: Server) -> None:
    """Read nothing for longer than the time limit: the rest of the response does not come."""
    with connect(server.port) as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        deadline = time.monotonic() + 60
        address = "{}:{}".format(*client.getsockname())
        while is_connected(server.port, client.getsockname()[1]):
            assert time.monotonic() < deadline, f"{address} is not cut\n{server.log()}"
            time.sleep(0.1)


def send_half(server: Server) -> None:
    """Send half of a body, and no more: the server responds with 408, or closes."""
    with connect(server.port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        client.settimeout(60)
        with contextlib.suppress(ConnectionError):
            response = client.recv(4096)
            assert response == b"" or response.startswith(b"HTTP/1.1 408"), response


def is_connected(port: int, client: int) -> bool:
    """Return whether the server has this connection open."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[1].endswith(f":{port:04X}") and words[2].endswith(f":{client:04X}"):
            return words[3] == "01"
    return False


@only_on(10)
@pytest.mark.parametrize(
    ("name", "source", "clients"),
    [
        pytest.param(
            "gunicorn", WSGI, (send_slowly, read_slowly, read_nothing, send_half), id="gunicorn"
        ),
        pytest.param("waitress", WSGI, (send_slowly, read_slowly, read_nothing), id="waitress"),
        pytest.param(
            "granian", WSGI, (send_slowly, read_slowly, read_nothing, send_half), id="granian"
        ),
        # Nobody but the app knows how long it may wait for a body.
        pytest.param(
            "granian-asgi", ASGI, (send_slowly, read_slowly, read_nothing), id="granian-asgi"
        ),
        pytest.param("uvicorn", ASGI, (send_slowly, read_slowly, read_nothing), id="uvicorn"),
    ],
)
def test_slow_clients_are_served_and_stalled_ones_are_cut(
    name: str, source: str, clients: tuple[Callable[[Server], None], ...], tmp_path: Path
) -> None:
    """A client that moves 1 KB/s is never cut, in either direction."""
    need(name, NEVER_CUT)
    (tmp_path / "app.py").write_text(SHORT + source)
    failed: list[BaseException] = []

    def run(client: Callable[[Server], None], running: Server) -> None:
        try:
            client(running)
        except BaseException as error:
            failed.append(error)

    with serving(*SERVE, name.partition("-")[0], "app:app", cwd=tmp_path) as running:
        threads = [threading.Thread(target=run, args=(one, running)) for one in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == [], running.log()
