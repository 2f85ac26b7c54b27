"""`X-Forwarded-Prefix` under every server: apps see one path, however the gateway sends it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.serverapps import PLATFORM
from tests.support.servers import serving

WSGI = """\
import json

def app(environ, start_response):
    seen = [environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")]
    seen = [text.encode("latin-1").decode() for text in seen]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]
"""
ASGI = """\
import json
from urllib.parse import unquote

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    root, path = scope.get("root_path", ""), scope["path"]
    assert path.startswith(root)
    assert unquote(scope["raw_path"].decode()) == path
    body = json.dumps([root, path[len(root):]]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""
SERVERS = {
    "gunicorn": WSGI,
    "waitress": WSGI,
    "granian": WSGI,
    "granian-asgi": ASGI,
    "uvicorn": ASGI,
}
CASES = [
    # path of the request, the header, what the app sees
    ("/x", "/shop", ["/shop", "/x"]),
    ("/shop/x?y=1", "/shop/", ["/shop", "/x"]),
    ("/shopping", "/shop", ["/shop", "/shopping"]),
    ("/caf%C3%A9/a%20b", "/caf%C3%A9", ["/caf\u00e9", "/a b"]),
    ("/x", "/evil,/shop", ["/shop", "/x"]),
    ("/x", "//evil.example", ["", "/x"]),
    ("/x", "/../x", ["", "/x"]),
    ("/x", None, ["", "/x"]),
]


@pytest.mark.parametrize("row", SERVERS)
def test_each_server(row: str, tmp_path: Path) -> None:
    """The prefix is the app's root, with and without it in the path; bad values are ignored."""
    (tmp_path / "app.py").write_text(SERVERS[row])
    command = ("-m", "appsvc_runtime", "serve", "app:app", "--server", row.removesuffix("-asgi"))
    with serving(
        *command, "--host", "127.0.0.1", "--port", "{port}", cwd=tmp_path,
        APPSVC_PATH_PREFIX="1", APPSVC_WORKERS="1", **PLATFORM,
    ) as server:  # fmt: skip
        for path, prefix, seen in CASES:
            headers = {"X-Forwarded-Prefix": prefix} if prefix else {}
            status, _, body = server.request(path, headers)
            assert status == 200, server.log()
            assert json.loads(body) == seen, (path, prefix)
