"""`X-Forwarded-Prefix`: only a gateway's, only a path, and every link of the app begins with it."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from appsvc_runtime import AppServiceMiddleware, Health
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.middleware import notices
from appsvc_runtime.middleware.asgi import AppServiceASGIMiddleware
from appsvc_runtime.middleware.path_prefix import read_prefix
from tests.middleware.test_asgi import ask, header, make_scope
from tests.middleware.test_principal import SIGN_IN
from tests.support.asgi import call_asgi
from tests.support.servers import run
from tests.support.wsgi import APP_SERVICE, Recorder, make_environ

FRONT_DOOR = "a0a0a0a0-1111-2222-3333-444444444444"
PREFIX = "HTTP_X_FORWARDED_PREFIX"
CLIENT = {"X-Forwarded-For": "203.0.113.7:4", "X-Forwarded-Proto": "https"}

VALUES = [
    # the header, the prefix
    ("/shop", "/shop"),
    ("/shop/", "/shop"),
    (" /shop\t", "/shop"),
    ("/a/b-c_d.e~1", "/a/b-c_d.e~1"),
    ("/...", "/..."),
    ("/", ""),
    ("/evil, /shop", "/shop"),  # the last proxy wrote the last entry, a client the first
    ("//evil.example,/shop", "/shop"),
    ("/shop,", None),
    ("/caf%C3%A9", "/caf\u00c3\u00a9"),
    ("/a%20b", "/a b"),
    ("", None),
    ("shop", None),
    ("//evil.example", None),
    ("/shop//", None),
    ("/a//b", None),
    ("/..", None),
    ("/a/../b", None),
    ("/./a", None),
    ("/%2e%2E/a", None),
    ("/a%2Fb", None),
    ("/a%5Cb", None),
    ("/a\\b", None),
    ("/a%00", None),
    ("/a%0d%0aX: y", None),
    ("/a\x01", None),
    ("/a b", None),
    ("/a?x=1", None),
    ("/a%3Fx", None),
    ("/a#b", None),
    ("/a;b", None),
    ("/%FF", None),
    ("/%", None),
    ("/a%2525", None),
    ("/caf\u00c3\u00a9", None),
    ('"/shop"', None),
    ("https://evil.example/", None),
    ("/.auth", None),
    ("/.AUTH/login", None),
    ("/" + "a" * 300, None),
]


@pytest.mark.parametrize(("value", "prefix"), VALUES, ids=[repr(v)[:24] for v, _ in VALUES])
def test_values(value: str, prefix: str | None) -> None:
    """A value that is not a plain path is refused, whatever could be made of it."""
    assert read_prefix(value) == prefix


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=40))
def test_no_value_makes_another_host_or_path(value: str) -> None:
    """It never raises; the result has no empty or relative segment and no other part of a URL."""
    prefix = read_prefix(value)
    if prefix:
        assert prefix.startswith("/")
        assert not prefix.endswith("/")
        assert {"", ".", ".."}.isdisjoint(prefix.split("/")[1:])
        assert {"?", "#", "\\", "\r", "\n", "\0"}.isdisjoint(prefix)


def decide(
    headers: dict[str, str], options: dict[str, Any] | None = None, **variables: Any
) -> dict[str, Any]:
    """Return the environ that a WSGI app gets."""
    app = Recorder()
    chosen = {"environ": APP_SERVICE, "path_prefix": True, **(options or {})}
    environ = make_environ({**CLIENT, **headers}, **variables)
    list(AppServiceMiddleware(app, **chosen)(environ, lambda *_: None))
    return app.environ


PATHS = [
    # SCRIPT_NAME and PATH_INFO as they came, and as the app gets them
    pytest.param("", "/x", "/shop", "/x", id="removed-by-the-gateway"),
    pytest.param("", "/shop/x", "/shop", "/x", id="in-the-path"),
    pytest.param("", "/shop", "/shop", "", id="is-the-path"),
    pytest.param("", "/shop/", "/shop", "/", id="is-the-path-with-slash"),
    pytest.param("", "/shopping", "/shop", "/shopping", id="another-name"),
    pytest.param("", "/", "/shop", "/", id="root"),
    pytest.param("/shop", "/x", "/shop", "/x", id="the-servers-own"),
    pytest.param("/m", "/x", "/shop/m", "/x", id="the-server-has-a-mount"),
]


@pytest.mark.parametrize(("script", "path", "new_script", "new_path"), PATHS)
def test_wsgi(script: str, path: str, new_script: str, new_path: str) -> None:
    """The prefix is added to SCRIPT_NAME, and cut from PATH_INFO if it is there."""
    seen = decide({"X-Forwarded-Prefix": "/shop/"}, SCRIPT_NAME=script, PATH_INFO=path)
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == (new_script, new_path)
    assert seen[PREFIX] == "/shop"
    original = seen["appsvc.original"]
    assert original[PREFIX] == "/shop/"
    assert original.get("SCRIPT_NAME", new_script) == script
    assert original.get("PATH_INFO", new_path) == path


@pytest.mark.parametrize(("script", "path", "new_script", "new_path"), PATHS)
def test_asgi(script: str, path: str, new_script: str, new_path: str) -> None:
    """The path is the root path and the rest, and so is the raw path."""
    whole = script + path
    scope = make_scope(
        {**CLIENT, "X-Forwarded-Prefix": "/shop/"}, root_path=script, path=whole,
        raw_path=whole.encode(),
    )  # fmt: skip
    before = dict(scope)
    seen, _ = ask(scope, path_prefix=True)
    assert seen is not None
    assert (seen["root_path"], seen["path"]) == (new_script, new_script + new_path)
    assert seen["raw_path"] == (new_script + new_path).encode()
    assert header(seen, "x-forwarded-prefix") == ["/shop"]
    assert scope == before


def test_an_encoded_prefix() -> None:
    """It is decoded where paths are, and encoded in the raw path and the header."""
    sent = {"X-Forwarded-Prefix": "/caf%c3%a9"}
    environ = decide(sent, PATH_INFO="/caf\u00c3\u00a9/x")
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/caf\u00c3\u00a9", "/x")
    seen, _ = ask(make_scope(sent, path="/x", raw_path=b"/x"), path_prefix=True)
    assert seen is not None
    assert (seen["root_path"], seen["path"]) == ("/caf\u00e9", "/caf\u00e9/x")
    assert seen["raw_path"] == b"/caf%C3%A9/x"
    assert header(seen, "x-forwarded-prefix") == ["/caf%C3%A9"]


REFUSED = [
    # options, variables of the request, whether the header is removed
    pytest.param({"path_prefix": False}, {}, False, id="off"),
    pytest.param({"path_prefix": None}, {}, False, id="not-set"),
    pytest.param({}, {"REMOTE_ADDR": "198.51.100.9"}, True, id="untrusted-peer"),
    pytest.param({"trusted_proxies": []}, {}, True, id="nobody-trusted"),
    pytest.param({"front_door_id": FRONT_DOOR}, {}, True, id="not-the-front-door"),
    pytest.param(
        {"front_door_id": FRONT_DOOR}, {"HTTP_X_AZURE_FDID": "b" * 36}, True, id="anothers-door"
    ),
    pytest.param({"environ": {}}, {}, False, id="off-the-platform"),
]


@pytest.mark.parametrize(("options", "variables", "removed"), REFUSED)
def test_it_is_not_used(options: Any, variables: dict[str, str], removed: bool) -> None:
    """Without the setting, from other peers and off the platform, the path stays as it is."""
    seen = decide({"X-Forwarded-Prefix": "/shop"}, options, PATH_INFO="/shop/x", **variables)
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("", "/shop/x")
    assert (PREFIX not in seen) is removed


def test_the_sites_own_front_door() -> None:
    """With its id set, only its requests bring a prefix."""
    sent = {
        "X-Forwarded-Prefix": "/shop",
        "X-Azure-FDID": FRONT_DOOR,
        "X-Forwarded-For": "203.0.113.7, 147.243.1.1:5",
    }
    assert decide(sent, {"front_door_id": FRONT_DOOR})["SCRIPT_NAME"] == "/shop"


def test_the_variable() -> None:
    """It is a switch; a prefix in it is a mistake, and the message says where it belongs."""
    on = {**APP_SERVICE, "APPSVC_PATH_PREFIX": "1"}
    seen = decide({"X-Forwarded-Prefix": "/shop"}, {"environ": on, "path_prefix": None})
    assert seen["SCRIPT_NAME"] == "/shop"
    wrong = {**APP_SERVICE, "APPSVC_PATH_PREFIX": "/shop"}
    for middleware in (AppServiceMiddleware, AppServiceASGIMiddleware):
        with pytest.raises(ConfigError, match=r"APPSVC_PATH_PREFIX .*X-Forwarded-Prefix") as caught:
            middleware(Recorder(), environ=wrong)
        assert "/shop" not in str(caught.value)


def test_a_bad_value_is_removed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line reports it, without the value, however many come."""
    monkeypatch.setattr(notices, "_logged", set())
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            seen = decide({"X-Forwarded-Prefix": f"//evil{number}.example"}, PATH_INFO="/x")
            assert (seen["SCRIPT_NAME"], PREFIX in seen) == ("", False)
            assert seen["appsvc.original"][PREFIX] == f"//evil{number}.example"
    assert len(caplog.records) == 1
    assert "X-Forwarded-Prefix" in caplog.text
    assert "evil" not in caplog.text


INNER = [
    # the options of an inner middleware, and the SCRIPT_NAME that its app gets
    pytest.param({"path_prefix": True}, "/shop/m", id="same"),
    pytest.param({"path_prefix": True, "hops": 2}, "/shop/m", id="other-hops"),
    pytest.param({"path_prefix": False}, "/m", id="off"),
    pytest.param({"path_prefix": True, "trusted_proxies": []}, "/m", id="trusts-nobody"),
]


@pytest.mark.parametrize(("options", "script"), INNER)
def test_a_mounted_middleware_decides_anew(options: dict[str, Any], script: str) -> None:
    """An inner middleware decides as if it were alone, and the mount's path stays."""
    app = Recorder()
    inner = AppServiceMiddleware(app, environ=APP_SERVICE, **options)

    def mount(environ: dict[str, Any], start_response: Any) -> Any:
        environ["SCRIPT_NAME"] += "/m"
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/m")
        return inner(environ, start_response)

    outer = AppServiceMiddleware(mount, environ=APP_SERVICE, path_prefix=True)
    environ = make_environ({**CLIENT, "X-Forwarded-Prefix": "/shop"}, PATH_INFO="/m/x")
    list(outer(environ, lambda *_: None))
    assert (app.environ["SCRIPT_NAME"], app.environ["PATH_INFO"]) == (script, "/x")


@pytest.mark.parametrize(("options", "script"), INNER)
@pytest.mark.parametrize("sent", ["/m/x", "/shop/m/x"], ids=["removed", "in-the-path"])
def test_a_mounted_asgi_middleware(options: dict[str, Any], script: str, sent: str) -> None:
    """The same for a mount of Starlette's; a prefix that came in the path stays in it."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await JSONResponse({})(scope, receive, send)

    inner = AppServiceASGIMiddleware(app, environ=APP_SERVICE, **options)
    outer = AppServiceASGIMiddleware(
        Starlette(routes=[Mount("/m", inner)]), environ=APP_SERVICE, path_prefix=True
    )
    sent_headers = {**CLIENT, "X-Forwarded-Prefix": "/shop"}
    call_asgi(outer, make_scope(sent_headers, path=sent, raw_path=sent.encode()))
    root = "/shop/m" if sent.startswith("/shop") else script
    assert (seen[0]["root_path"], seen[0]["path"]) == (root, f"{root}/x")
    assert seen[0]["raw_path"] == f"{root}/x".encode()


# Our own responses


@pytest.mark.parametrize("path", ["/healthz", "/shop/healthz"])
def test_the_health_path(path: str) -> None:
    """It is relative to the prefix, in a path with it and without."""
    health = Health("/healthz")
    sent = {**CLIENT, "X-Forwarded-Prefix": "/shop"}
    app = AppServiceMiddleware(Recorder(), environ=APP_SERVICE, path_prefix=True, health=health)
    assert b"healthy" in b"".join(app(make_environ(sent, PATH_INFO=path), lambda *_: None))
    found = ask(
        make_scope(sent, path=path, raw_path=path.encode()), path_prefix=True, health=health
    )
    assert found[0] is None
    assert b"healthy" in found[1][1]["body"]


def location(path: str, headers: dict[str, str], **options: Any) -> str:
    """Return where both middlewares redirect to, which must be the same."""
    sent = {**headers, "X-Forwarded-Prefix": "/shop"}
    found: dict[str, str] = {}
    app = AppServiceMiddleware(Recorder(), path_prefix=True, **options)
    list(app(make_environ(sent, PATH_INFO=path), lambda _status, some: found.update(some)))
    variables = options.pop("environ")
    scope = make_scope(sent, path=path, raw_path=path.encode())
    _, messages = ask(scope, variables, path_prefix=True, **options)
    assert dict(messages[0]["headers"])[b"location"].decode() == found["Location"]
    return found["Location"]


@pytest.mark.parametrize("path", ["/x", "/shop/x"])
def test_the_redirect_to_https(path: str) -> None:
    """It leads to the page as clients see it."""
    plain = {"X-Forwarded-For": "203.0.113.7:4", "X-Forwarded-Proto": "http"}
    to = location(path, plain, environ=APP_SERVICE, https_only=True)
    assert to == "https://mysite.azurewebsites.net/shop/x"


@pytest.mark.parametrize(
    ("path", "sign_in", "back"),
    [
        ("/x", "/shop/.auth/login/aad", "/shop/x"),
        ("/", "/shop/.auth/login/aad", "/shop/"),
        # The gateway passes the path on, so that the platform's pages are not below the prefix.
        ("/shop/x", "/.auth/login/aad", "/shop/x"),
    ],
)
def test_the_redirect_to_a_sign_in(path: str, sign_in: str, back: str) -> None:
    """It reaches the platform's page through the gateway, and leads back to the page."""
    to = urlsplit(location(path, CLIENT, environ=SIGN_IN, require_login="aad"))
    assert (to.path, to.netloc) == (sign_in, "")
    assert parse_qs(to.query)["post_login_redirect_uri"] == [back]


@pytest.mark.parametrize("path", ["/.auth/logout", "/.AUTH/x"])
def test_the_platforms_own_paths(path: str) -> None:
    """A request for one that has passed the platform by gets 404, with the prefix removed too."""
    found: list[str] = []
    app = AppServiceMiddleware(Recorder(), environ=SIGN_IN, path_prefix=True, require_login="aad")
    environ = make_environ({**CLIENT, "X-Forwarded-Prefix": "/shop"}, PATH_INFO=path)
    list(app(environ, lambda status, _headers: found.append(status)))
    assert found[0].startswith("404")


# Frameworks


def test_flask() -> None:
    """`url_for`, redirects and `request.url` have the prefix."""
    app = flask.Flask(__name__)

    @app.route("/page/")
    def page() -> dict[str, str]:
        return {"url": flask.request.url, "link": flask.url_for("page", _external=True)}

    app.wsgi_app = AppServiceMiddleware(app.wsgi_app, environ=APP_SERVICE, path_prefix=True)  # type: ignore[method-assign]
    client = app.test_client()
    front = {"REMOTE_ADDR": "169.254.129.1"}
    sent = {**CLIENT, "X-Forwarded-Prefix": "/shop"}
    for path in ("/page/", "/shop/page/"):
        found = client.get(path, headers=sent, environ_base=front).json
        assert found == dict.fromkeys(("url", "link"), "https://localhost/shop/page/")
    moved = client.get("/page", headers=sent, environ_base=front)
    assert moved.headers["Location"] == "https://localhost/shop/page/"


@pytest.mark.parametrize("path", ["", "/shop"], ids=["removed", "in-the-path"])
def test_fastapi(path: str) -> None:
    """Routes are found; docs, openapi.json and `url_for` have the prefix."""
    app = FastAPI()

    @app.get("/page")
    async def page() -> dict[str, str]:
        return {}

    served = AppServiceASGIMiddleware(app, environ=APP_SERVICE, path_prefix=True)
    sent = {**CLIENT, "X-Forwarded-Prefix": "/shop"}

    def get(name: str) -> bytes:
        whole = path + name
        messages = call_asgi(served, make_scope(sent, path=whole, raw_path=whole.encode()))
        assert messages[0]["status"] == 200
        return b"".join(one.get("body", b"") for one in messages[1:])

    get("/page")
    assert b"'/shop/openapi.json'" in get("/docs")
    assert json.loads(get("/openapi.json"))["servers"] == [{"url": "/shop"}]


@pytest.mark.parametrize("path", ["/page", "/shop/page"])
def test_starlette(path: str) -> None:
    """`url_for` and `request.url` have the prefix."""

    def page(request: Any) -> JSONResponse:
        return JSONResponse([str(request.url_for("page")), str(request.url)])

    served = AppServiceASGIMiddleware(
        Starlette(routes=[Route("/page", page)]), environ=APP_SERVICE, path_prefix=True
    )
    sent = {**CLIENT, "X-Forwarded-Prefix": "/shop"}
    messages = call_asgi(served, make_scope(sent, path=path, raw_path=path.encode()))
    assert json.loads(messages[1]["body"]) == ["https://mysite.azurewebsites.net/shop/page"] * 2


DJANGO = """
import sys
from django.conf import settings
settings.configure(SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__")
import django
django.setup()
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path, reverse
urlpatterns = [
    path("page", lambda r: HttpResponse(f"{reverse('page')} {r.path} {r.path_info}"), name="page")
]
from appsvc_runtime import AppServiceASGIMiddleware, AppServiceMiddleware
from tests.middleware.test_asgi import make_scope
from tests.support.asgi import call_asgi
from tests.support.wsgi import APP_SERVICE, make_environ
options = {"environ": APP_SERVICE, "path_prefix": True}
sent = {"X-Forwarded-Prefix": "/shop"}
for asked in ("/page", "/shop/page"):
    wsgi = AppServiceMiddleware(get_wsgi_application(), **options)
    print(b"".join(wsgi(make_environ(sent, PATH_INFO=asked), lambda *_: None)).decode())
    asgi = AppServiceASGIMiddleware(get_asgi_application(), **options)
    messages = call_asgi(asgi, make_scope(sent, path=asked, raw_path=asked.encode()))
    print(b"".join(one.get("body", b"") for one in messages[1:]).decode())
"""


def test_django() -> None:
    """`reverse` and `request.path` have the prefix, under WSGI and ASGI."""
    done = run("-c", DJANGO)
    assert done.stdout.splitlines() == ["/shop/page /shop/page /page"] * 4, done.stderr
