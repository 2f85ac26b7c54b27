"""One request on its way to a server and its response on the way back: how far, and what failed.

Must not know how connections are made or kept, nor what a client is shown.
Sources: RFC 9110, 9.2.2 (what may be sent twice); WinHttp's timeouts, which HttpPlatformHandler
sets, are of each step and not of the whole (WinHttpSetTimeouts; forwardinghandler.cpp of
lextudio/httpplatformhandlerv2).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from multidict import CIMultiDict

from ...errors import AppServiceError
from .client import ClosedError, OutgoingRequest
from .hop_headers import end_to_end, forwarded_headers
from .messages import Answer, Request
from .upload import Upload

__all__ = [
    "ERRORS",
    "BadAnswerError",
    "BrokenError",
    "CutError",
    "NotListeningError",
    "SilentError",
    "Transfer",
    "UpstreamError",
]

# Before Python 3.11 two things.
_TIMEOUTS = (asyncio.TimeoutError, TimeoutError)
_CLOSED = (ClosedError, aiohttp.ClientOSError)
_IDEMPOTENT = frozenset("GET HEAD OPTIONS TRACE PUT DELETE".split())

# What sending a request and reading its response may raise.
ERRORS = (aiohttp.ClientError, OSError, *_TIMEOUTS)


class UpstreamError(AppServiceError):
    """The server sent no response, or not a whole one; the message says so, with its port."""


class NotListeningError(UpstreamError):
    """Nothing listens on the port."""


class BrokenError(UpstreamError):
    """The server closed the connection without a response."""


class BadAnswerError(UpstreamError):
    """The server sent something that is not HTTP."""


class SilentError(UpstreamError):
    """The server took no request, or sent nothing, for as long as it may."""


class CutError(UpstreamError):
    """The response ended before its end; raised by its body, after its head was passed on."""


class Transfer:
    """One request and its response. `timeout` is how many seconds the server may do nothing.

    Raises ValueError for a request whose head would not be one head.
    """

    def __init__(self, request: Request, port: int, timeout: float) -> None:
        self._request = request
        self._port = port
        self._timeout = timeout
        headers = forwarded_headers(request)
        self._outgoing = OutgoingRequest(request.method, request.target, headers, timeout)
        self._upload = Upload(request, timeout, self._expire, self._fail)
        self._response: aiohttp.ClientResponse | None = None
        self._body_error: Exception | None = None
        self._stalled = False

    async def send(self, session: aiohttp.ClientSession, *, fresh: bool = False) -> Answer:
        """Send the request; return the response when its head has come.

        `fresh`: send it over a new connection. Raises one of `ERRORS`, which `failure` explains.
        """
        body = None if self._request.length == 0 else self._upload
        self._upload.start()
        try:
            response = await self._outgoing.send(
                session, self._port, body, chunked=self._request.length is None, fresh=fresh
            )
        except BaseException:
            self._upload.stop_timer()
            raise
        self._response = response
        # aiohttp leaves blanks behind values before 3.14.
        pairs = [(name, value.strip(" \t")) for name, value in end_to_end(response.headers)]
        answer = Answer(response.status, CIMultiDict(pairs), reason=response.reason or "")
        if self._request.method == "HEAD":
            self.end()
        elif response.content.is_eof():  # all of it came with the head
            answer.body = response.content.read_nowait()
            self.end()
        else:
            answer.body = _Body(self, response.content)
        return answer

    def end(self) -> None:
        """Let the connection go; it is used again only if all of both has passed."""
        self._upload.stop_timer()
        if self._response is not None:
            self._response.close()

    def may_be_sent_again(self, error: Exception) -> bool:
        """Return whether a kept connection was closed by the time that the request was sent.

        Nothing of the body has been used, and by its method it may be done twice.
        """
        untouched = self._outgoing.kept and not self._upload.begun
        return untouched and self._request.method in _IDEMPOTENT and isinstance(error, _CLOSED)

    def failure(self, error: Exception) -> Exception:
        """Return what to raise before there is a response: an UpstreamError, or the body's own."""
        if self._body_error is not None:
            return self._body_error
        at = f"The process on port {self._port}"
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = error.os_error.strerror or error.os_error
            return NotListeningError(f"{at} cannot be reached: {reason}.")
        if isinstance(error, _TIMEOUTS):
            what = "took nothing of the request" if self._stalled else "sent no answer"
            if self._outgoing.protocol is None:
                what = "took no connection"
            return SilentError(f"{at} {what} for {self._timeout:g} s.")
        if isinstance(error, aiohttp.ClientResponseError):
            return BadAnswerError(f"{at} sent what is not HTTP: {_kind(error.message)}.")
        return BrokenError(f"{at} closed the connection without an answer.")

    def cut(self, error: Exception) -> Exception:
        """Return what to raise when part of the response has been passed on."""
        if self._body_error is not None:
            return self._body_error
        at = f"The process on port {self._port}"
        if self._stalled or isinstance(error, _TIMEOUTS):
            return CutError(f"{at} sent nothing more of its answer for {self._timeout:g} s.")
        return CutError(f"{at} ended the connection in the middle of its answer.")

    def _expire(self) -> None:
        """End the exchange if the server still has to take something, or to respond."""
        protocol = self._outgoing.protocol
        if protocol is not None and (transport := protocol.transport) is not None:
            low, _ = transport.get_write_buffer_limits()
            self._stalled = transport.get_write_buffer_size() > low
        if self._stalled or self._response is None:
            self._interrupt(aiohttp.ServerTimeoutError())

    def _fail(self, error: Exception) -> None:
        """End the exchange: the request has no more body."""
        self._body_error = error
        self._interrupt(aiohttp.ClientConnectionError())

    def _interrupt(self, error: Exception) -> None:
        """Raise an error where the response's head or its body is waited for."""
        if self._response is not None:
            self._response.content.set_exception(error)
        elif self._outgoing.protocol is not None:
            self._outgoing.protocol.set_exception(error)


class _Body:
    """What is left of a response; ended with `aclose`, whether or not it was begun."""

    def __init__(self, transfer: Transfer, content: aiohttp.StreamReader) -> None:
        self._transfer = transfer
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._content.readany()
        except ERRORS as error:
            self._transfer.end()
            raise self._transfer.cut(error) from None
        if not piece:
            self._transfer.end()
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Let the connection go."""
        self._transfer.end()


def _kind(text: str) -> str:
    """Return the first line of aiohttp's text, without what it quotes of a response too long."""
    text = text.partition(" when reading")[0]
    return text.strip().partition("\n")[0].rstrip(" .:")[:200] or "no status line"
