"""A response in place of the app's, as a value; the middlewares for WSGI and ASGI send it.

Pure. Must not know what a response is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["Reply", "make_reply", "send"]

_TEXT = "text/plain; charset=utf-8"


class Reply(NamedTuple):
    """A complete response: `status` with its reason, headers, body."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


def make_reply(
    status: str, body: bytes, *headers: tuple[str, str], content_type: str = _TEXT
) -> Reply:
    """Return a reply with the headers that every response has."""
    length = ("Content-Length", str(len(body)))
    return Reply(status, [("Content-Type", content_type), length, *headers], body)


def send(reply: Reply, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send a reply by WSGI; a HEAD request gets the head only."""
    start_response(reply.status, reply.headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [reply.body]
