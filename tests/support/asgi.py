"""Call an ASGI app in this process as a server would, with a scope and a body."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["call_asgi"]


def call_asgi(app: Any, scope: dict[str, Any], body: bytes = b"") -> list[dict[str, Any]]:
    """Return what an app sends for one connection. Exceptions of the app are not caught.

    The client of an HTTP request disconnects when it has the whole response, that of a WebSocket at
    once.
    """
    sent: list[dict[str, Any]] = []
    kind = scope["type"]
    first = "websocket.connect" if kind == "websocket" else "http.request"
    coming = [{"type": first, "body": body, "more_body": False}]

    async def call() -> None:
        over = asyncio.Event()
        if kind != "http":
            over.set()

        async def receive() -> dict[str, Any]:
            if coming:
                return coming.pop()
            await over.wait()
            return {"type": f"{kind}.disconnect", "code": 1005}

        async def send(message: Any) -> None:
            sent.append(dict(message))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                over.set()

        await app(scope, receive, send)

    asyncio.run(call())
    return sent
