"""One request on its way to a server and its answer on the way back: how far, and what went wrong.

Must not know how connections are made or kept, nor what a visitor is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from ..errors import AppServiceError
from .exchange import Request

__all__ = [
    "TIMEOUTS",
    "AnswerBody",
    "BadAnswerError",
    "BrokenError",
    "CutError",
    "NotListeningError",
    "Passage",
    "SilentError",
    "UpstreamError",
]

# Before Python 3.11 two things.
TIMEOUTS = (asyncio.TimeoutError, TimeoutError)
_IDEMPOTENT = frozenset("GET HEAD OPTIONS TRACE PUT DELETE".split())


class UpstreamError(AppServiceError):
    """The server gave no answer, or no whole one; the message says what it did, with its port."""


class NotListeningError(UpstreamError):
    """Nobody takes connections on the port."""


class BrokenError(UpstreamError):
    """The server closed the connection without an answer."""


class BadAnswerError(UpstreamError):
    """What the server sent is not HTTP."""


class SilentError(UpstreamError):
    """The server took no request, or sent nothing, for as long as it may."""


class CutError(UpstreamError):
    """The answer ended before its end; raised by its body, when its head has been passed on."""


class Passage:
    """One request on its way: how much of its body has been taken, and whether that has stopped."""

    def __init__(self, request: Request, port: int, timeout: float) -> None:
        self.request = request
        self.port = port
        self.timeout = timeout
        self.reused = False
        self.stalled = False
        self.body_error: BaseException | None = None
        self.task: asyncio.Task[Any] | None = None  # the one that waits for the answer's head
        self.response: aiohttp.ClientResponse | None = None
        self._body_begun = False

    def may_be_sent_again(self, error: Exception) -> bool:
        """Say whether a kept connection was closed by the time that the request was sent over it.

        Nothing of the body has been used, and by its method it may be done twice.
        """
        closed = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
        return (
            closed and self.reused and not self._body_begun and self.request.method in _IDEMPOTENT
        )

    def body(self) -> AsyncIterator[bytes] | None:
        """Give the body to send, None for none."""
        return None if self.request.length == 0 else self._pieces()

    def failure(self, error: BaseException) -> BaseException:
        """Give what to raise before there is an answer."""
        at = f"The process on port {self.port}"
        if self.body_error is not None:
            return self.body_error
        if isinstance(error, TIMEOUTS):
            what = "took nothing of the request" if self.stalled else "sent no answer"
            return SilentError(f"{at} {what} for {self.timeout:g} s.")
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = getattr(error.os_error, "strerror", None) or error.os_error
            return NotListeningError(f"{at} cannot be reached: {reason}.")
        if isinstance(error, aiohttp.ClientResponseError):
            return BadAnswerError(f"{at} sent what is not HTTP: {_kind(error.message)}.")
        return BrokenError(f"{at} closed the connection without an answer.")

    def cut(self, error: BaseException) -> BaseException:
        """Give what to raise when part of the answer has been passed on."""
        if self.body_error is not None:
            return self.body_error
        at = f"The process on port {self.port}"
        if self.stalled or isinstance(error, TIMEOUTS):
            return CutError(f"{at} sent nothing more of its answer for {self.timeout:g} s.")
        return CutError(f"{at} ended the connection in the middle of its answer.")

    async def _pieces(self) -> AsyncIterator[bytes]:
        self._body_begun = True
        loop = asyncio.get_running_loop()
        try:
            async for piece in self.request.body:
                if not piece:
                    continue
                watch = loop.call_later(self.timeout, self._stall)
                try:
                    yield piece
                finally:
                    watch.cancel()
        except Exception as error:
            self.body_error = error
            raise

    def _stall(self) -> None:
        """End the exchange: the server has not taken a piece for too long."""
        self.stalled = True
        if self.response is not None:
            self.response.close()
        elif self.task is not None:
            self.task.cancel()


class AnswerBody:
    """What is left of an answer; ended with `aclose`, whether or not it was begun."""

    def __init__(self, passage: Passage, response: aiohttp.ClientResponse) -> None:
        self._passage = passage
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._response.content.readany()
        except (aiohttp.ClientError, OSError, *TIMEOUTS) as error:
            self._response.close()
            raise self._passage.cut(error) from None
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Let the connection go; it is used again only if the answer had come to its end."""
        self._response.close()


def _kind(text: str) -> str:
    """Give the first line of aiohttp's text, without what it quotes of an answer too long."""
    text = text.partition(" when reading")[0]
    return text.strip().partition("\n")[0].rstrip(" .:")[:200] or "no status line"
