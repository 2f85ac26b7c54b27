"""Values for a Django settings module, chosen from the platform's variables::

    from appsvc_runtime import django as appsvc, load_settings

    settings = load_settings(folder=BASE_DIR)
    ALLOWED_HOSTS = appsvc.allowed_hosts(settings)
    CSRF_TRUSTED_ORIGINS = appsvc.csrf_trusted_origins(settings)
    SECURE_PROXY_SSL_HEADER = appsvc.secure_proxy_ssl_header(settings)
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = appsvc.secure_cookies(settings)
    DATABASES = appsvc.databases(settings, sqlite=BASE_DIR / "db.sqlite3")
    LOGGING = appsvc.logging_config(settings)
    STATIC_ROOT = appsvc.static_root(settings, BASE_DIR)

Each function returns a plain value and changes nothing; `appsvc settings --django` shows each value
here, and why. Must not import Django.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigError, drop_frames
from .findings import Finding, SettingsError
from .logs import setup
from .settings import option_parsers, options
from .system import sockets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .settings.settings import Settings

__all__ = [
    "Choice",
    "allowed_hosts",
    "choices",
    "csrf_trusted_origins",
    "databases",
    "logging_config",
    "secure_cookies",
    "secure_proxy_ssl_header",
    "static_root",
]

_LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_PLACE = re.compile(r"[A-Za-z0-9.*_-]+(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Choice:
    """One of Django's settings: its `name`, the `value` here, and `why`, a sentence."""

    name: str
    value: Any
    why: str


@drop_frames
def allowed_hosts(settings: Settings, *hosts: str) -> list[str]:
    """Return ALLOWED_HOSTS: the site's own name, `hosts`, those of `APPSVC_ALLOWED_HOSTS`.

    Includes this machine's own names: the platform's probes request the container by its address
    (169.254.x.x), which nothing outside can do. Raises ConfigError for an invalid host name.
    """
    found: list[str] = _allowed_hosts(settings, hosts).value
    return found


@drop_frames
def csrf_trusted_origins(settings: Settings, *hosts: str) -> list[str]:
    """Return CSRF_TRUSTED_ORIGINS: https for the site's name, `hosts`, `APPSVC_ALLOWED_HOSTS`.

    A host may be a whole origin (`http://localhost:3000`). `.example.com` stands for all its
    subdomains, as in ALLOWED_HOSTS.
    """
    found: list[str] = _csrf_trusted_origins(settings, hosts).value
    return found


@drop_frames
def secure_proxy_ssl_header(settings: Settings) -> tuple[str, str] | None:
    """Return SECURE_PROXY_SSL_HEADER: the header that AppServiceMiddleware checks, or None."""
    found: tuple[str, str] | None = _secure_proxy_ssl_header(settings).value
    return found


def secure_cookies(settings: Settings) -> bool:
    """Return SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE: True on the platform (https)."""
    return bool(_secure_cookies(settings).value)


@drop_frames
def databases(
    settings: Settings,
    name: str = "",
    *,
    sqlite: str | os.PathLike[str] | None = None,
    required: bool = True,
) -> dict[str, dict[str, Any]]:
    """Return DATABASES, with the entry `default`.

    It is made from the connection string `name`; without a name from the one called `default`, else
    from the only one that is for a database. `sqlite` is a file for your own machine, used if there
    is no such string. Raises SettingsError if there are several and no name is given, and if there
    is none, unless `required` is false: then DATABASES is empty.
    """
    found: dict[str, dict[str, Any]] = _databases(settings, name, sqlite, required=required).value
    return found


@drop_frames
def logging_config(settings: Settings, level: str | None = None) -> dict[str, Any]:
    """Return LOGGING: `appsvc_runtime.dict_config`, with Django's own loggers sent the same way.

    `level` is by default that of `APPSVC_LOG_LEVEL`. Raises ConfigError for a variable that cannot
    be used.
    """
    found: dict[str, Any] = _logging(settings, level).value
    return found


def static_root(settings: Settings, base_dir: str | os.PathLike[str]) -> Path:
    """Return STATIC_ROOT: the folder `staticfiles` beside manage.py, which the build fills."""
    found: Path = _static_root(base_dir).value
    return found


def choices(settings: Settings, base_dir: str | os.PathLike[str]) -> list[Choice]:
    """Return all settings with their values here; instead of an error that is raised, its text."""
    makers: dict[str, Callable[[], Choice]] = {
        "ALLOWED_HOSTS": lambda: _allowed_hosts(settings, ()),
        "CSRF_TRUSTED_ORIGINS": lambda: _csrf_trusted_origins(settings, ()),
        "SECURE_PROXY_SSL_HEADER": lambda: _secure_proxy_ssl_header(settings),
        "SESSION_COOKIE_SECURE": lambda: _secure_cookies(settings, "SESSION_COOKIE_SECURE"),
        "CSRF_COOKIE_SECURE": lambda: _secure_cookies(settings, "CSRF_COOKIE_SECURE"),
        "DATABASES": lambda: _databases(settings, "", Path(base_dir) / "db.sqlite3", required=True),
        "LOGGING": lambda: _logging(settings, None),
        "STATIC_ROOT": lambda: _static_root(base_dir),
    }
    made = []
    for name, make in makers.items():
        try:
            made.append(make())
        except ConfigError as error:
            made.append(Choice(name, None, f"it raises an error: {error}"))
    return made


def _allowed_hosts(settings: Settings, hosts: Iterable[str]) -> Choice:
    custom = _custom_hosts(settings, hosts)
    if not settings.on_app_service:
        return Choice(
            "ALLOWED_HOSTS",
            list(dict.fromkeys([*_LOCAL_HOSTS, *custom])),
            "off App Service: this machine, and the hosts in APPSVC_ALLOWED_HOSTS",
        )
    private = f"[{settings.private_ip}]" if ":" in settings.private_ip else settings.private_ip
    own = [sockets.own_address() if settings.host == "linux" else "", private.strip().lower()]
    names = [_site_host(settings), *custom, *_LOCAL_HOSTS, *own]
    return Choice(
        "ALLOWED_HOSTS",
        [name for name in dict.fromkeys(names) if name],
        "WEBSITE_HOSTNAME, APPSVC_ALLOWED_HOSTS for custom domains, and this instance's own "
        "addresses, which the platform's probes request",
    )


def _csrf_trusted_origins(settings: Settings, hosts: Iterable[str]) -> Choice:
    hosts = list(hosts)
    origins = [host for host in hosts if isinstance(host, str) and "://" in host]
    for origin in origins:
        scheme, _, place = origin.partition("://")
        if scheme not in ("http", "https") or not _PLACE.fullmatch(place):
            raise ConfigError(
                "An origin passed to appsvc_runtime.django cannot be used.",
                hint="Write it as https://www.example.com, with nothing after host and port.",
            )
    names = _custom_hosts(settings, [host for host in hosts if host not in origins])
    if settings.on_app_service:
        names.insert(0, _site_host(settings))
    origins += [
        f"https://*{name}" if name.startswith(".") else f"https://{name}"
        for name in names
        if name and name != "*"
    ]
    return Choice(
        "CSRF_TRUSTED_ORIGINS",
        list(dict.fromkeys(origins)),
        "https for WEBSITE_HOSTNAME and APPSVC_ALLOWED_HOSTS"
        if settings.on_app_service
        else "off App Service: only the hosts in APPSVC_ALLOWED_HOSTS",
    )


def _secure_proxy_ssl_header(settings: Settings) -> Choice:
    trusted = options.resolve("APPSVC_TRUSTED_PROXIES", None, settings.app_settings)
    believed = settings.on_app_service or bool(trusted)
    return Choice(
        "SECURE_PROXY_SSL_HEADER",
        ("HTTP_X_FORWARDED_PROTO", "https") if believed else None,
        "AppServiceMiddleware leaves only the front end's value in this header"
        if believed
        else "off the platform no header is trusted; Django takes the scheme from the server",
    )


def _secure_cookies(settings: Settings, name: str = "SESSION_COOKIE_SECURE") -> Choice:
    return Choice(
        name,
        settings.on_app_service,
        "the platform serves https"
        if settings.on_app_service
        else "off the platform sites are used with plain http",
    )


def _databases(
    settings: Settings, name: str, sqlite: str | os.PathLike[str] | None, *, required: bool
) -> Choice:
    strings = settings.connection_strings
    fallback = sqlite is not None and not settings.on_platform
    wanted = f"no connection string {name!r}" if name else "no connection string for a database"
    if not name:
        leading = strings.leading_to_databases()
        by_name = {known.lower(): setting for known, setting in reversed(leading)}
        if "default" in by_name:
            name = by_name["default"]
        elif len(leading) > 1:
            there = ", ".join(known for known, _ in leading)
            raise _no_database(
                f"There are several connection strings for databases ({there}).",
                "Pass the name of one to databases(), or name one `default`.",
            )
        else:
            name = leading[0][1] if leading else ""
    if name and (name in strings or (required and not fallback)):
        connection = settings.connection(name)
        why = f"the connection string {connection.setting}"
        return Choice("DATABASES", {"default": connection.django_database()}, why)
    if fallback:
        entry = {"ENGINE": "django.db.backends.sqlite3", "NAME": os.fspath(sqlite or "")}
        return Choice(
            "DATABASES",
            {"default": entry},
            f"off the platform, and there is {wanted}: a local SQLite file",
        )
    if not required:
        return Choice("DATABASES", {}, f"there is {wanted}, and none is required")
    raise _no_database(
        "There is no connection string for a database.",
        "Add one to the site, or use Service Connector; on your own machine, add it to .env.",
    )


def _no_database(message: str, hint: str) -> SettingsError:
    return SettingsError([Finding("missing", "error", "DATABASES", message, hint)])


def _logging(settings: Settings, level: str | None) -> Choice:
    config = setup.dict_config(settings, level=level)
    # Django's default handlers would log every line twice, and send errors by mail.
    to_root = {"handlers": [], "level": "NOTSET", "propagate": True}
    config["loggers"] |= {"django": to_root, "django.server": dict(to_root)}
    file = config["handlers"]["appsvc"]["file"]
    return Choice("LOGGING", config, f"one handler, to {file or 'standard output'}")


def _static_root(base_dir: str | os.PathLike[str]) -> Choice:
    why = "beside manage.py, where the platform's build runs collectstatic"
    return Choice("STATIC_ROOT", Path(base_dir) / "staticfiles", why)


def _custom_hosts(settings: Settings, hosts: Iterable[str]) -> list[str]:
    try:
        given = [option_parsers.parse_host_pattern(host) for host in hosts]
    except (ValueError, AttributeError):
        raise ConfigError(
            "A host passed to appsvc_runtime.django cannot be used.",
            hint="Pass each host as its own argument, such as 'www.example.com', without scheme, "
            "port and path; csrf_trusted_origins() also takes 'http://localhost:3000'.",
        ) from None
    named = options.resolve("APPSVC_ALLOWED_HOSTS", None, settings.app_settings)
    return [name.lower() for name in (*given, *named)]


def _site_host(settings: Settings) -> str:
    """Return the site's own name as browsers send it, or "" if it is not a host name."""
    name = settings.hostname.strip().lower()
    host, colon, port = name.rpartition(":")
    if colon and port.isdigit():
        name = host
    try:
        return "" if name == "*" else option_parsers.parse_host_pattern(name)
    except ValueError:
        return ""
