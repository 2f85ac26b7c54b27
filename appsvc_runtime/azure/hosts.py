"""Which host this is, told from its environment variables.

Pure, and imports nothing heavy: the middleware asks it while an app starts. Must not know of
requests, settings' types or the operating system.
"""

from __future__ import annotations

from . import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, TypeAlias

    HostKind: TypeAlias = Literal[
        "linux", "httpplatform", "fastcgi", "webjob", "workerrole", "local"
    ]


def on_app_service(environ: Mapping[str, str]) -> bool:
    """Say whether `environ` is that of an App Service host, Windows or Linux.

    Both variables must be there and not empty (AD: reference-app-settings): one alone is easily
    left over in somebody's shell.
    """
    return bool(environ.get(names.SITE_NAME)) and bool(environ.get(names.INSTANCE_ID))


def under_http_platform(environ: Mapping[str, str]) -> bool:
    """Say whether IIS's HttpPlatformHandler started this process on App Service."""
    return on_app_service(environ) and bool(environ.get(names.HTTP_PLATFORM_PORT))


def under_http_platform_v2(environ: Mapping[str, str]) -> bool:
    """Return whether that was certainly version 2 of the module, which is one more proxy."""
    return under_http_platform(environ) and any(environ.get(n) for n in names.HTTP_PLATFORM_V2)


def on_windows(environ: Mapping[str, str]) -> bool:
    """Say whether `environ` is that of a Windows process, also where only its copy is here.

    `OS` is what Windows itself sets for every process; the home of a Windows site is on a drive.
    """
    return environ.get("OS") == "Windows_NT" or environ.get("HOME", "")[1:2] == ":"


def host_kind(environ: Mapping[str, str]) -> HostKind:
    """Tell which host `environ` is that of.

    A WebJob runs beside a site and has the site's variables too, so it is asked for first; on
    Windows what is not HttpPlatformHandler's is FastCGI's, there is no third way for Python.
    """
    if on_app_service(environ):
        if environ.get("WEBJOBS_NAME") and environ.get("WEBJOBS_TYPE"):
            return "webjob"
        if environ.get(names.HTTP_PLATFORM_PORT):
            return "httpplatform"
        if on_windows(environ) or "_FCGI_SHUTDOWN_EVENT_" in environ:
            return "fastcgi"
        return "linux"
    # Windows keeps no case; a copy of its environment has all names upper-cased.
    if _either(environ, "RoleRoot") and (
        _either(environ, "RoleInstanceID") or _either(environ, "RoleDeploymentID")
    ):
        return "workerrole"
    return "local"


def authentication(environ: Mapping[str, str]) -> bool:
    """Say whether App Service authentication ("Easy Auth") is on for the site."""
    return environ.get(names.AUTH_ENABLED, "").strip().lower() in ("true", "1")


def warmup_path(environ: Mapping[str, str]) -> str:
    """Give the path that the platform asks until the container answers."""
    return environ.get(names.WARMUP_PATH) or names.DEFAULT_WARMUP_PATH


def _either(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.upper(), "")
