"""Detects a server that reads forwarded headers itself, before the middleware decides about trust.

The server's settings are found in the frames of the call to the middleware, as no server passes
them to an app. Loaded on App Service only, at a process's first request. Must not know what the
middleware decides.
Sources: uvicorn's `ProxyHeadersMiddleware`; gunicorn's `forwarded_allow_ips` and
`forwarder_headers`, both of which read FORWARDED_ALLOW_IPS.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

__all__ = ["describe", "mixes_names"]

# One address from each network in which the platform's front end is, seen from a container.
_FRONT_ENDS = ("169.254.129.1", "10.0.0.4", "172.16.0.4", "192.168.0.4")
# The ASGI middleware removes headers with underscores, so that this worker's do not matter.
_GUNICORN_ASGI = "gunicorn.workers.gasgi"
_GUNICORN_WSGI = (
    "gunicorn.workers.sync",
    "gunicorn.workers.gthread",
    "gunicorn.workers.base_async",
    # Our own worker for gunicorn, whose `self.cfg` is gunicorn's too.
    "appsvc_runtime.serving.gunicorn.event_worker",
)
# From this release on gunicorn drops names with underscores by default.
_DROPS_UNDERSCORES = (22,)
_UVICORN = (
    "uvicorn trusts X-Forwarded-For and X-Forwarded-Proto itself (FORWARDED_ALLOW_IPS or "
    "--forwarded-allow-ips, loopback by default), before the middleware: clients can choose the "
    "address that the app sees, and signed-in users count as not signed in. Remove that setting "
    "and start uvicorn with --no-proxy-headers, or start the app with `appsvc serve`."
)
_GUNICORN = (
    "gunicorn lets every client send the headers {names} into the app's environ "
    "(FORWARDED_ALLOW_IPS or --forwarded-allow-ips), which changes the path that the app sees. "
    "Remove that setting, or start gunicorn with `-c python:appsvc_runtime.gunicorn_conf`."
)


def describe(*, loopback: bool) -> str:
    """Return a warning if the server that calls the middleware trusts headers itself, else "".

    `loopback`: the front end has a loopback address, as it does under IIS.
    """
    front_ends = (*_FRONT_ENDS, "127.0.0.1") if loopback else _FRONT_ENDS
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module == "uvicorn.middleware.proxy_headers":
            trusted = getattr(frame.f_locals.get("self"), "trusted_hosts", ())
            if getattr(trusted, "always_trust", False) or any(a in trusted for a in front_ends):
                return _UVICORN
            return ""
        if module.startswith("gunicorn.workers.") or module in _GUNICORN_WSGI:
            if module == _GUNICORN_ASGI:
                return ""
            return _describe_gunicorn(getattr(frame.f_locals.get("self"), "cfg", None), front_ends)
        frame = frame.f_back
    return ""


def mixes_names() -> bool:
    """Return whether the server that calls the middleware makes one variable of `X_A` and `X-A`.

    Plain gunicorn before 22 does, and later releases do with `header_map = "dangerous"`. The front
    end removes a client's header with hyphens, but perhaps not the one with underscores.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "") in _GUNICORN_WSGI:
            config = getattr(frame.f_locals.get("self"), "cfg", None)
            if getattr(config, "header_map", "drop") == "dangerous":
                return True
            release = getattr(sys.modules.get("gunicorn"), "version_info", _DROPS_UNDERSCORES)
            hook = getattr(config, "pre_request", None)
            is_ours = getattr(hook, "drops_underscores", False)
            return tuple(release) < _DROPS_UNDERSCORES and not is_ours
        frame = frame.f_back
    return False


def _describe_gunicorn(config: Any, front_ends: tuple[str, ...]) -> str:
    names = [name for name in getattr(config, "forwarder_headers", ()) if name]
    allowed = getattr(config, "forwarded_allow_ips", ())
    if not names or not allowed:
        return ""
    from .forwarded import TrustedPeers

    trusted = TrustedPeers(allowed)
    if any(address in trusted for address in front_ends):
        return _GUNICORN.format(names=" and ".join(names))
    return ""
