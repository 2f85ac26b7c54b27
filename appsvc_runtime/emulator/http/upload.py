"""The body of a request on its way to a server: its progress, and whether the server reads it.

Must not know of connections, nor of what has been received.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .messages import Request

__all__ = ["Upload"]


class Upload:
    """Yields a request's body piece by piece; raises if its length is not `request.length`.

    The first piece is empty: aiohttp sends the head with the first piece, and a server may respond
    to the head alone. `expired` is called if for `timeout` seconds the server reads nothing of the
    body, or sends nothing after it has read all. `failed` is called with an error of the body.
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
        """Start the timer for the head: the server must read it, or respond if there is no body."""
        self._head_sent = False
        self.start_timer()

    def start_timer(self) -> None:
        """Start the timer, within which the server must read or respond."""
        self.stop_timer()
        self._timer = asyncio.get_running_loop().call_later(self._timeout, self._expired)

    def stop_timer(self) -> None:
        """Stop the timer."""
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
                raise ValueError("The body of a request is not as long as its Content-Length.")
        return piece or b""
