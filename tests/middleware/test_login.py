"""Required sign-in: the middleware's option, and the decorator for views."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.middleware import login
from appsvc_runtime.middleware.signed_in import signed_in
from tests.middleware.test_principal import SIGN_IN, headers
from tests.support.wsgi import make_environ


def ask(environ: dict[str, Any], **options: Any) -> tuple[str, dict[str, str]]:
    said: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    middleware = AppServiceMiddleware(app, environ=SIGN_IN, **options)
    middleware(environ, lambda status, headers: said.extend((status, headers)))  # type: ignore[arg-type, return-value]
    return said[0], dict(said[1])


def test_middleware_option() -> None:
    """The response is 401 or a redirect to the provider's sign-in and back; users pass."""
    assert ask(make_environ(), require_login="401")[0] == "401 Unauthorized"
    environ = make_environ(PATH_INFO="/a b/\xc3\xbc", QUERY_STRING="x=1&y=%20")
    status, found = ask(environ, require_login="aad")
    assert status == "302 Found"
    assert found["Location"] == (
        "/.auth/login/aad?post_login_redirect_uri=%2Fa%2520b%2F%25C3%25BC%3Fx%3D1%26y%3D%2520"
    )
    assert ask(make_environ(headers()), require_login="aad")[0] == "200 OK"
    assert ask(make_environ(PATH_INFO="/.auth/me"), require_login="aad")[0] == "404 Not Found"
    posted = ask(make_environ(REQUEST_METHOD="POST", PATH_INFO="/pay"), require_login="aad")
    assert posted[1]["Location"] == "/.auth/login/aad?post_login_redirect_uri=%2F"


@pytest.mark.parametrize("value", ["aad google", "a/b", "https://x", "\xfc"])
def test_option_that_cannot_be_used(value: str) -> None:
    """It must be a provider's name, or 401."""
    with pytest.raises(ConfigError):
        ask(make_environ(), require_login=value)


PATHS = ["//evil.example/x", "/\\evil.example", "\\\\evil.example", "https://evil.example", ""]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path or "empty")
def test_never_to_another_site(path: str) -> None:
    """A target that could be read as another site becomes a path."""
    target = parse_qs(urlsplit(login.login_url("aad", path)).query)["post_login_redirect_uri"][0]
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))
    assert not urlsplit(target).netloc


PLATFORM = [
    "/.auth/logout", "//.auth/logout", "/.AUTH/logout", "/x/../.auth/logout", "/./.auth/logout",
    "/x\\..\\.auth\\logout", "\\.auth\\logout", "/.auth", "/a/b/../../.auth/", ".auth/logout",
]  # fmt: skip


@pytest.mark.parametrize("path", PLATFORM)
def test_never_to_the_platforms_own_pages(path: str) -> None:
    """Otherwise a link could lead a user through the sign-in to the page that signs them out."""
    assert login.login_url("aad", path, "x=1").endswith("?post_login_redirect_uri=%2F")


@given(path=st.text(st.characters(max_codepoint=255)), query=st.text(max_size=20))
def test_never_to_another_site_whatever_is_asked_for(path: str, query: str) -> None:
    """This holds for any path and query."""
    url = login.login_url("aad", path, query)
    assert url.isascii()
    assert url.startswith("/.auth/login/aad?post_login_redirect_uri=%2F")
    target = parse_qs(urlsplit(url).query, strict_parsing=True)["post_login_redirect_uri"][0]
    assert not urlsplit(target.replace("\\", "/")).netloc


def flask_app() -> Any:
    from flask import Flask

    app = Flask(__name__)

    @app.get("/account")
    @signed_in("aad")
    def account() -> str:
        """Return a page."""
        return "yours"

    @app.get("/report")
    @signed_in(roles=["admin"])
    def report() -> str:
        """Return a page."""
        return "report"

    @app.get("/other")
    @signed_in(roles="boss")
    def other() -> str:
        """Return a page."""
        return "other"

    app.wsgi_app = AppServiceMiddleware(app.wsgi_app, environ=SIGN_IN)  # type: ignore[method-assign]
    return app


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/account", {}, 302),
        ("/account", headers(), 200),
        ("/report", {}, 401),
        ("/report", headers(), 200),
        ("/other", headers(), 403),
        ("/other", {}, 401),
    ],
    ids=["sign-in", "signed-in", "401", "role", "other-role", "role-signed-out"],
)
def test_decorator_in_flask(path: str, sent: dict[str, str], status: int) -> None:
    """The decorator responds in the view's place, or calls the view."""
    client = flask_app().test_client()
    answer = client.get(path, headers=sent, environ_base={"REMOTE_ADDR": "169.254.130.1"})
    assert answer.status_code == status
    if status == 302:
        assert answer.headers["Location"] == "/.auth/login/aad?post_login_redirect_uri=%2Faccount"


def test_decorator_in_django() -> None:
    """A view's request is found among its arguments."""
    from django.conf import settings
    from django.http import HttpResponse
    from django.test import RequestFactory

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"])

    @signed_in("aad", roles=["admin"])
    def view(request: Any) -> Any:
        return HttpResponse("yours")

    def ask_view(sent: dict[str, str]) -> int:
        request = RequestFactory().get("/x", headers=sent, REMOTE_ADDR="169.254.130.1")

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            request.META.update(environ)
            return []

        AppServiceMiddleware(app, environ=SIGN_IN)(dict(request.META), None)  # type: ignore[arg-type]
        code: int = view(request).status_code
        return code

    assert ask_view({}) == 302
    assert ask_view(headers()) == 200


def test_view_without_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error states what is missing."""
    import sys

    monkeypatch.setitem(sys.modules, "flask", None)

    @signed_in()
    def view(number: int) -> int:
        return number

    with pytest.raises(TypeError, match="request: Request"):
        view(1)
