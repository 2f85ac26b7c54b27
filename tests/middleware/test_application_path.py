"""Applications below the root of an IIS site: every link of the app begins with their path."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime import AppServiceMiddleware, ConfigError, Health
from appsvc_runtime.azure.names import WFASTCGI_MARK
from tests.middleware.test_asgi import ask, make_scope
from tests.support.wsgi import APP_SERVICE, HTTP_PLATFORM, Recorder, make_environ

V2 = {"HTTP_PLATFORM_PORT": "31000", "HTTP_PLATFORM_APPL_PATH": "/shop"}
SITE = "/LM/W3SVC/1/ROOT"


def decide(environ: dict[str, str], request: dict[str, Any], **options: Any) -> tuple[str, str]:
    """Return SCRIPT_NAME and PATH_INFO as a WSGI app gets them."""
    app = Recorder()
    middleware = AppServiceMiddleware(app, environ=environ, **options)
    list(middleware(make_environ(**request), lambda *_: None))
    return app.environ["SCRIPT_NAME"], app.environ["PATH_INFO"]


PATHS = [
    # SCRIPT_NAME and PATH_INFO as they came, and as the app gets them
    pytest.param("", "/shop/x", "/shop", "/x", id="below"),
    pytest.param("", "/shop", "/shop", "", id="itself"),
    pytest.param("", "/shop/", "/shop", "/", id="itself-with-slash"),
    pytest.param("", "/SHOP/X", "/shop", "/X", id="another-case"),
    pytest.param("", "/shop/shop/x", "/shop", "/shop/x", id="its-name-again"),
    pytest.param("", "/shopping", "", "/shopping", id="another-name"),
    pytest.param("", "/", "", "/", id="root"),
    pytest.param("/shop", "/shop/x", "/shop", "/shop/x", id="the-server-has-done-it"),
    pytest.param("/shop/m", "/shop/x", "/shop/m", "/shop/x", id="mounted-below-it"),
]


@pytest.mark.parametrize("site", [{}, APP_SERVICE], ids=["own-server", "app-service"])
@pytest.mark.parametrize(("script", "path", "new_script", "new_path"), PATHS)
def test_wsgi(site: dict[str, str], script: str, path: str, new_script: str, new_path: str) -> None:
    """It is moved from PATH_INFO to SCRIPT_NAME: on servers of one's own and for all peers too."""
    for peer in ("127.0.0.1", "203.0.113.7"):
        request = {"SCRIPT_NAME": script, "PATH_INFO": path, "REMOTE_ADDR": peer}
        assert decide({**site, **V2}, request) == (new_script, new_path)


@pytest.mark.parametrize(("script", "path", "new_script", "new_path"), PATHS)
def test_asgi(script: str, path: str, new_script: str, new_path: str) -> None:
    """Path and raw path begin with the root path, as the owner of the site spells it."""
    whole = script + path
    scope = make_scope(root_path=script, path=whole, raw_path=whole.encode())
    seen, _ = ask(scope, {**APP_SERVICE, **V2})
    assert seen is not None
    assert (seen["root_path"], seen["path"]) == (new_script, new_script + new_path)
    assert seen["raw_path"] == (new_script + new_path).encode()


def test_a_path_with_other_letters() -> None:
    """It is compared as text, and has the form of PEP 3333, and in the raw path that of a URL."""
    environ = {**V2, "HTTP_PLATFORM_APPL_PATH": "/My Caf\u00e9"}
    latin = "/My Caf\u00e9".encode().decode("latin-1")
    upper = "/MY CAF\u00c9".encode().decode("latin-1")
    assert decide(environ, {"PATH_INFO": f"{upper}/x"}) == (latin, "/x")
    raw = b"/MY%20CAF%C3%89/a%20b"
    seen, _ = ask(make_scope(path="/MY CAF\u00c9/a b", raw_path=raw), environ)
    assert seen is not None
    assert (seen["root_path"], seen["path"]) == ("/My Caf\u00e9", "/My Caf\u00e9/a b")
    assert seen["raw_path"] == b"/My%20Caf%C3%A9/a%20b"


@pytest.mark.parametrize(
    ("path", "raw", "prefix", "new_path", "new_raw"),
    [
        pytest.param("/SHOP/a/b", b"/SHOP%2fa%2Fb", "", "/shop/a/b", b"/shop%2fa%2Fb", id="slash"),
        pytest.param("/SHOP", b"/%53HOP", "", "/shop", b"/shop", id="encoded-letter"),
        pytest.param(
            "/SHOP/a b", b"/SHOP/a%20b", "/store", "/store/shop/a b", b"/store/shop/a%20b",
            id="below-a-gateways-prefix",
        ),
        pytest.param(
            "/shop/a b", b"/shop/a%20b", "/store", "/store/shop/a b", b"/store/shop/a%20b",
            id="below-a-gateways-prefix-in-its-case",
        ),
    ],
)  # fmt: skip
def test_the_raw_path_is_the_same_path(
    path: str, raw: bytes, prefix: str, new_path: str, new_raw: bytes
) -> None:
    """However a client encodes the path: else a check of the one lets the other pass."""
    headers = {"X-Forwarded-Prefix": prefix} if prefix else {}
    scope = make_scope(headers, path=path, raw_path=raw)
    seen, _ = ask(scope, {**HTTP_PLATFORM, **V2, "APPSVC_PATH_PREFIX": "1"})
    assert seen is not None
    assert (seen["path"], seen["raw_path"]) == (new_path, new_raw)


@pytest.mark.parametrize(
    ("environ", "option", "expected"),
    [
        pytest.param(V2, None, "/shop", id="version-2"),
        pytest.param({"HTTP_PLATFORM_APPL_PATH": "/shop"}, None, "", id="inherited-by-a-child"),
        pytest.param({**V2, "HTTP_PLATFORM_APPL_PATH": "/"}, None, "", id="the-sites-own"),
        pytest.param({**V2, "HTTP_PLATFORM_APPL_PATH": "shop"}, None, "", id="not-a-path"),
        pytest.param({"APPSVC_APPLICATION_PATH": "/shop/"}, None, "/shop", id="setting"),
        pytest.param({**V2, "APPSVC_APPLICATION_PATH": "/"}, None, "", id="setting-off"),
        pytest.param({**V2, "APPSVC_APPLICATION_PATH": ""}, None, "/shop", id="setting-empty"),
        pytest.param({}, "/shop", "/shop", id="argument"),
        pytest.param(V2, "/", "", id="argument-off"),
        pytest.param({}, None, "", id="nothing"),
    ],
)
def test_who_names_it(environ: dict[str, str], option: str | None, expected: str) -> None:
    """The argument, the setting, then the handler that started the process."""
    script, path = decide(environ, {"PATH_INFO": "/shop/x"}, application_path=option)
    assert (script, path) == (expected, "/shop/x"[len(expected) :])


@pytest.mark.parametrize(
    "value", ["shop", "/a//b", "/..", "/a/./b", "/a%20b", "/a?b", "/a#b", "/a\\b", "/a\nb", "true"]
)
def test_settings_that_are_no_path(value: str) -> None:
    """The error names the setting and what is expected, and not the value."""
    for give in ({"environ": {"APPSVC_APPLICATION_PATH": value}}, {"application_path": value}):
        with pytest.raises(ConfigError, match=r"APPSVC_APPLICATION_PATH.*a path such as /shop"):
            AppServiceMiddleware(Recorder(), **{"environ": {}, **give})  # type: ignore[arg-type]


FASTCGI = [
    # APPL_MD_PATH, PATH_INFO, X-Original-URL; what the app gets
    pytest.param(f"{SITE}/shop", "/shop/x", None, "/shop", "/x", id="application"),
    pytest.param(f"{SITE}/shop/admin", "/Shop/admin/x", None, "/shop/admin", "/x", id="nested"),
    pytest.param(f"{SITE.lower()}/shop", "/shop/x", None, "/shop", "/x", id="lower-case"),
    pytest.param(SITE, "/shop/x", None, "", "/shop/x", id="the-sites-own"),
    pytest.param("", "/shop/x", None, "", "/shop/x", id="none"),
    pytest.param("/LM/W3SVC/1", "/shop/x", None, "", "/shop/x", id="no-root"),
    pytest.param(f"{SITE}/shop", "/x", None, "", "/x", id="wfastcgi-has-cut-it"),
    pytest.param(
        f"{SITE}/a b", "/a%20b/%C3%A9", "/a%20b/%C3%A9", "/a b", "/\u00c3\u00a9", id="raw"
    ),
    pytest.param(f"{SITE}/shop", "/s%68op/x", None, "", "/s%68op/x", id="decoded-by-iis"),
]


@pytest.mark.parametrize(("metabase", "path", "url", "script", "info"), FASTCGI)
def test_fastcgi(metabase: str, path: str, url: str | None, script: str, info: str) -> None:
    """IIS names it in each request; a client cannot, as its headers are called HTTP_*."""
    request = {
        "PATH_INFO": path,
        "APPL_MD_PATH": metabase,
        WFASTCGI_MARK: b"",
        "HTTP_X_ORIGINAL_URL": url,
    }
    assert decide(APP_SERVICE, request) == (script, info)
    # Off the platform the path that a header brings is left as it comes.
    inert = (script, path[len(path) - len(info) :] if url is None else "/%C3%A9")
    assert decide({}, request) == inert
    assert decide(APP_SERVICE, request, application_path="/") == ("", info if not script else (
        path if url is None else "/a b/\u00c3\u00a9"
    ))  # fmt: skip


def test_only_wfastcgi_has_iis_variables() -> None:
    """Under another server the variable of that name is not IIS's."""
    request = {"PATH_INFO": "/shop/x", "APPL_MD_PATH": f"{SITE}/shop"}
    assert decide(APP_SERVICE, request) == ("", "/shop/x")


def test_behind_a_gateway() -> None:
    """The gateway's prefix comes before it, whether the gateway removes it from the path or not."""
    request = {"PATH_INFO": "/shop/x", "HTTP_X_FORWARDED_PREFIX": "/store"}
    environ = {**HTTP_PLATFORM, **V2, "APPSVC_PATH_PREFIX": "1"}
    assert decide(environ, request) == ("/store/shop", "/x")


def test_two_middlewares() -> None:
    """An entry point's around the user's own: it is moved once, by whichever of them knows it."""
    for outer, inner in [({}, {}), ({"application_path": "/"}, {}), ({}, {"hops": 3})]:
        app = Recorder()
        within = AppServiceMiddleware(app, environ={**HTTP_PLATFORM, **V2}, **inner)  # type: ignore[arg-type]
        around = AppServiceMiddleware(within, environ={**HTTP_PLATFORM, **V2}, **outer)  # type: ignore[arg-type]
        list(around(make_environ(PATH_INFO="/shop/shop/x"), lambda *_: None))
        assert (app.environ["SCRIPT_NAME"], app.environ["PATH_INFO"]) == ("/shop", "/shop/x")
        assert app.environ["appsvc.original"]["PATH_INFO"] == "/shop/shop/x"


def test_a_health_path_is_below_it() -> None:
    """As with a gateway's prefix, paths of the app are relative to it."""
    app, statuses = Recorder(), []
    middleware = AppServiceMiddleware(app, environ={**HTTP_PLATFORM, **V2}, health=Health("/up"))
    environ = make_environ(PATH_INFO="/shop/up")
    list(middleware(environ, lambda status, *_: statuses.append(status) or (lambda _: None)))  # type: ignore[func-returns-value]
    assert (statuses, app.environ) == (["200 OK"], {})


@given(st.text(st.characters(max_codepoint=255), max_size=30), st.text(max_size=20))
def test_no_path_makes_it_raise(path: str, application: str) -> None:
    """Whatever comes, SCRIPT_NAME and PATH_INFO together are the path as it came, but for case."""
    environ = {**V2, "HTTP_PLATFORM_APPL_PATH": f"/{application}"}
    script, info = decide(environ, {"PATH_INFO": "/" + path})
    assert (script + info).lower() == f"/{path}".lower() or script != ""
