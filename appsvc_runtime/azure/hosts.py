"""Detect the host by its environment variables.

Pure, and imports nothing heavy: the middleware uses it while an app starts. Must not know of
requests, settings' types or the operating system.
"""

from __future__ import annotations

import posixpath

from . import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, TypeAlias

    HostKind: TypeAlias = Literal[
        "linux", "httpplatform", "fastcgi", "webjob", "workerrole", "local"
    ]


def on_app_service(environ: Mapping[str, str]) -> bool:
    """Return whether `environ` is that of an App Service host, Windows or Linux.

    Both variables must be set and not empty (AD: reference-app-settings): one alone is easily left
    over in a shell.
    """
    return bool(environ.get(names.SITE_NAME)) and bool(environ.get(names.INSTANCE_ID))


def under_http_platform(environ: Mapping[str, str]) -> bool:
    """Return whether IIS's HttpPlatformHandler started this process on App Service."""
    return on_app_service(environ) and bool(environ.get(names.HTTP_PLATFORM_PORT))


def under_http_platform_v2(environ: Mapping[str, str]) -> bool:
    """Return whether HttpPlatformHandler is certainly version 2, which is one more proxy.

    If version 1 were taken for it, a client could choose its own address.
    """
    return under_http_platform(environ) and bool(environ.get(names.HTTP_PLATFORM_TOKEN))


def application_path(environ: Mapping[str, str]) -> str | None:
    """Return the URL path of the application that HttpPlatformHandler starts a process for.

    "" for the site's own; None if the process is not told it.
    """
    path = environ.get(names.HTTP_PLATFORM_APPL_PATH, "")
    if not path.startswith("/") or not environ.get(names.HTTP_PLATFORM_PORT):
        return None
    return path.rstrip("/")


def on_windows(environ: Mapping[str, str]) -> bool:
    """Return whether `environ` is that of a Windows process, even if only a copy of it is here.

    Windows itself sets `OS` for every process; the home of a Windows site is on a drive.
    """
    return environ.get("OS") == "Windows_NT" or environ.get("HOME", "")[1:2] == ":"


def host_kind(environ: Mapping[str, str]) -> HostKind:
    """Return the host that `environ` belongs to.

    A WebJob runs beside a site and has the site's variables too, so it is checked first. Python on
    Windows runs under HttpPlatformHandler or FastCGI, and nothing else.
    """
    if on_app_service(environ):
        if environ.get("WEBJOBS_NAME") and environ.get("WEBJOBS_TYPE"):
            return "webjob"
        if environ.get(names.HTTP_PLATFORM_PORT):
            return "httpplatform"
        if on_windows(environ) or "_FCGI_SHUTDOWN_EVENT_" in environ:
            return "fastcgi"
        return "linux"
    # Windows ignores case; a copy of its environment has all names upper-cased.
    if _either(environ, "RoleRoot") and (
        _either(environ, "RoleInstanceID") or _either(environ, "RoleDeploymentID")
    ):
        return "workerrole"
    return "local"


def authentication(environ: Mapping[str, str]) -> bool:
    """Return whether App Service authentication ("Easy Auth") is on for the site."""
    return environ.get(names.AUTH_ENABLED, "").strip().lower() in ("true", "1")


def warmup_path(environ: Mapping[str, str]) -> str:
    """Return the path that the platform requests until the container responds."""
    return environ.get(names.WARMUP_PATH) or names.DEFAULT_WARMUP_PATH


def gunicorn_config(environ: Mapping[str, str]) -> str:
    """Return the gunicorn configuration that the user names by the platform's variable, or "".

    The image sets that variable too, to a file of its own: that is not the user's.
    """
    named = environ.get(names.GUNICORN_CONFIG_PATH, "").strip()
    path = posixpath.normpath(named.removeprefix("file:"))
    return "" if path == names.IMAGE_GUNICORN_CONFIG else named


def _either(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper(), "")
