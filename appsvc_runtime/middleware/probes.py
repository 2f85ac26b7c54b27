"""Responses to the platform's own requests: warm-up and health.

Loaded by the middleware at the first such request. Must not know of trust: the environ already
describes the client, and `appsvc.original` has the peer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..azure import names
from .forwarded import TrustedPeers
from .health import TOKEN_HEADER
from .response import Reply, make_reply

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from .health import Health

__all__ = ["is_from_outside", "is_probe", "reply_health", "reply_warmup"]

_LOOPBACK = TrustedPeers(("127.0.0.0/8", "::1"))
_TOKEN_KEY = "HTTP_" + TOKEN_HEADER.upper().replace("-", "_")
# Any of these headers shows that the peer passes on another client's request.
_FRONT_END = ("HTTP_X_ARR_LOG_ID", "HTTP_FORWARDED", "HTTP_CLIENT_IP")
_FORWARDED = (names.FORWARDED_FOR, *_FRONT_END)


def is_from_outside(environ: WSGIEnvironment) -> bool:
    """Return whether a front end or proxy has passed the request on for a client."""
    return _came_with(environ, _FORWARDED)


def is_probe(environ: WSGIEnvironment, warmup_path: str) -> bool:
    """Return whether a trusted peer's request is a probe of the platform itself.

    Probes follow no redirect and count a redirect as unhealthy. A request that the front end has
    passed on is a client's, even with a probe's path and user agent.
    """
    # Version 2 of HttpPlatformHandler adds an address to probes too. It names no client, and is
    # removed by now.
    if names.FORWARDED_FOR in environ or _came_with(environ, _FRONT_END):
        return False
    agent = str(environ.get("HTTP_USER_AGENT", ""))
    return environ.get("PATH_INFO") == warmup_path or agent.startswith(names.PROBE_AGENTS)


def reply_warmup() -> Reply:
    """Return the response to the warm-up request: 200, as the process serves requests."""
    return make_reply("200 OK", b"OK\n")


def reply_health(health: Health, environ: WSGIEnvironment) -> Reply:
    """Return the app's health as 200 or 503, with details for this machine and the platform."""
    if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
        return make_reply("405 Method Not Allowed", b"", ("Allow", "GET, HEAD"))
    peer = environ.get("appsvc.original", {}).get("REMOTE_ADDR") or ""
    local = peer in _LOOPBACK and not is_from_outside(environ)
    details = local or health.is_authentic(environ.get(_TOKEN_KEY, ""))
    # wfastcgi and gunicorn's sync worker handle one request at a time.
    at_once = environ.get("wsgi.multithread") is False
    status, body = health.answer(details=details, at_once=at_once)
    return make_reply(status, body, ("Cache-Control", "no-store"), content_type="application/json")


def _came_with(environ: WSGIEnvironment, keys: tuple[str, ...]) -> bool:
    original = environ.get("appsvc.original", {})
    return any(key in environ or original.get(key) is not None for key in keys)
