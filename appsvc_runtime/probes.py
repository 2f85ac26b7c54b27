"""The platform's own requests, answered for the app: warm-up and health.

WSGI, loaded by the middleware when it is asked. Must not know of trust: by now the environ is the
visitor's, and what the peer was is in `appsvc.original`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .forwarded import TrustedPeers
from .health import TOKEN_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from .health import Health

__all__ = ["answer_health", "answer_warmup", "is_from_outside"]

_LOOPBACK = TrustedPeers(("127.0.0.0/8", "::1"))
_TOKEN_KEY = "HTTP_" + TOKEN_HEADER.upper().replace("-", "_")
# By any of these somebody else is asking through the peer.
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_ARR_LOG_ID", "HTTP_FORWARDED", "HTTP_CLIENT_IP")


def is_from_outside(environ: WSGIEnvironment) -> bool:
    """Say whether a request has come through a front end or proxy, and not from the peer itself."""
    original = environ.get("appsvc.original", {})
    return any(key in environ or original.get(key) is not None for key in _FORWARDED)


def answer_warmup(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Say that the container answers."""
    return _answer(environ, start_response, "200 OK", b"OK\n", [("Content-Type", "text/plain")])


def answer_health(
    health: Health, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Say how the app is: 200 or 503; details for those who may have them."""
    if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
        return _answer(
            environ, start_response, "405 Method Not Allowed", b"", [("Allow", "GET, HEAD")]
        )
    peer = environ.get("appsvc.original", {}).get("REMOTE_ADDR") or ""
    local = peer in _LOOPBACK and not is_from_outside(environ)
    details = local or health.is_authentic(environ.get(_TOKEN_KEY, ""))
    status, body = health.answer(details=details)
    return _answer(
        environ, start_response, status, body,
        [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
    )  # fmt: skip


def _answer(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: str,
    body: bytes,
    headers: list[tuple[str, str]],
) -> Iterable[bytes]:
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]
