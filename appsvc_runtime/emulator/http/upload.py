"""The body of a request on its way to a server: how far it is, and whether the server takes it.

Must not know of connections, nor of what has been received.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .messages import Request

__all__ = ["Upload"]


class Upload:
    """A request's body, piece by piece; as many bytes as the request says, or an error.

    The first piece is empty: aiohttp sends the head with the first piece, and a server may respond
    to the head alone.
    `timeout` is how many seconds the server may take nothing of it, or send nothing once it has
    all; then `expired` is called. `failed` is called with what the body raises.
    """

    def __init__(
        self,
        request: Request,
        timeout: float,
        expired: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._pieces = aiter(request.body)
        self._left = request.length
        self._timeout = timeout
        self._expired = expired
        self._failed = failed
        self._timer: asyncio.TimerHandle | None = None
        self._head_sent = False
        self.begun = False

    def __aiter__(self) -> Upload:
        return self

    async def __anext__(self) -> bytes:
        if not self._head_sent:
            self._head_sent = True
            self.start_timer()
            return b""
        self.begun = True
        self.stop_timer()
        try:
            piece = await self._next()
        except Exception as error:
            self._failed(error)
            raise
        self.start_timer()
        if not piece:
            raise StopAsyncIteration
        return piece

    def start(self) -> None:
        """Expect the server to take a request's head, or to respond where it has no body."""
        self._head_sent = False
        self.start_timer()

    def start_timer(self) -> None:
        """Expect the server to do something."""
        self.stop_timer()
        self._timer = asyncio.get_running_loop().call_later(self._timeout, self._expired)

    def stop_timer(self) -> None:
        """Expect nothing of the server."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _next(self) -> bytes:
        """Return the next piece that is not empty, b"" for the end."""
        piece: bytes | None = b""
        while piece == b"":
            piece = await anext(self._pieces, None)
        if self._left is not None:
            self._left -= len(piece or b"")
            if self._left < 0 or (piece is None and self._left):
                raise ValueError("The body of a request is not as long as was said.")
        return piece or b""
