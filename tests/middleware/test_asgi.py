"""The middleware for ASGI: scopes made by hand, and both examples under uvicorn and gunicorn."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.middleware.asgi import AppServiceASGIMiddleware
from appsvc_runtime.middleware.health import Health
from tests.middleware.test_principal import SIGN_IN
from tests.middleware.test_principal import headers as identity
from tests.support.servers import ROOT, Server, clean_environ, free_port
from tests.support.wsgi import APP_SERVICE, FRONT_END

FRONT = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7:51234"}
PROBE_OUTSIDE = {
    "User-Agent": "AlwaysOn",
    "X-FD-HealthProbe": "1",
    "X-Forwarded-For": "203.0.113.7",
}


def make_scope(headers: dict[str, str] | None = None, **changed: Any) -> dict[str, Any]:
    raw = [
        (name.lower().encode(), value.encode("latin-1"))
        for name, value in {"Host": "mysite.azurewebsites.net", **(headers or {})}.items()
    ]
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "",
        "headers": raw, "client": (FRONT_END, 40000), "server": ("0.0.0.0", 8000), **changed,
    }  # fmt: skip


class App:
    """An ASGI app that keeps the scope it gets."""

    def __init__(self) -> None:
        self.scope: dict[str, Any] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send a response with status 200."""
        self.scope = scope
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"app"})


def ask(
    scope: dict[str, Any], variables: dict[str, str] | None = None, **options: Any
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Return the scope that the app got, None if it was not called, and what was sent."""
    app, sent = App(), []
    middleware = AppServiceASGIMiddleware(
        app, environ=APP_SERVICE if variables is None else variables, **options
    )

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    asyncio.run(middleware(scope, receive, send))
    return app.scope, sent


def header(scope: dict[str, Any], name: str) -> list[str]:
    return [v.decode("latin-1") for k, v in scope["headers"] if k == name.lower().encode()]


def test_scheme_and_client_are_the_visitors() -> None:
    """Both are in the scope, where frameworks look; the server's own scope is unchanged."""
    scope = make_scope(FRONT)
    seen, _ = ask(scope)
    assert seen is not None
    assert seen["scheme"] == "https"
    assert seen["client"] == ("203.0.113.7", 51234)
    assert seen["appsvc.request"].is_secure
    assert header(seen, "X-Forwarded-Proto") == ["https"]
    assert (scope["scheme"], scope["client"]) == ("http", (FRONT_END, 40000))


def test_stranger_is_not_believed() -> None:
    """Headers that only the front end may send are removed, in any spelling."""
    forged = {**FRONT, **identity(), "X_Forwarded_Proto": "https", "X_MS_CLIENT_PRINCIPAL": "x"}
    seen, _ = ask(make_scope(forged, client=("198.51.100.1", 1)), SIGN_IN)
    assert seen is not None
    assert (seen["scheme"], seen["client"]) == ("http", ("198.51.100.1", 1))
    assert [name for name, _ in seen["headers"]] == [b"host"]
    assert seen["appsvc.request"].principal is None


def test_header_with_underscores_never_passes_for_another() -> None:
    """This holds also for the front end, which passes on headers that it does not know."""
    forged = {name.replace("-", "_"): value for name, value in identity().items()}
    seen, _ = ask(make_scope({**FRONT, **forged}), SIGN_IN)
    assert seen is not None
    assert seen["appsvc.request"].principal is None
    assert not [name for name, _ in seen["headers"] if b"_" in name]


def test_signed_in() -> None:
    """The principal is read on first access; a header that is sent twice signs in no user."""
    seen, _ = ask(make_scope({**FRONT, **identity()}), SIGN_IN)
    assert seen is not None
    assert seen["appsvc.request"].principal.id == "1234"
    twice = make_scope({**FRONT, **identity()})
    twice["headers"] += [pair for pair in twice["headers"] if pair[0] == b"x-ms-client-principal"]
    seen, _ = ask(twice, SIGN_IN)
    assert seen is not None
    assert seen["appsvc.request"].principal is None


@pytest.mark.parametrize(
    ("scope", "options", "status"),
    [
        (make_scope(path="/robots933456.txt"), {}, 200),
        (make_scope(path="/healthz"), {"health": Health()}, 200),
        (make_scope(path="/healthz"), {"health": Health(checks={"a": lambda: False})}, 503),
        (make_scope(path="/healthz", method="POST"), {"health": Health()}, 405),
        (make_scope(path="/"), {"require_login": "401"}, 401),
        (make_scope(path="/"), {"require_login": "aad"}, 302),
        (make_scope(path="/"), {"https_only": True}, 308),
        (make_scope(PROBE_OUTSIDE), {"https_only": True}, 308),
        (make_scope(path="/healthz"), {"https_only": True, "health": Health()}, 200),
    ],
    ids=[
        "warm-up",
        "health",
        "ill",
        "method",
        "401",
        "sign-in",
        "https-only",
        "probe-of-a-client",
        "health-plain",
    ],
)
def test_answered_for_the_app(scope: dict[str, Any], options: dict[str, Any], status: int) -> None:
    """The app is not called."""
    seen, sent = ask(scope, **options)
    assert seen is None
    assert sent[0]["status"] == status
    assert len(sent) == 2


ROOTS: list[Any] = [
    pytest.param({"path": "/api/healthz", "root_path": "/api"}, 200, id="root-in-path"),
    pytest.param({"path": "/healthz", "root_path": "/api"}, 200, id="root-apart"),
    pytest.param({"path": "/\u00e9/healthz", "root_path": "/\u00e9/"}, 200, id="no-ascii"),
    pytest.param({"path": "/api/healthz", "root_path": ""}, None, id="no-root"),
    pytest.param({"path": "/apihealthz", "root_path": "/api"}, None, id="other-name"),
]


@pytest.mark.parametrize("twice", [False, True], ids=["one", "two"])
@pytest.mark.parametrize(("changed", "status"), ROOTS)
def test_paths_are_below_the_root(changed: dict[str, Any], status: int | None, twice: bool) -> None:
    """As under WSGI: `uvicorn --root-path`, or an app mounted behind another middleware."""
    app, sent = App(), []

    async def send(message: Any) -> None:
        sent.append(dict(message))

    inner = AppServiceASGIMiddleware(app, environ=APP_SERVICE, health=Health())

    async def mount(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, **changed}, receive, send)

    whole = AppServiceASGIMiddleware(mount, environ=APP_SERVICE) if twice else inner
    scope = make_scope(path="/") if twice else make_scope(**changed)
    asyncio.run(whole(scope, None, send))
    assert (app.scope is None) == (status is not None)
    assert sent[0]["status"] == 200
    assert status is None or json.loads(sent[1]["body"]) == {"status": "healthy"}


def test_redirect_of_a_root_that_is_not_ascii() -> None:
    """Its bytes are UTF-8, as those of the path after it."""
    _, sent = ask(make_scope(path="/b", root_path="/\u00e9"), https_only=True)
    assert dict(sent[0]["headers"])[b"location"].endswith(b"/%C3%A9/b")


def test_head_gets_no_body() -> None:
    """The response has the length of the body, as under WSGI."""
    _, sent = ask(make_scope(path="/healthz", method="HEAD"), health=Health())
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"")
    assert dict(sent[0]["headers"])[b"content-length"] == b"21"


def test_hsts_over_https() -> None:
    """Responses over https have the header."""
    _, sent = ask(make_scope(FRONT), https_only=True)
    assert (b"strict-transport-security", b"max-age=31536000") in sent[0]["headers"]


def test_websockets() -> None:
    """Their schemes are wss and ws; a refusal comes before they open."""
    scope = make_scope(FRONT, type="websocket", scheme="ws")
    seen, _ = ask(scope)
    assert seen is not None
    assert seen["scheme"] == "wss"
    seen, sent = ask(scope, require_login="aad")
    assert seen is None
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_lifespan_is_passed_on() -> None:
    """The scope is passed on unchanged."""
    seen, _ = ask({"type": "lifespan"}, health=Health())
    assert seen == {"type": "lifespan"}


def test_inert_off_the_platform() -> None:
    """Only the headers that could sign in a user are removed."""
    scope = make_scope(FRONT)
    seen, _ = ask(scope, {})
    assert seen is not None
    assert {key: seen[key] for key in scope} == scope
    seen, _ = ask(make_scope(identity()), {})
    assert seen is not None
    assert [name for name, _ in seen["headers"]] == [b"host"]


@given(
    sent=st.lists(
        st.tuples(
            st.sampled_from([b"x-ms-client-principal", b"x-forwarded-for", b"host", b"x_ms_x"])
            | st.binary(max_size=10),
            st.binary(max_size=20),
        ),
        max_size=8,
    ),
    path=st.text(max_size=10),
    trusted=st.booleans(),
)
def test_any_headers(sent: list[tuple[bytes, bytes]], path: str, trusted: bool) -> None:
    """There is no exception, and an untrusted peer signs in no user."""
    peer = FRONT_END if trusted else "198.51.100.1"
    scope = {**make_scope(path=path, client=(peer, 1)), "headers": sent}
    seen, _ = ask(scope, SIGN_IN)
    if seen is not None and not trusted:
        assert seen["appsvc.request"].principal is None
        assert not [name for name, _ in seen["headers"] if name.startswith(b"x-ms-client-")]


@contextmanager
def serving_asgi(example: str, server: str) -> Iterator[Server]:
    """Run an example under a server until the block ends."""
    port = free_port()
    commands = {
        "uvicorn": ["uvicorn", "main:app", "--port", str(port), "--no-proxy-headers"],
        "gunicorn": [
            *("gunicorn", "-k", "uvicorn_worker.UvicornWorker"),
            *("-b", f"127.0.0.1:{port}", "main:app"),
        ],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", *commands[server]],
        cwd=ROOT / "examples" / example,
        # No forwarded_allow_ips: uvicorn's worker would decide before the middleware.
        env=clean_environ(**SIGN_IN, FORWARDED_ALLOW_IPS="", PYTHONDONTWRITEBYTECODE="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    made = Server(process, port, ROOT / "setup.cfg")
    try:
        made.wait_until_it_listens()
        yield made
    finally:
        process.kill()
        process.wait()


@pytest.mark.integration
@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
@pytest.mark.parametrize("example", ["fastapi_app", "starlette_app"])
def test_example_under_a_real_server(example: str, server: str) -> None:
    """Scheme, client, user, health; after SIGTERM, 503 before the end."""
    with serving_asgi(example, server) as served:
        status, _, body = served.request("/visitor.json", {**FRONT, "Host": "site.example"})
        assert status == 200
        assert json.loads(body) == {
            "url": "https://site.example/visitor.json",
            "scheme": "https",
            "client": "203.0.113.7",
            "forwarded_proto": "https",
            "user": None,
        }
        assert json.loads(served.request("/account", {**FRONT, **identity()})[2]) == {
            "id": "1234",
            "name": "ann@example.com",
            "roles": ["admin", "editor"],
        }
        status, found, _ = served.request("/account", FRONT)
        assert (status, found["location"]) == (
            302,
            "/.auth/login/aad?post_login_redirect_uri=%2Faccount",
        )
        assert served.request("/robots933456.txt")[0] == 200
        assert json.loads(served.request("/healthz")[2])["checks"]["app"]["status"] == "healthy"
        served.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        seen = set()
        while served.process.poll() is None and time.monotonic() < deadline:
            try:
                seen.add(served.request("/healthz")[0])
            except OSError:
                break
        assert 503 in seen
        # uvicorn ends by the signal that stopped it.
        assert served.process.wait(20) in (0, -signal.SIGTERM)
