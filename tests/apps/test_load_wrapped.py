"""`wrap` and `wrap_any` of apps that the user has wrapped: the options in code apply."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from appsvc_runtime import AppServiceASGIMiddleware, AppServiceMiddleware
from appsvc_runtime.apps import kinds
from appsvc_runtime.apps.load import wrap, wrap_any
from tests.apps.test_load_choice import in_a_closure, under_whitenoise, wrapped_flask
from tests.middleware.test_asgi import make_scope
from tests.support.asgi import call_asgi
from tests.support.wsgi import APP_SERVICE, make_environ


def add_to(module: str, name: str) -> Callable[..., Any]:
    """Return a function that makes an app of a framework with our middleware added to it."""

    def make(**options: Any) -> Any:
        app = getattr(importlib.import_module(module), name)()
        app.add_middleware(AppServiceASGIMiddleware, **options)
        return app

    return make


def flask(**options: Any) -> Any:
    return wrapped_flask(lambda inner: AppServiceMiddleware(inner, **options))


FRAMEWORKS: list[Any] = [
    pytest.param(flask, id="flask"),
    pytest.param(add_to("starlette.applications", "Starlette"), id="starlette"),
    pytest.param(add_to("fastapi", "FastAPI"), id="fastapi"),
]
WARMUP = "/robots933456.txt"
# Options in code against variables: the path that is requested, and the status.
IN_CODE: list[Any] = [
    pytest.param({}, {}, WARMUP, "200", id="warm-up-by-default"),
    pytest.param({"pass_warmup": True}, {}, WARMUP, "404", id="warm-up"),
    pytest.param({"pass_warmup": False}, {"APPSVC_PASS_WARMUP": "1"}, WARMUP, "200", id="no-pass"),
    pytest.param({}, {"APPSVC_HTTPS_ONLY": "1"}, "/x", "308", id="https-by-variable"),
    pytest.param({"https_only": False}, {"APPSVC_HTTPS_ONLY": "1"}, "/x", "404", id="https"),
    pytest.param({}, {"APPSVC_REQUIRE_LOGIN": "aad"}, "/x", "302", id="login-by-variable"),
    pytest.param({"require_login": ""}, {"APPSVC_REQUIRE_LOGIN": "aad"}, "/x", "404", id="login"),
    pytest.param({"require_login": "401"}, {"APPSVC_REQUIRE_LOGIN": "aad"}, "/x", "401", id="401"),
]


def request(app: Any, interface: str, path: str) -> str:
    """Return the status of a response, once its body is closed."""
    if interface == "asgi":
        return str(call_asgi(app, make_scope(path=path))[0]["status"])
    started: list[str] = []
    body = app(make_environ(PATH_INFO=path), lambda *head: started.append(head[0]))
    list(body)
    getattr(body, "close", lambda: None)()
    return started[0][:3]


@pytest.mark.parametrize(("options", "variables", "path", "status"), IN_CODE)
@pytest.mark.parametrize("make", FRAMEWORKS)
def test_options_given_in_code_count_for_an_entry_point(
    make: Callable[..., Any], options: dict[str, Any], variables: dict[str, str], path: str,
    status: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """This includes options by which the middleware responds in the app's place."""
    for name, value in {**APP_SERVICE, **variables}.items():
        monkeypatch.setenv(name, value)
    assert request(*wrap_any(make(**options)), path) == status


@pytest.mark.parametrize("make", FRAMEWORKS)
def test_access_lines_are_those_that_the_code_says(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The variable enables one line for each request; `access_log=False` in code disables them."""
    for name, value in {**APP_SERVICE, "APPSVC_ACCESS_LOG": "1"}.items():
        monkeypatch.setenv(name, value)
    for options, lines in (({}, 1), ({"access_log": False}, 0)):
        caplog.clear()
        request(*wrap_any(make(**options)), "/x")
        assert [one.name for one in caplog.records].count("appsvc_runtime.access") == lines


def test_only_what_every_request_goes_through_counts() -> None:
    """A middleware behind another one, or in a class with its own `__call__`, is not found."""
    module = importlib.import_module("flask")

    class Beside(module.Flask):  # type: ignore[misc, name-defined]
        def __call__(self, environ: Any, start_response: Any) -> Any:
            return [b"beside"]

    def wrapped(inner: Any) -> AppServiceMiddleware:
        return AppServiceMiddleware(inner, environ={})

    beside, behind = Beside("shop"), module.Flask("shop")
    beside.wsgi_app = wrapped(beside.wsgi_app)
    behind.wsgi_app = DispatcherMiddleware(wrapped(behind.wsgi_app), {})
    others = [module.Flask("shop"), under_whitenoise(wrapped), in_a_closure(wrapped)]
    for app in (beside, behind, *others):
        assert not kinds.is_wrapped(app, AppServiceMiddleware)
        assert isinstance(wrap(app), AppServiceMiddleware)
    whole = wrapped_flask(wrapped)
    assert kinds.is_wrapped(whole, AppServiceMiddleware)
    assert not kinds.is_wrapped(whole, AppServiceASGIMiddleware)
    assert wrap(whole) is whole


def test_a_class_with_a_call_of_its_own_does_not_switch_a_sign_in_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a middleware made from ours, nor an app made from a framework's."""
    for name, value in {**APP_SERVICE, "APPSVC_REQUIRE_LOGIN": "401"}.items():
        monkeypatch.setenv(name, value)

    class Past(AppServiceMiddleware):
        def __call__(self, environ: Any, start_response: Any) -> Any:
            return self.app(environ, start_response)

    class PastASGI(AppServiceASGIMiddleware):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

    class Beside(importlib.import_module("starlette.applications").Starlette):  # type: ignore[misc]
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"beside"})

    beside = Beside()
    beside.add_middleware(AppServiceASGIMiddleware, require_login="")
    flask = importlib.import_module("flask").Flask("shop")
    whole = Past(flask.wsgi_app)
    flask.wsgi_app = Past(flask.wsgi_app)
    for app in (whole, flask, PastASGI(Beside()), beside):
        assert request(*wrap_any(app), "/x") == "401"


def test_what_a_quart_app_calls_counts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in acts as Quart, whose apps call `asgi_app`."""
    source = (
        "class Quart:\n"
        "    async def asgi_app(self, scope, receive, send): pass\n"
        "    async def __call__(self, scope, receive, send):\n"
        "        await self.asgi_app(scope, receive, send)\n"
    )
    module = types.ModuleType("quart.app")
    exec(source, module.__dict__)
    monkeypatch.setitem(sys.modules, "quart.app", module)
    app = module.Quart()
    assert isinstance(wrap_any(app)[0], AppServiceASGIMiddleware)
    app.asgi_app = AppServiceASGIMiddleware(app.asgi_app, environ={})
    assert wrap_any(app) == (app, "asgi")
