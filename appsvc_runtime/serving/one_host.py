"""Refuses a request with two Host headers or two lengths, which two readers may read differently.

For servers that pass such a request on. Knows ASGI's scopes, and nothing of apps or trust.
Sources: RFC 9112, 3.2: a server must respond to two Host headers with 400; 6.1, 6.3: it may refuse
Content-Length together with Transfer-Encoding, which can smuggle a request in another one's body,
and must then close the connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["OneHost", "find_fault"]

_TWO_HOSTS = b"More than one Host header.\n"
_TWO_LENGTHS = b"Content-Length together with Transfer-Encoding.\n"


def find_fault(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return what is ambiguous about a request, else b""; header names are in lower case."""
    names = [name for name, _ in headers]
    if names.count(b"host") > 1:
        return _TWO_HOSTS
    if b"transfer-encoding" in names and b"content-length" in names:
        return _TWO_LENGTHS
    return b""


async def _refuse(scope: Scope, receive: Receive, send: Send, fault: bytes) -> None:
    """Respond with 400; refuse a WebSocket as the server supports it, mostly with 403."""
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(fault)).encode()),
        (b"connection", b"close"),
    ]
    start = {"type": "http.response.start", "status": 400, "headers": headers}
    body = {"type": "http.response.body", "body": fault, "more_body": False}
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", ()):
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({**start, "type": "websocket.http.response.start"})
        await send({**body, "type": "websocket.http.response.body"})
        return
    await send(start)
    await send(body)


class OneHost:
    """An ASGI app that wraps another one, and refuses requests with two hosts or two lengths."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in ("http", "websocket") and (fault := find_fault(scope["headers"])):
            await _refuse(scope, receive, send, fault)
        else:
            await self.app(scope, receive, send)
