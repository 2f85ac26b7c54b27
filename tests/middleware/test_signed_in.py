"""`signed_in`: which objects are requests, and a refusal in the form of each framework."""

from __future__ import annotations

import asyncio
import json
import sys
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import fastapi
import pytest
from django.utils.decorators import method_decorator
from fastapi import Depends, FastAPI, Request, WebSocket
from fastapi.requests import HTTPConnection
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from appsvc_runtime import AppServiceASGIMiddleware, AppServiceMiddleware
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.middleware.principal import Principal
from appsvc_runtime.middleware.request_info import RequestInfo
from appsvc_runtime.middleware.signed_in import signed_in
from tests.middleware.test_asgi import make_scope
from tests.middleware.test_principal import SIGN_IN, headers, principal
from tests.support.asgi import call_asgi
from tests.support.wsgi import FRONT_END, make_environ

GOOGLE = headers(
    X_MS_CLIENT_PRINCIPAL=principal(auth_typ="google"), X_MS_CLIENT_PRINCIPAL_IDP="google"
)
ROLES_ONLY = headers(X_MS_CLIENT_PRINCIPAL=principal([{"typ": "oid", "val": "1234"}]))


def forged() -> RequestInfo:
    """Return what the middleware would set for an administrator."""
    info = RequestInfo("https", "h", "203.0.113.7", None, None)
    info._principal = Principal("1", "admin", "aad")
    return info


FORGED_ENVIRON = {"appsvc.request": forged(), "PATH_INFO": "/"}
FORGED_SCOPE = {"type": "http", "appsvc.environ": FORGED_ENVIRON, "headers": [], "path": "/"}


class Body(BaseModel):
    """A request body with the attributes of a request."""

    META: dict[str, Any]
    scope: dict[str, Any]
    environ: dict[str, Any]
    _request: Any = None


class Lying:
    """An object that pretends to be a request of Starlette."""

    META = FORGED_ENVIRON
    scope = FORGED_SCOPE
    environ = FORGED_ENVIRON

    @property
    def __class__(self) -> Any:
        return Request


LOOK_ALIKES = {
    "namespace": SimpleNamespace(META=FORGED_ENVIRON, scope=FORGED_SCOPE, environ=FORGED_ENVIRON),
    "model": Body(META=FORGED_ENVIRON, scope=FORGED_SCOPE, environ=FORGED_ENVIRON),
    "mock": Mock(spec=Request, scope=FORGED_SCOPE),
    "lying": Lying(),
    "dict": {"META": FORGED_ENVIRON, "scope": FORGED_SCOPE, "type": "http"},
    "environ": FORGED_ENVIRON,
    "class": Request,
    "nothing": None,
}


@pytest.mark.parametrize("value", LOOK_ALIKES.values(), ids=LOOK_ALIKES)
@pytest.mark.parametrize("named", [False, True], ids=["positional", "named"])
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_what_is_no_request_is_an_error(value: Any, named: bool, kind: str) -> None:
    """Its attributes do not matter: the view does not run."""
    ran = []

    @signed_in()
    def plain(value: Any) -> None:
        ran.append(value)

    @signed_in()
    async def later(value: Any) -> None:
        ran.append(value)

    view = plain if kind == "plain" else lambda **given: asyncio.run(later(**given))
    with pytest.raises(TypeError, match="request: Request"):
        view(value=value) if named or kind == "async" else view(value)
    assert ran == []


def test_flask_beside_another_framework_is_not_asked() -> None:
    """Flask is imported but handles no request: the error is not Flask's own about its context."""
    import flask

    assert not flask.has_request_context()

    @signed_in("aad")
    def view(number: int) -> int:
        return number

    with pytest.raises(TypeError, match="'view'"):
        view(1)


def test_no_framework_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only frameworks that are already imported are used."""
    for name in ("flask", "django.http.request", "starlette.requests", "rest_framework.request"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delitem(sys.modules, "werkzeug.wrappers.request", raising=False)

    @signed_in()
    def view(number: int) -> int:
        return number

    with pytest.raises(TypeError):
        view(1)
    assert not {"flask", "django.http.request", "starlette.requests"} & set(sys.modules)


@pytest.mark.parametrize(
    "make",
    [
        lambda: signed_in(lambda request: None),  # type: ignore[arg-type]
        lambda: signed_in(""),
        lambda: signed_in("false"),
        lambda: signed_in("true"),
        lambda: signed_in("401,aad"),
        lambda: signed_in("aad,"),
        lambda: signed_in("a/b"),
        lambda: signed_in(None),  # type: ignore[arg-type]
        lambda: signed_in(roles=[]),
        lambda: signed_in(roles=""),
        lambda: signed_in(roles=["admin", ""]),
        lambda: signed_in(roles=[None]),  # type: ignore[list-item]
        lambda: signed_in()(Body),
        lambda: signed_in()(None),  # type: ignore[type-var]
    ],
    ids="bare empty false true mixed comma slash none no-roles no-role one-empty no-text class "
    "no-view".split(),
)
def test_conditions_that_cannot_be_meant(make: Any) -> None:
    """The error is raised when the view is made, so that no condition can admit everybody."""
    with pytest.raises(ConfigError):
        make()


NO_VIEWS = """setup initial initialize_request perform_authentication check_permissions
    check_object_permissions check_throttles has_permission has_object_permission
    has_view_permission has_module_permission is_accessible""".split()


@pytest.mark.parametrize("name", NO_VIEWS)
def test_a_method_that_returns_no_response(name: str) -> None:
    """This is an error: Django, its REST framework and Flask-Admin would ignore a refusal."""
    ran = []

    def method(self: Any, request: Any) -> None:
        ran.append(request)

    method.__name__, method.__qualname__ = name, f"Shop.{name}"
    with pytest.raises(ConfigError, match=f"Shop.{name}"):
        signed_in("aad")(method)
    shop = type("Shop", (), {name: method_decorator(signed_in("aad"))(method)})
    with pytest.raises(ConfigError, match=f"Shop.{name}"):
        getattr(shop(), name)(None)
    assert not ran
    # A view with such a name is accepted.
    method.__qualname__ = name
    assert signed_in("aad")(method) is not method
    method.__qualname__ = f"make_shop.<locals>.{name}"
    assert signed_in("aad")(method) is not method


@pytest.mark.parametrize(
    ("to", "roles", "sent", "status"),
    [
        ("aad", None, {}, 302),
        ("aad", None, headers(), 200),
        ("aad", None, GOOGLE, 403),
        ("AAD", None, headers(), 200),
        ("aad,google", None, GOOGLE, 200),
        ("google,aad", None, {}, 302),
        ("google", None, headers(), 403),
        ("401", None, GOOGLE, 200),
        ("401", None, {}, 401),
        ("aad", "admin", headers(), 200),
        ("aad", ["boss", "admin"], headers(), 200),
        ("aad", (role for role in ("boss", "editor")), headers(), 200),
        ("aad", "a", headers(), 403),
        ("aad", "Admin", headers(), 403),
        ("aad", ["boss"], headers(), 403),
        ("aad", ["admin"], ROLES_ONLY, 403),
        ("aad", ["admin"], GOOGLE, 403),
        ("aad", ["admin"], {}, 302),
        ("x", None, headers(X_MS_CLIENT_PRINCIPAL_IDP="twitter"), 200),
    ],
)
def test_provider_and_roles(to: str, roles: Any, sent: dict[str, str], status: int) -> None:
    """A named provider is checked, and one of the roles must match exactly."""

    @signed_in(to, roles=roles)
    async def view(request: Request) -> Any:
        return PlainTextResponse("in")

    app = AppServiceASGIMiddleware(Starlette(routes=[Route("/x", view)]), environ=SIGN_IN)
    for _ in range(2):  # an iterator of roles is read once
        response = call_asgi(app, make_scope(sent, path="/x"))
        assert response[0]["status"] == status
    if status == 403 and sent == GOOGLE:
        assert b"/.auth/login/aad?post_login_redirect_uri=%2Fx" in response[1]["body"]
    if status == 302:
        provider = to.partition(",")[0]
        location = dict(response[0]["headers"])[b"location"].decode()
        assert location == f"/.auth/login/{provider}?post_login_redirect_uri=%2Fx"


@pytest.mark.parametrize("value", ["aad", "aad,google", "google"])
def test_provider_of_a_site(value: str) -> None:
    """The same value has the same meaning in `require_login`."""
    statuses = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    middleware = AppServiceMiddleware(app, environ={**SIGN_IN, "APPSVC_REQUIRE_LOGIN": value})
    for sent in (headers(), GOOGLE):
        middleware(make_environ(sent), lambda status, _: statuses.append(status[:3]))  # type: ignore[arg-type, return-value]
    assert statuses == ["200" if name in value else "403" for name in ("aad", "google")]


# Older releases do not find a dependency's `yield` behind a decorator.
OLD_FASTAPI = tuple(map(int, fastapi.__version__.split(".")[:2])) < (0, 124)
fast = FastAPI()
inner = FastAPI()
fast.mount("/inner", inner)
ran: list[str] = []


@fast.get("/async")
@signed_in("aad")
async def fast_async(request: Request) -> str:
    ran.append("async")
    return "in"


@fast.get("/sync")
@signed_in("aad")
def fast_sync(request: Request) -> str:
    ran.append("sync")
    return "in"


@fast.post("/body-first")
@signed_in("aad")
async def body_first(body: Body, request: Request) -> str:
    ran.append("body-first")
    return "in"


@fast.post("/body-only")
@signed_in("aad")
async def body_only(body: Body) -> str:
    ran.append("body-only")
    return "in"


@signed_in("aad")
def sync_dependency(request: Request) -> str:
    return "in"


@signed_in("aad")
async def async_dependency(connection: HTTPConnection) -> str:
    return "in"


@signed_in("aad")
def generator_dependency(request: Request) -> Any:
    yield "in"


@signed_in("aad")
async def async_generator_dependency(request: Request) -> Any:
    yield "in"


for dependency in (
    sync_dependency, async_dependency, generator_dependency, async_generator_dependency,
):  # fmt: skip

    @fast.get(f"/{dependency.__name__}")
    async def depends(who: Any = Depends(dependency)) -> Any:  # noqa: B008 - FastAPI's own form
        ran.append("dependency")
        return who if isinstance(who, str) else str(type(who))


@fast.get("/router-dependency", dependencies=[Depends(sync_dependency)])
async def beside_a_dependency() -> str:
    ran.append("router-dependency")
    return "in"


@inner.get("/view")
@signed_in("aad")
async def inner_view(request: Request) -> str:
    ran.append("inner")
    return "in"


class Endpoint(HTTPEndpoint):
    """A class of Starlette."""

    @signed_in("aad")
    async def get(self, request: Request) -> Any:
        """Return a page."""
        ran.append("endpoint")
        return PlainTextResponse("in")

    @signed_in("aad")
    def head(self, request: Request) -> Any:
        """Return a page."""
        ran.append("endpoint")
        return PlainTextResponse("in")


@signed_in("aad")
async def plain_starlette(request: Request) -> Any:
    ran.append("starlette")
    return PlainTextResponse("in")


fast.mount("/starlette", Starlette(routes=[Route("/plain", plain_starlette)]))
fast.mount("/routes", Mount("", routes=[Route("/plain", plain_starlette)]))
fast.add_route("/endpoint", Endpoint)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/async", "GET"), ("/sync", "GET"), ("/body-first", "POST"),
        ("/sync_dependency", "GET"), ("/async_dependency", "GET"),
        ("/generator_dependency", "GET"), ("/async_generator_dependency", "GET"),
        ("/router-dependency", "GET"), ("/inner/view", "GET"), ("/endpoint", "GET"),
        ("/endpoint", "HEAD"), ("/starlette/plain", "GET"), ("/routes/plain", "GET"),
    ],
)  # fmt: skip
def test_fastapi_and_starlette(path: str, method: str) -> None:
    """Views, dependencies and classes are refused before they run, whatever the body contains."""
    app = AppServiceASGIMiddleware(fast, environ=SIGN_IN)
    forged_principal = {"principal": {"id": "1"}}
    claimed = {"META": {"appsvc.request": forged_principal}, "environ": {}}
    claimed["scope"] = {"type": "http", "appsvc.environ": claimed["META"], "headers": []}
    body = json.dumps(claimed).encode()

    def ask(sent: dict[str, str]) -> list[dict[str, Any]]:
        ran.clear()
        json_body = {"Content-Type": "application/json", **sent}
        return call_asgi(app, make_scope(json_body, path=path, method=method), body)

    refused = ask({})
    assert (refused[0]["status"], ran) == (302, [])
    location = dict(refused[0]["headers"])[b"location"].decode()
    target = "%2F" if method == "POST" else path.replace("/", "%2F")
    assert location == f"/.auth/login/aad?post_login_redirect_uri={target}"
    refused = ask(GOOGLE)
    assert (refused[0]["status"], ran) == (403, [])
    passed = ask(headers())
    assert passed[0]["status"] == 200
    assert len(ran) == 1
    if method != "HEAD" and not (OLD_FASTAPI and "generator" in path):
        assert b"in" in b"".join(message.get("body", b"") for message in passed)


@pytest.mark.parametrize("sent", [{}, headers()], ids=["nobody", "signed-in"])
def test_body_that_is_the_only_argument(sent: dict[str, str]) -> None:
    """The error tells the author what is missing, for every user."""
    app = AppServiceASGIMiddleware(fast, environ=SIGN_IN)
    body = json.dumps({"META": {}, "scope": {"type": "http"}, "environ": {}}).encode()
    scope = make_scope(
        {"Content-Type": "application/json", **sent}, path="/body-only", method="POST"
    )
    ran.clear()
    with pytest.raises(TypeError, match="'body_only'"):
        call_asgi(app, scope, body)
    assert ran == []


@fast.websocket("/socket")
@signed_in("aad")
async def socket(websocket: WebSocket) -> None:
    ran.append("socket")
    await websocket.accept()


@fast.websocket("/socket-dependency")
async def socket_dependency(websocket: WebSocket, who: str = Depends(async_dependency)) -> None:
    ran.append("socket")
    await websocket.accept()


class Socket(WebSocketEndpoint):
    """A class of Starlette."""

    @signed_in("aad")
    async def on_connect(self, websocket: WebSocket) -> None:
        """Open the WebSocket."""
        ran.append("socket")
        await websocket.accept()


fast.routes.append(WebSocketRoute("/socket-class", Socket))


@pytest.mark.parametrize("path", ["/socket", "/socket-dependency", "/socket-class"])
def test_websockets(path: str) -> None:
    """They are closed before they are accepted."""
    app = AppServiceASGIMiddleware(fast, environ=SIGN_IN)

    def ask(sent: dict[str, str]) -> list[str]:
        ran.clear()
        scope = make_scope(sent, type="websocket", scheme="ws", path=path)
        return [message["type"] for message in call_asgi(app, scope)]

    assert (ask({}), ran) == (["websocket.close"], [])
    assert (ask(GOOGLE), ran) == (["websocket.close"], [])
    assert ask(headers())[0] == "websocket.accept"


def test_app_without_the_middleware(caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    """No user is admitted, and the reason is logged once."""
    from appsvc_runtime.middleware import login

    monkeypatch.setattr(login, "_warned", set())
    for _ in range(2):
        assert call_asgi(fast, make_scope(headers(), path="/async"))[0]["status"] == 302
    said = [r.getMessage() for r in caplog.records if r.name == "appsvc_runtime.middleware.login"]
    assert len(said) == 1
    assert "AppServiceMiddleware" in said[0]


def test_unknown_connections_are_refused() -> None:
    """No user can be signed in through them; the server's own lifespan continues."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    strict = AppServiceASGIMiddleware(app, environ=SIGN_IN, require_login="aad")
    with pytest.raises(RuntimeError, match="'webtransport'"):
        call_asgi(strict, {"type": "webtransport"})
    call_asgi(strict, {"type": "lifespan"})
    call_asgi(AppServiceASGIMiddleware(app, environ=SIGN_IN), {"type": "webtransport"})
    assert seen == ["lifespan", "webtransport"]


def test_flask_classes_and_async_views() -> None:
    """Flask's current request is used, as the view has no argument for it."""
    from flask import Flask
    from flask.views import MethodView

    class Pages(MethodView):
        """A class of Flask."""

        decorators = (signed_in("aad"),)

        def get(self) -> str:
            """Return a page."""
            return "in"

    app = Flask(__name__)
    app.add_url_rule("/class", view_func=Pages.as_view("pages"))

    @app.get("/async")
    @signed_in("aad")
    async def later() -> str:
        return "in"

    @app.get("/stream")
    @signed_in("aad")
    def stream() -> Any:
        yield "in"

    app.wsgi_app = AppServiceMiddleware(app.wsgi_app, environ=SIGN_IN)  # type: ignore[method-assign]
    client, base = app.test_client(), {"REMOTE_ADDR": FRONT_END}
    for path in ("/class", "/async", "/stream"):
        codes = []
        for sent in ({}, headers(), GOOGLE):
            response = client.get(path, headers=sent, environ_base=base)
            codes.append(response.status_code)
            response.close()
        assert codes == [302, 200, 403], path
