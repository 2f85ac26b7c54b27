"""The public API as a user would write it; checked by mypy --strict, never run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from appsvc_runtime import AppServiceError, AppServiceMiddleware, RequestInfo
from appsvc_runtime.runserver import main
from appsvc_runtime.wsgi import application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Show the visitor to himself."""
    visitor: RequestInfo = environ["appsvc.request"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    port: int | None = visitor.client_port
    return [f"{visitor.client_address} {port} {visitor.is_secure}".encode()]


wrapped: WSGIApplication = AppServiceMiddleware(app, trusted_proxies=["10.0.0.0/8"], hops=2)
lazy: WSGIApplication = application


def serve() -> int:
    """Run the door from a program."""
    try:
        return main(["app:app", "--port", "0"])
    except AppServiceError as error:
        return error.exit_code
