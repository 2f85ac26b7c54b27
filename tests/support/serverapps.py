"""One small app for every server, as WSGI and as ASGI, and the commands that serve it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import Server

__all__ = ["PLATFORM", "ROWS", "Row", "asked", "rows"]

# As on App Service: the front end, which is loopback here, is trusted.
PLATFORM = {"WEBSITE_SITE_NAME": "site", "WEBSITE_INSTANCE_ID": "0a1b2c3d4e"}

WSGI = """\
import json, os, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path in ("/slow", "/short", "/stuck"):
        time.sleep({"/slow": 0.8, "/short": 0.02, "/stuck": 60}[path])
    if path == "/die":
        os._exit(9)
    if path == "/raise":
        raise RuntimeError("the app broke")
    if path == "/big":
        body = [b"x" * 65536] * 160
    elif path == "/stream":
        body = (b"x" * 65536 for _ in range(160))
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return body
    elif path == "/page":
        body = [b"x" * 65536] * 4
    elif path == "/length":
        chunks = iter(lambda: environ["wsgi.input"].read(65536), b"")
        body = [str(sum(map(len, chunks))).encode()]
    else:
        seen = {
            "pid": os.getpid(),
            "path": path,
            "scheme": environ["wsgi.url_scheme"],
            "client": environ["REMOTE_ADDR"],
            "principal": getattr(environ["appsvc.request"].principal, "name", None),
            "headers": sorted(key[5:] for key in environ if key.startswith("HTTP_")),
            "environment": sorted(set(os.environ) & set(environ)),
        }
        body = [json.dumps(seen).encode()]
    start_response("200 OK", [("Content-Length", str(sum(map(len, body))))])
    return body
"""
ASGI = """\
import asyncio, json, os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    path, came = scope["path"], scope["headers"]
    if path in ("/slow", "/short", "/stuck"):
        await asyncio.sleep({"/slow": 0.8, "/short": 0.02, "/stuck": 60}[path])
    if path == "/die":
        os._exit(9)
    if path == "/raise":
        raise RuntimeError("the app broke")
    parts = []
    headers = []
    if path in ("/big", "/stream"):
        parts = [b"x" * 65536] * 160
    elif path == "/page":
        parts = [b"x" * 65536] * 4
    elif path == "/length":
        length, more = 0, True
        while more:
            message = await receive()
            length += len(message.get("body", b""))
            more = message.get("more_body", False)
        parts = [str(length).encode()]
    else:
        seen = {
            "pid": os.getpid(),
            "path": path,
            "scheme": scope["scheme"],
            "client": scope["client"][0],
            "principal": getattr(scope["appsvc.request"].principal, "name", None),
            "headers": sorted({name.decode().upper().replace("-", "_") for name, _ in came}),
            "environment": [],
        }
        parts = [json.dumps(seen).encode()]
    if path != "/stream":
        headers = [(b"content-length", str(sum(map(len, parts))).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})
"""


@dataclass(frozen=True)
class Row:
    """A server and a kind of app; `no_app` is the exit code if the app cannot be loaded."""

    server: str
    source: str
    processes: int = 2
    no_app: int = 1

    def site(self, folder: Path) -> Path:
        """Write the app into a folder, and return the folder."""
        (folder / "app.py").write_text(self.source)
        return folder

    @property
    def serve(self) -> tuple[str, ...]:
        """Return the command for the container, on loopback."""
        door = ("-m", "appsvc_runtime", "serve", "app:app", "--server", self.server)
        return (*door, "--host", "127.0.0.1", "--port", "{port}")

    @property
    def runserver(self) -> tuple[str, ...]:
        """Return the command for HttpPlatformHandler."""
        return ("-m", "appsvc_runtime.runserver", "app:app", "--server", self.server)


ROWS = {
    "gunicorn": Row("gunicorn", WSGI, no_app=4),
    "waitress": Row("waitress", WSGI, processes=1),
    "granian": Row("granian", WSGI),
    "granian-asgi": Row("granian", ASGI),
    "uvicorn": Row("uvicorn", ASGI),
}


def rows(*names: str) -> pytest.MarkDecorator:
    """Return the mark of a test that runs for these rows; without names, for all rows."""
    chosen = [pytest.param(ROWS[name], id=name) for name in names or ROWS]
    return pytest.mark.parametrize("row", chosen)


def asked(server: Server, headers: Any = (), path: str = "/") -> dict[str, Any]:
    """Return what the app reports about a request."""
    status, _, body = server.request(path, headers)
    assert status == 200, (status, body, server.log())
    found: dict[str, Any] = json.loads(body)
    return found
