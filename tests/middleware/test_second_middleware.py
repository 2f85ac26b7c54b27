"""A middleware around another one with other options: the inner one decides as if it were alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appsvc_runtime import AppServiceASGIMiddleware, AppServiceMiddleware, Health
from appsvc_runtime.azure import names
from tests.middleware.test_asgi import make_scope
from tests.support.asgi import call_asgi
from tests.support.wsgi import APP_SERVICE, FRONT_END, Recorder, make_environ

FRONT_DOOR = "a0a0a0a0-1111-2222-3333-444444444444"
HOME = {"APPSVC_TRUSTED_PROXIES": FRONT_END}

# All headers that any step changes, in one request.
EVERYTHING = {
    "X-Forwarded-For": "6.6.6.6, 203.0.113.7:5, 10.0.0.9:7",
    "X-Forwarded-Proto": "https, http",
    "X-Forwarded-Port": "6666",
    "X-ARR-SSL": "x",
    "X-Client-Port": "1",
    "X-Azure-FDID": FRONT_DOOR,
    "X-Forwarded-Prefix": "/shop",
    "X-MS-CLIENT-PRINCIPAL": "x",
    "X-MS-TOKEN-AAD-ID-TOKEN": "x",
    **{
        key[5:].replace("_", "-"): f"value-of-{key}"
        for key in (
            *names.ADDRESS_HEADERS,
            *names.SCHEME_HEADERS,
            *names.OTHER_FORWARDED_HEADERS,
            *names.CDN_HEADERS,
        )
    },
}
# Decided by the outer one's options; the inner one's decision must not depend on it.
OUTER: list[Any] = [
    pytest.param(APP_SERVICE, id="trusted"),
    pytest.param({**APP_SERVICE, "APPSVC_TRUSTED_PROXIES": "192.0.2.1"}, id="untrusted"),
    pytest.param({**APP_SERVICE, "APPSVC_FRONT_DOOR_ID": FRONT_DOOR}, id="front-door"),
    pytest.param({**APP_SERVICE, "APPSVC_CLIENT_HEADER": "X-Real-IP"}, id="client-header"),
    pytest.param({**APP_SERVICE, "APPSVC_PATH_PREFIX": "1"}, id="path-prefix"),
    pytest.param({**APP_SERVICE, "WEBSITE_AUTH_ENABLED": "1"}, id="sign-in"),
    pytest.param({}, id="inert"),
]
INNER: list[Any] = [
    pytest.param({**APP_SERVICE, "APPSVC_FORWARDED_HOPS": "2"}, id="two-hops"),
    pytest.param({**APP_SERVICE, "APPSVC_TRUSTED_PROXIES": "192.0.2.2"}, id="untrusted"),
    pytest.param({**HOME, "APPSVC_ARR_SSL": "1"}, id="at-home"),
    pytest.param({"WEBSITE_SITE_NAME": "x"}, id="inert"),
]


def visible(environ: dict[str, Any]) -> dict[str, Any]:
    """Return what an app sees, without objects that differ each time."""
    others = ("appsvc.original", "wsgi.input", "wsgi.errors", "appsvc.scope", "appsvc.environ")
    found = {key: value for key, value in environ.items() if key not in others}
    found["appsvc.request"] = repr(found["appsvc.request"])
    return found


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("outer", OUTER)
def test_a_second_middleware_decides_as_if_it_were_the_first(
    outer: dict[str, str], inner: dict[str, str]
) -> None:
    """What the outer one changed or removed is restored; `appsvc.original` has the first values."""
    came = {key: value for key, value in make_environ(EVERYTHING).items() if key[:5] != "wsgi."}

    def through(*sites: dict[str, str]) -> dict[str, Any]:
        app = Recorder()
        wrapped: Any = app
        for site in sites:
            wrapped = AppServiceMiddleware(wrapped, environ=site)
        wrapped(make_environ(EVERYTHING), lambda *_: None)
        for key, value in app.environ["appsvc.original"].items():
            if key[:5] != "wsgi.":
                assert came.get(key) == value, key
        return app.environ

    assert visible(through(inner, outer)) == visible(through(inner))
    # All values that the app sees changed are among the originals.
    seen = through(inner, outer)
    changed = {key for key, value in came.items() if seen.get(key) != value}
    assert changed <= seen["appsvc.original"].keys()


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("outer", OUTER)
def test_a_second_middleware_of_asgi_does_so_as_well(
    outer: dict[str, str], inner: dict[str, str]
) -> None:
    """This includes headers in several lines and headers with underscores."""
    raw = [(name.lower().encode(), value.encode()) for name, value in EVERYTHING.items()]
    raw += [(b"x-forwarded-for", b"9.9.9.9"), (b"x_real_ip", b"6.6.6.6"), (b"host", b"a.example")]

    def through(*sites: dict[str, str]) -> dict[str, Any]:
        kept: dict[str, Any] = {}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            kept.update(scope)

        wrapped: Any = app
        for site in sites:
            wrapped = AppServiceASGIMiddleware(wrapped, environ=site)
        scope = {
            "type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http",
            "root_path": "", "headers": list(raw), "client": (FRONT_END, 40000),
            "server": ("0.0.0.0", 8000),
        }  # fmt: skip
        asyncio.run(wrapped(scope, None, None))
        assert scope["headers"] == raw
        kept["headers"] = sorted(kept["headers"])
        return kept

    seen = through(inner, outer)
    assert visible(seen) == visible(through(inner))
    assert not [name for name, _ in seen["headers"] if b"_" in name]
    assert seen["appsvc.original"]["HTTP_X_FORWARDED_FOR"] == (
        f"{EVERYTHING['X-Forwarded-For']},9.9.9.9"
    )


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("outer", OUTER)
def test_what_stands_between_two_of_asgi_is_kept(
    outer: dict[str, str], inner: dict[str, str]
) -> None:
    """A middleware between them sets a header: the client's own of that name does not return."""
    seen: list[tuple[bytes, bytes]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])

    def between(wrapped: Any) -> Any:
        async def vouch(scope: Any, receive: Any, send: Any) -> None:
            kept = [pair for pair in scope["headers"] if pair[0] != b"x-user"]
            await wrapped({**scope, "headers": [*kept, (b"x-user", b"ann")]}, receive, send)

        return vouch

    whole: Any = AppServiceASGIMiddleware(
        between(AppServiceASGIMiddleware(app, environ=inner)), environ=outer
    )
    raw = [(name.lower().encode(), value.encode()) for name, value in EVERYTHING.items()]
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http",
        "root_path": "", "headers": [*raw, (b"x-user", b"root")], "client": (FRONT_END, 40000),
        "server": ("0.0.0.0", 8000),
    }  # fmt: skip
    asyncio.run(whole(scope, None, None))
    assert [value for name, value in seen if name == b"x-user"] == [b"ann"]


ENTRY_POINT: list[Any] = [
    pytest.param({"APPSVC_REQUIRE_LOGIN": "aad"}, {}, id="sign-in"),
    pytest.param({"APPSVC_REQUIRE_LOGIN": "401"}, {}, id="401"),
    pytest.param({"APPSVC_HTTPS_ONLY": "1"}, {"X-Forwarded-For": "203.0.113.7:5"}, id="https"),
]


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
@pytest.mark.parametrize(("variables", "sent"), ENTRY_POINT)
def test_health_of_the_inner_one_is_never_refused(
    variables: dict[str, str], sent: dict[str, str], kind: str
) -> None:
    """It is not redirected either: the platform would replace a healthy instance.

    Pages still are.
    """
    site = {**APP_SERVICE, **variables}
    health = Health("/healthz-of-the-inner", checks={"bad": lambda: False})
    app = Recorder()

    async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
        app.environ = dict(scope)

    def request(path: str) -> tuple[str, bytes]:
        if kind == "wsgi":
            inner = AppServiceMiddleware(app, environ=APP_SERVICE, health=health)
            status: list[str] = []
            start: Any = lambda *head: status.append(head[0])  # noqa: E731
            body = b"".join(
                AppServiceMiddleware(inner, environ=site)(make_environ(sent, PATH_INFO=path), start)
            )
            return status[0][:3], body
        late = AppServiceASGIMiddleware(asgi_app, environ=APP_SERVICE, health=health)
        messages = call_asgi(
            AppServiceASGIMiddleware(late, environ=site), make_scope(sent, path=path)
        )
        return str(messages[0]["status"]), messages[1]["body"]

    assert request(health.path) == ("503", b'{"status": "failing"}')
    assert request("/")[0] in ("302", "401", "308")
    assert request(f"{health.path}/x")[0] in ("302", "401", "308")
    assert not app.environ
