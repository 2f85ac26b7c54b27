"""Waiting for granian's event loop from the threads that run a WSGI app.

Knows granian's awaitables, and nothing of requests, apps or the platform.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from contextlib import AbstractContextManager

__all__ = ["ClientGoneError", "LoopThread", "look", "outcome"]

# A thread that has waited for so long for a client is replaced: see `Threads`.
_PATIENCE_SECONDS = 0.1


class ClientGoneError(ConnectionError):
    """The client has disconnected, or is too slow."""


def look(awaitable: Awaitable[Any]) -> tuple[bool, Any]:
    """Return whether granian's awaitable has its result already, and the result, without waiting.

    If not, the awaitable can still be awaited.
    """
    if isinstance(awaitable, asyncio.Future):
        # On Windows granian's awaitables are asyncio's, which can be awaited only once.
        return (True, awaitable.result()) if awaitable.done() else (False, None)
    try:
        next(awaitable.__await__())
    except StopIteration as done:
        return True, done.value
    return False, None


async def outcome(awaitable: Awaitable[Any]) -> Any:
    """Return the result of granian's awaitable, which asyncio does not know how to wait for."""
    return await awaitable


class LoopThread:
    """Waits for awaitables of an event loop from any other thread.

    `away` is entered by a thread that waits longer than a moment.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, away: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._loop = loop
        self._away = away

    def wait(self, awaitable: Awaitable[Any], seconds: float | None = None) -> Any:
        """Return the result of granian's awaitable; at once if the result is there already.

        Raises TimeoutError if it takes longer than `seconds`.
        """
        ready, value = look(awaitable)
        if ready:
            return value
        future = self.start(outcome(awaitable))
        first = _PATIENCE_SECONDS if seconds is None else min(seconds, _PATIENCE_SECONDS)
        try:
            return future.result(first)
        except concurrent.futures.TimeoutError:
            if future.done():  # the awaitable's own
                raise
        with self._away():
            try:
                return future.result(None if seconds is None else seconds - first)
            except concurrent.futures.TimeoutError:
                future.cancel()
                raise TimeoutError from None

    def start(self, running: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        """Run a coroutine in the loop, and return its future."""
        return asyncio.run_coroutine_threadsafe(running, self._loop)

    def watch(self, protocol: Any) -> threading.Event:
        """Return an event that is set when the client disconnects."""
        gone = threading.Event()

        async def wait_for_the_end() -> None:
            while (await protocol.receive())["type"] != "http.disconnect":
                pass
            gone.set()

        self.start(wait_for_the_end())
        return gone
