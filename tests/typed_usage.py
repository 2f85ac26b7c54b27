"""The public API as a user would write it; checked by mypy --strict, never run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appsvc_runtime import (
    AppServiceASGIMiddleware,
    AppServiceError,
    AppServiceMiddleware,
    ConnectionString,
    Health,
    Json,
    RequestInfo,
    Secret,
    Settings,
    SettingsError,
    Url,
    load_settings,
    parse_connection_string,
)
from appsvc_runtime import django as appsvc
from appsvc_runtime.runserver import main
from appsvc_runtime.wsgi import application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Show the client its own address."""
    visitor: RequestInfo = environ["appsvc.request"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    port: int | None = visitor.client_port
    return [f"{visitor.client_address} {port} {visitor.is_secure}".encode()]


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    """Do nothing."""


health: Health = Health("/healthz", {"database": lambda: True}, drain_seconds=2)
health.drain_on_sigterm()
wrapped: WSGIApplication = AppServiceMiddleware(app, trusted_proxies=["10.0.0.0/8"], hops=2)
asgi: AppServiceASGIMiddleware = AppServiceASGIMiddleware(asgi_app, health=health, hops=None)
lazy: WSGIApplication = application


def serve() -> int:
    """Run the entry point from a program."""
    try:
        return main(["app:app", "--port", "0"])
    except AppServiceError as error:
        return error.exit_code


@dataclass(frozen=True)
class Mail:
    """The settings of a user's app."""

    host: str
    api_key: Secret
    port: int = 25
    timeout: timedelta = timedelta(seconds=30)


settings: Settings = load_settings({"MAIL_HOST": "h"}, dotenv=False, folder=Path())
text: str = settings.value("A")
number: int = settings.value("B", int)
maybe: int | None = settings.value("B", int, default=None)
words: list[str] = settings.value("C", list[str], default=[])
link: Url = settings.value("D", Url)
anything: Any = settings.value("E", Json)
named: str | None = settings.value("F", default=None)
here: bool = "G" in settings.app_settings
home: Path | None = settings.home


def configure() -> dict[str, dict[str, Any]]:
    """Read a dataclass, and make a database entry."""
    try:
        mail: Mail = settings.read(Mail, prefix="MAIL_")
    except SettingsError as error:
        raise SystemExit("; ".join(finding.where for finding in error.findings)) from None
    key: str = mail.api_key.reveal()
    main: ConnectionString = settings.connection("main")
    other: ConnectionString = parse_connection_string(key, kind="redis")
    url: str = other.redis_url(database=1)
    password: Secret | None = main.password
    port: int | None = main.port
    return appsvc.databases(settings, url or str(port or password), sqlite=Path("db.sqlite3"))


hosts: list[str] = appsvc.allowed_hosts(settings, "www.example.com")
header: tuple[str, str] | None = appsvc.secure_proxy_ssl_header(settings)
