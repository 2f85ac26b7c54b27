"""Workers of gunicorn for ASGI: their app is behind the middleware too, or is not served."""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from tests.support.serverapps import PLATFORM
from tests.support.servers import run, serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
ASGI = """\
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    body = f"{scope['appsvc.request'].principal} {scope['client'][0]}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
# A class of which nothing shows whether it serves WSGI or ASGI.
OTHER = """\
from gunicorn.workers.base import Worker

class Odd(Worker):
    def run(self):
        print("it serves", flush=True)
        raise SystemExit(3)  # by which gunicorn itself ends

def app(environ, start_response):
    raise AssertionError
"""
GUNICORN = ("-m", "gunicorn", "-c", "python:appsvc_runtime.gunicorn_conf", "-b")
REQUIRED = {**PLATFORM, "WEBSITE_AUTH_ENABLED": "true", "APPSVC_REQUIRE_LOGIN": "401"}
CLAIMS = {"auth_typ": "aad", "claims": [{"typ": "oid", "val": "1234"}]}
FRONT_END = {
    "X-Forwarded-For": "203.0.113.7:1",
    "X-MS-CLIENT-PRINCIPAL": base64.b64encode(json.dumps(CLAIMS).encode()).decode(),
}
WORKERS = [
    pytest.param("uvicorn_worker.UvicornWorker", id="uvicorn"),
    pytest.param(
        "asgi", id="gunicorns-own",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("gunicorn.workers.gasgi") is None,
            reason="this release of gunicorn has none",
        ),
    ),
]  # fmt: skip


@pytest.mark.integration
@pytest.mark.parametrize("worker", WORKERS)
def test_a_required_sign_in_is_required_of_asgi_apps(worker: str, tmp_path: Path) -> None:
    """Without a user there is no page; with one, the app sees user and client."""
    (tmp_path / "app.py").write_text(ASGI)
    command = (*GUNICORN, "127.0.0.1:{port}", "-k", worker, "-w", "1", "app:app")
    with serving(*command, cwd=tmp_path, **REQUIRED) as server:
        assert server.request("/")[0] == 401
        assert server.request("/", {"X_MS_CLIENT_PRINCIPAL": "e30="})[0] == 401
        status, _, body = server.request("/", FRONT_END)
        assert (status, body) == (200, b"Principal(id='1234', provider='aad') 203.0.113.7")
        two_hosts = [("Host", "a.example"), ("Host", "b.example"), *FRONT_END.items()]
        assert server.request("/", two_hosts)[0] == 400


@pytest.mark.parametrize("required", [True, False])
def test_a_worker_that_nobody_knows(required: bool, tmp_path: Path) -> None:
    """Its app cannot be put behind the middleware: with a required sign-in it does not start."""
    (tmp_path / "odd.py").write_text(OTHER)
    variables = {**REQUIRED, "APPSVC_REQUIRE_LOGIN": "401" if required else ""}
    words = ("127.0.0.1:0", "-k", "odd.Odd", "-w", "1", "odd:app")
    done = run(*GUNICORN, *words, cwd=tmp_path, **variables)
    told = done.stdout + done.stderr
    assert ("APPSVC_REQUIRE_LOGIN is set, and the app of a Odd" in told) is required, told
    assert ("it serves" in told) is not required, told
    assert "Traceback" not in told
