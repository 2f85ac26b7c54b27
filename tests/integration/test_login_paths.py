"""No form of request bypasses a sign-in: `require_login` and `signed_in`, on every real server.

Each app would return its secret, in a header and in the body, for any path and method. Every form
is sent with every method, over sockets, where no client normalises it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.middleware.test_principal import SIGN_IN, headers
from tests.support.fastcgi import FastCgiProcess
from tests.support.servers import ROOT, serving
from tests.support.signinforms import FORMS, METHODS, Form, exchange

SECRET = b"the-secret-of-the-app"
WSGI = """\
from appsvc_runtime import AppServiceMiddleware, Health

def site(environ, start_response):
    start_response("200 OK", [("X-Secret", "the-secret-of-the-app"), ("Content-Length", "21")])
    return [b"the-secret-of-the-app"]

app = AppServiceMiddleware(site, health=Health("/healthz"))
"""
ASGI = """\
from appsvc_runtime import AppServiceASGIMiddleware, Health

async def site(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"x-secret", SECRET)]})
        await send({"type": "websocket.send", "bytes": SECRET})
        return
    headers = [(b"x-secret", SECRET), (b"content-length", b"21")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": SECRET})

SECRET = b"the-secret-of-the-app"
app = AppServiceASGIMiddleware(site, health=Health("/healthz"))
"""
FLASK = """\
from flask import Flask, make_response

from appsvc_runtime import AppServiceMiddleware, signed_in

app = Flask(__name__, static_folder=None)
app.url_map.merge_slashes = False
METHODS = ["GET", "HEAD", "POST", "OPTIONS"]

@app.route("/", defaults={"path": ""}, methods=METHODS, provide_automatic_options=False)
@app.route("/<path:path>", methods=METHODS, provide_automatic_options=False)
@signed_in("aad")
def everything(path):
    return make_response("the-secret-of-the-app", 200, {"X-Secret": "the-secret-of-the-app"})

app.wsgi_app = AppServiceMiddleware(app.wsgi_app)
"""
STARLETTE = """\
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from appsvc_runtime import AppServiceASGIMiddleware, signed_in

SECRET = "the-secret-of-the-app"

@signed_in("aad")
async def everything(request):
    return PlainTextResponse(SECRET, headers={"X-Secret": SECRET})

@signed_in("aad")
async def socket(websocket):
    await websocket.accept(headers=[(b"x-secret", SECRET.encode())])
    await websocket.send_text(SECRET)

METHODS = ["GET", "HEAD", "POST", "OPTIONS"]
app = Starlette(
    routes=[
        Route("/{path:path}", everything, methods=METHODS),
        WebSocketRoute("/{path:path}", socket),
    ],
    middleware=[Middleware(AppServiceASGIMiddleware)],
)
"""
Send = Callable[[str, Form], bytes]
PRINCIPAL = tuple(headers().items())


class Server(NamedTuple):
    """A server, and whether it serves ASGI apps."""

    name: str
    is_asgi: bool = False


SERVERS = {
    "gunicorn": Server("gunicorn"),
    "waitress": Server("waitress"),
    "granian": Server("granian"),
    "wfastcgi": Server("wfastcgi"),
    "granian-asgi": Server("granian", is_asgi=True),
    "uvicorn": Server("uvicorn", is_asgi=True),
}
# What protects the app: variables, and the source of the app as WSGI and as ASGI.
GATES = {
    "require-aad": ({"APPSVC_REQUIRE_LOGIN": "aad"}, WSGI, ASGI),
    "require-401": ({"APPSVC_REQUIRE_LOGIN": "401", "APPSVC_PASS_WARMUP": "1"}, WSGI, ASGI),
    "require-https": ({"APPSVC_REQUIRE_LOGIN": "aad", "APPSVC_HTTPS_ONLY": "1"}, WSGI, ASGI),
    "signed_in": ({}, FLASK, STARLETTE),
}


@contextmanager
def requests(server: Server, gate: str, folder: Path) -> Iterator[Send]:
    """Serve the app of a gate, and yield a function that sends it one request."""
    variables, wsgi, asgi = GATES[gate]
    variables = {**SIGN_IN, **variables, "APPSVC_WORKERS": "1"}
    (folder / "app.py").write_text(asgi if server.is_asgi else wsgi)
    if server.name == "wfastcgi":
        handler = {"WSGI_HANDLER": "appsvc_runtime.wsgi.application", "APPSVC_APP": "app:app"}
        # Only the control case needs the identity.
        more = {**handler, "PYTHONPATH": str(ROOT), "APPSVC_FASTCGI_IDENTITY": "1"}
        with FastCgiProcess(folder, env={**variables, **more}) as process:
            yield lambda method, form: by_fastcgi(process, method, form)
        return
    command = ("-m", "appsvc_runtime", "serve", "app:app", "--server", server.name)
    listen = ("--host", "127.0.0.1", "--port", "{port}")
    with serving(*command, *listen, cwd=folder, **variables) as served:
        yield lambda method, form: exchange(served.port, method, form)


def by_fastcgi(process: FastCgiProcess, method: str, form: Form) -> bytes:
    """Send a form as IIS passes it on: PATH_INFO and SCRIPT_NAME are both the decoded path."""
    path, _, query = form.target.decode("latin-1").partition("?")
    answer = process.request(method, path, query=query, headers=form.headers)
    shown = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
    assert not answer.stderr, answer.stderr.decode()
    return f"HTTP/1.1 {answer.status} \r\n{shown}\r\n".encode("latin-1") + answer.body


def status(response: bytes) -> int:
    """Return a response's status; 0 if the server only closed the connection."""
    return int(response[9:12]) if response else 0


def is_refused(method: str, response: bytes) -> bool:
    """Return whether a response is a refusal, or ours to a probe, with nothing of the app."""
    found, body = status(response), response.partition(b"\r\n\r\n")[2]
    if SECRET in response or found == 101:
        return False
    if found == 200:
        own = (b"", b"OK\n", b'{"status": "healthy"}', b'{"status": "healthy", "checks": {}}')
        return body in own and (body != b"" or method == "HEAD")
    # gunicorn's response to a request that it does not pass on (SCRIPT_NAME as a header).
    return found < 500 or b"<title>Bad Request</title>" in body or found == 501


# The number in docs/security.md: each form by each method.
SUITE_CASES = {"test_no_form_passes": len(FORMS) * len(METHODS) * len(SERVERS) * len(GATES)}


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_no_form_passes(server: Server, gate: str, tmp_path: Path) -> None:
    """Without a principal no response has the secret.

    With one it does, or the test would prove nothing.
    """
    with requests(server, gate, tmp_path) as send:
        for method in METHODS:
            https = (("X-Forwarded-Proto", "https"),) if gate == "require-https" else ()
            control = send(method, Form(b"/secret.txt", PRINCIPAL + https))
            assert SECRET in control, (method, control)
            passed = []
            for form in FORMS:
                for more in {(), https}:
                    response = send(method, form._replace(headers=form.headers + more))
                    if not is_refused(method, response):
                        passed.append((form, more, response[:200]))
            assert passed == [], method


def test_forms_are_many_and_different() -> None:
    """The documentation states their number."""
    assert len(FORMS) == len(set(FORMS))
    assert len({form.target for form in FORMS}) >= 60


@pytest.mark.parametrize("script", ["/.auth/x", "/.auth", "/healthz", "/robots933456.txt", "/a"])
@pytest.mark.parametrize("path", ["", "/", "/secret.txt", "/../secret.txt"])
def test_script_name_of_a_fastcgi_request(script: str, path: str, tmp_path: Path) -> None:
    """The path may be split anywhere: an application below the site's root, a handler's path."""
    (tmp_path / "app.py").write_text(WSGI)
    variables = {
        **SIGN_IN, "APPSVC_REQUIRE_LOGIN": "aad", "APPSVC_APP": "app:app", "PYTHONPATH": str(ROOT),
        "WSGI_HANDLER": "appsvc_runtime.wsgi.application",
    }  # fmt: skip
    with FastCgiProcess(tmp_path, env=variables) as process:
        for method in METHODS:
            for url in ({}, {"X-Original-URL": "/.auth/%2e%2e/secret.txt"}):
                answer = process.request(
                    method,
                    "/",
                    headers=url,
                    extra_params={"SCRIPT_NAME": script, "PATH_INFO": path},
                )
                assert answer.status in (302, 404), answer
                assert SECRET not in answer.body


HANDSHAKE = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)


@pytest.mark.parametrize("gate", ["require-aad", "signed_in"])
@pytest.mark.parametrize("server", ["granian-asgi", "uvicorn"])
def test_no_websocket_opens(server: str, gate: str, tmp_path: Path) -> None:
    """Every path is refused before the WebSocket is accepted, unless the user is signed in."""
    with requests(SERVERS[server], gate, tmp_path) as send:
        paths = (b"/secret.txt", b"/.auth/x", b"/%2eauth/x", b"/healthz/", b"//robots933456.txt")
        for path in paths:
            refused = send("GET", Form(path, HANDSHAKE))
            assert status(refused) in (401, 403, 404), refused
            assert SECRET not in refused
        opened = send("GET", Form(b"/secret.txt", HANDSHAKE + PRINCIPAL))
        assert status(opened) == 101
        assert SECRET in opened
