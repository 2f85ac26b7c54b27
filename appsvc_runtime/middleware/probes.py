"""The platform's own requests, answered for the app: warm-up and health.

Loaded by the middleware when it is asked. Must not know of trust: by now the environ is the
client's, and what the peer was is in `appsvc.original`.
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
# By any of these somebody else is asking through the peer.
_FRONT_END = ("HTTP_X_ARR_LOG_ID", "HTTP_FORWARDED", "HTTP_CLIENT_IP")
_FORWARDED = (names.FORWARDED_FOR, *_FRONT_END)


def is_from_outside(environ: WSGIEnvironment) -> bool:
    """Return whether a request has come through a front end or proxy, not from the peer itself."""
    return _came_with(environ, _FORWARDED)


def is_probe(environ: WSGIEnvironment, warmup_path: str) -> bool:
    """Return whether a trusted peer's request is a probe of the platform itself.

    Probes follow no redirect and count one as ill health. What the front end has passed on is a
    client's request, whatever its path and user agent.
    """
    # Version 2 of HttpPlatformHandler adds an address to probes, too: it names no client and has
    # been removed by now.
    if names.FORWARDED_FOR in environ or _came_with(environ, _FRONT_END):
        return False
    agent = str(environ.get("HTTP_USER_AGENT", ""))
    return environ.get("PATH_INFO") == warmup_path or agent.startswith(names.PROBE_AGENTS)


def reply_warmup() -> Reply:
    """Return the response to the warm-up request: the container answers."""
    return make_reply("200 OK", b"OK\n")


def reply_health(health: Health, environ: WSGIEnvironment) -> Reply:
    """Return how the app is: 200 or 503; details for this machine and the platform's probe."""
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
