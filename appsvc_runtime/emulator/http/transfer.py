"""One request on its way to a server and its answer on the way back: how far, and what went wrong.

Must not know how connections are made or kept, nor what a visitor is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from ...errors import AppServiceError
from .head_guard import Wire
from .messages import Answer, Request
from .request_head import end_to_end

__all__ = [
    "TIMEOUTS",
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
_ERRORS = (aiohttp.ClientError, HttpProcessingError, OSError, *TIMEOUTS)
_SWITCHING = 101
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
    """One request on its way over one connection, and its answer on the way back.

    `release` is called with the port and the connection when both have come to their ends.
    """

    def __init__(
        self, request: Request, port: int, timeout: float, release: Callable[[int, Wire], None]
    ) -> None:
        self._request = request
        self._port = port
        self._timeout = timeout
        self._release = release
        self._wire: Wire | None = None
        self._upload: asyncio.Task[bool] | None = None
        self._content: aiohttp.StreamReader | None = None
        self._begun = False
        self._stalled = False
        self._body_error: Exception | None = None

    @property
    def may_be_sent_again(self) -> bool:
        """Whether nothing of the body has been used, and by its method it may be done twice."""
        return not self._begun and self._request.method in _IDEMPOTENT

    async def answer(self, wire: Wire, head: bytes) -> Answer:
        """Send the request, whose head is given; give the answer when its own head has come.

        Raises an UpstreamError, or what the request's body raises.
        """
        self._wire = wire
        try:
            wire.expect(head_only=self._request.method == "HEAD", timeout=self._timeout)
            wire.send(head)
            if self._request.length == 0:
                wire.start_timeout()
            else:
                self._upload = asyncio.create_task(self._send_body(wire))
            message, content = await wire.read()
            while 100 <= message.code <= 199 and message.code != _SWITCHING:
                if self._sent:
                    wire.start_timeout()
                message, content = await wire.read()
        except _ERRORS as error:
            self.end()
            raise self._failure(error) from None
        except BaseException:
            self.end()
            raise
        self._content = content
        body: bytes | AsyncIterator[bytes]
        if content.is_eof():  # all of it came with the head
            body = content.read_nowait()
            self.end()
        else:
            body = _AnswerBody(self, content)
        # What stands behind a value is none of it; aiohttp leaves blanks there before 3.14.
        pairs = end_to_end(message.headers)
        headers = CIMultiDict([(name, value.strip(" \t")) for name, value in pairs])
        return Answer(message.code, headers, body, reason=message.reason or "")

    def end(self) -> None:
        """Let the connection go; it is used again only if all of both has passed."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        if self._sent and self._content is not None and self._content.is_eof():
            self._release(self._port, wire)
            return
        if self._upload is not None:
            self._upload.cancel()
        wire.abort()

    def cut(self, error: BaseException) -> BaseException:
        """Give what to raise when part of the answer has been passed on."""
        if self._body_error is not None:
            return self._body_error
        at = f"The process on port {self._port}"
        if self._stalled or isinstance(error, TIMEOUTS):
            return CutError(f"{at} sent nothing more of its answer for {self._timeout:g} s.")
        return CutError(f"{at} ended the connection in the middle of its answer.")

    @property
    def _sent(self) -> bool:
        """Whether all of the request has gone out."""
        upload = self._upload
        return upload is None or (upload.done() and not upload.cancelled() and upload.result())

    def _failure(self, error: BaseException) -> BaseException:
        """Give what to raise before there is an answer."""
        if self._body_error is not None:
            return self._body_error
        at = f"The process on port {self._port}"
        if isinstance(error, TIMEOUTS):
            what = "took nothing of the request" if self._stalled else "sent no answer"
            return SilentError(f"{at} {what} for {self._timeout:g} s.")
        if isinstance(error, HttpProcessingError):
            return BadAnswerError(f"{at} sent what is not HTTP: {_kind(error.message)}.")
        return BrokenError(f"{at} closed the connection without an answer.")

    async def _send_body(self, wire: Wire) -> bool:
        """Send the body; say whether that is all of it. What it raises is left for the reader."""
        self._begun = True
        left = self._request.length
        pieces = aiter(self._request.body)
        try:
            while (piece := await anext(pieces, None)) is not None:
                if not piece:
                    continue
                if left is None:
                    wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
                elif (left := left - len(piece)) < 0:
                    break
                else:
                    wire.send(piece)
                if wire.full:
                    await self._drain(wire)
            if left:
                raise ValueError("The body of a request is not as long as was said.")
        except Exception as error:
            self._body_error = error
            wire.fail(aiohttp.ClientConnectionError())
            return False
        if left is None:
            wire.send(b"0\r\n\r\n")
        if self._content is None or not self._content.is_eof():
            wire.start_timeout()
        return True

    async def _drain(self, wire: Wire) -> None:
        watch = asyncio.get_running_loop().call_later(self._timeout, self._stall, wire)
        try:
            await wire.drained()
        finally:
            watch.cancel()

    def _stall(self, wire: Wire) -> None:
        """End the exchange: the server has not taken a piece for too long."""
        self._stalled = True
        wire.fail(asyncio.TimeoutError())


class _AnswerBody:
    """What is left of an answer; ended with `aclose`, whether or not it was begun."""

    def __init__(self, passage: Passage, content: aiohttp.StreamReader) -> None:
        self._passage = passage
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._content.readany()
        except _ERRORS as error:
            self._passage.end()
            raise self._passage.cut(error) from None
        if not piece:
            self._passage.end()
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Let the connection go."""
        self._passage.end()


def _kind(text: str) -> str:
    """Give the first line of aiohttp's text, without what it quotes of an answer too long."""
    text = text.partition(" when reading")[0]
    return text.strip().partition("\n")[0].rstrip(" .:")[:200] or "no status line"
