"""The body of a response that is in progress until it has been sent. Must not know of workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

__all__ = ["CountedBody"]


class CountedBody:
    """A body that calls `done` once when it is closed, whether it was sent completely or not."""

    def __init__(self, body: AsyncIterator[bytes], done: Callable[[], None]) -> None:
        self._body = body
        self._done = done

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await self._body.__anext__()

    async def aclose(self) -> None:
        """Close the body, and call `done` once."""
        done, self._done = self._done, lambda: None
        try:
            close: Any = getattr(self._body, "aclose", None)
            if close is not None:
                await close()
        finally:
            done()
