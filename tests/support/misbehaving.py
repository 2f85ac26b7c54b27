"""What a client gets from a misbehaving app: one request, and others beside it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from tests.support.servers import Server

__all__ = ["answered", "descriptors", "request", "wait_for", "worker"]

_BROKEN = (OSError, http.client.HTTPException)
# Longer than any response takes on a busy machine.
_SECONDS = 20
# After so long an app that never responds is taken for one.
_PATIENCE = 0.5
OTHERS = 30
_BODY = b"x" * 200_000
_CLOSE = b"\x88"  # the first byte of a WebSocket's frame
_KEY = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
_KEY += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def answered(server: Server) -> int:
    """Return how many of the other requests are answered, on three connections."""
    count = 0
    for _ in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_SECONDS)
        with (
            contextlib.closing(connection),
            contextlib.suppress(*_BROKEN),
        ):
            for _ in range(OTHERS // 3):
                connection.request("GET", "/")
                response = connection.getresponse()
                count += (response.status, response.read()[:1]) == (200, b"{")
    return count


def worker(server: Server) -> int:
    """Return the process id of the worker that answers."""
    status, _, body = server.request("/")
    assert status == 200, (status, body, server.log())
    return int(json.loads(body)["pid"])


def descriptors(pid: int) -> dict[str, str]:
    """Return the descriptors that a process has open."""
    found = {}
    folder = Path(f"/proc/{pid}/fd")
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            found[name] = os.readlink(folder / name)
    return found


def request(server: Server, path: str, kind: str, expected: str) -> str:
    """Send a request, and return what the client gets: see `_outcome`."""
    method = kind if kind in ("HEAD", "POST") else "GET"
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\n"
    body = b""
    if kind == "POST":
        body = _BODY
        head += f"Content-Length: {len(body)}\r\n"
    elif kind == "websocket":
        head += _KEY
    with socket.create_connection(("127.0.0.1", server.port), _SECONDS) as client:
        # A server may respond, and close, before it has read the body.
        with contextlib.suppress(ConnectionError):
            client.sendall(head.encode() + b"\r\n" + body)
        return _outcome(client, kind, expected)


def _outcome(client: socket.socket, kind: str, expected: str) -> str:
    """Return what the client gets.

    The status of a whole response; "cut" for one that ends too early; "none" for a connection that
    is closed without one; "waits" if nothing more comes; "left" for a client that has left.
    """
    if expected == "waits":
        client.settimeout(_PATIENCE)
    response = http.client.HTTPResponse(client, method="HEAD" if kind == "HEAD" else "GET")
    status = "none"
    try:
        response.begin()
        status = "cut"
        assert not response.headers.get("X-Injected")
        if kind == "leaves":
            response.read(100_000)
            return "left"
        if response.status == 101:
            return _frames(response.fp)
        response.read()
    except TimeoutError:
        return "waits"
    except _BROKEN:
        return status
    finally:
        response.close()
    return str(response.status)


def _frames(stream: Any) -> str:
    """Return "closed" if the server closes a WebSocket, with a frame or without one."""
    try:
        while (data := stream.read1(65536)) and not data.startswith(_CLOSE):
            pass
    except TimeoutError:
        return "waits"
    except OSError:
        return "closed"
    return "closed"


def wait_for(call: Any, seconds: float = 20) -> Any:
    """Return the last result of a call: a true one, or what it returns at the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := call()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found
