"""A request with more than one Host header is refused: two readers of it could see two hosts.

For servers that pass such a request on. Knows ASGI's scopes, and nothing of apps or trust.
Source: RFC 9112, 3.2: a server must respond to it with 400.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["BAD_REQUEST", "OneHost", "has_one_host"]

BAD_REQUEST = b"More than one Host header.\n"
_START: dict[str, Any] = {
    "type": "http.response.start",
    "status": 400,
    "headers": [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(BAD_REQUEST)).encode()),
    ],
}
_BODY: dict[str, Any] = {"type": "http.response.body", "body": BAD_REQUEST, "more_body": False}


def has_one_host(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether there is one Host header at most; names are in small letters."""
    return [name for name, _ in headers].count(b"host") <= 1


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with 400; a WebSocket is refused as the server can, 403 at most of them."""
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", ()):
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({**_START, "type": "websocket.http.response.start"})
        await send({**_BODY, "type": "websocket.http.response.body"})
        return
    await send(_START)
    await send(_BODY)


class OneHost:
    """An ASGI app around another one, which gets no request with two hosts."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in ("http", "websocket") and not has_one_host(scope["headers"]):
            await _refuse(scope, receive, send)
        else:
            await self._app(scope, receive, send)
