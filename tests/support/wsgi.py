"""Call a middleware as a server would, with PEP 3333 checked on both sides of it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any
from wsgiref.validate import validator

from webtest import lint

from appsvc_runtime import AppServiceMiddleware

APP_SERVICE = {"WEBSITE_SITE_NAME": "mysite", "WEBSITE_INSTANCE_ID": "0123abcd"}
HTTP_PLATFORM = {**APP_SERVICE, "HTTP_PLATFORM_PORT": "31000"}
FRONT_END = "169.254.130.1"


def make_environ(headers: Mapping[str, str] | None = None, **variables: Any) -> dict[str, Any]:
    """Return the environ of a GET from the front end with `headers`, updated with `variables`.

    A variable of None is left out.
    """
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "0.0.0.0",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "mysite.azurewebsites.net",
        "REMOTE_ADDR": FRONT_END,
        "REMOTE_PORT": "40000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in (headers or {}).items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    environ.update(variables)
    return {key: value for key, value in environ.items() if value is not None}


class Recorder:
    """A WSGI app that keeps the environ it was called with."""

    def __init__(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        self.environ: dict[str, Any] = {}
        self.headers = [("Content-Type", "text/plain"), ("Content-Length", "2"), *headers]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Return a response with status 200 and keep the environ."""
        self.environ = environ
        start_response("200 OK", self.headers)
        return [b"ok"]


class Answer:
    """The result of a call: status, headers, body, and the environ that the app saw."""

    def __init__(
        self, status: str, headers: list[tuple[str, str]], body: bytes, seen: dict[str, Any]
    ) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body
        self.seen = seen


def call(
    environ: dict[str, Any],
    variables: Mapping[str, str] = APP_SERVICE,
    app_headers: Iterable[tuple[str, str]] = (),
    **options: Any,
) -> Answer:
    """Send one request through a new AppServiceMiddleware, validated outside and inside."""
    app = Recorder(app_headers)
    inside = validator(lint.middleware(app))
    middleware = AppServiceMiddleware(inside, environ=variables, **options)
    return send(middleware, environ, app)


def send(middleware: Any, environ: dict[str, Any], app: Recorder) -> Answer:
    """Send one request through `middleware`, validated outside."""
    started: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        started[:] = [status, headers]
        return lambda data: None

    app.environ = {}
    # Each validator replaces wsgi.input by its own wrapper, which the next one inside checks.
    result = validator(lint.middleware(middleware))(environ, start_response)
    try:
        body = b"".join(result)
    finally:
        result.close()
    return Answer(started[0], started[1], body, app.environ)
