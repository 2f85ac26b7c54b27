"""Sends one request to a server and returns its response; explains failures.

Must not know how connections are made or kept, nor what a client is shown.
Sources: RFC 9110, 9.2.2 (which requests may be sent twice). WinHttp's timeouts, which
HttpPlatformHandler sets, apply to each step and not to the whole (WinHttpSetTimeouts;
forwardinghandler.cpp of lextudio/httpplatformhandlerv2).
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

# Two different classes before Python 3.11.
_TIMEOUTS = (asyncio.TimeoutError, TimeoutError)
_CLOSED = (ClosedError, aiohttp.ClientOSError)
_IDEMPOTENT = frozenset("GET HEAD OPTIONS TRACE PUT DELETE".split())

# Errors that sending a request and reading its response may raise.
ERRORS = (aiohttp.ClientError, OSError, *_TIMEOUTS)


class UpstreamError(AppServiceError):
    """The server sent no response, or an incomplete one; the message names its port."""


class NotListeningError(UpstreamError):
    """Nothing listens on the port."""


class BrokenError(UpstreamError):
    """The server closed the connection without a response."""


class BadAnswerError(UpstreamError):
    """The server sent something that is not HTTP."""


class SilentError(UpstreamError):
    """The server read nothing, or sent nothing, within the timeout."""


class CutError(UpstreamError):
    """The response broke off after its head was passed on; raised by its body."""


class Transfer:
    """One request and its response. `timeout` is how many seconds the server may do nothing.

    Raises ValueError if the head of the request would hold a control character.
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
        """Send the request; return the response as soon as its head has come.

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
        # aiohttp before 3.14 leaves blanks at the end of values.
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
        """Release the connection; it is reused only if request and response were complete."""
        self._upload.stop_timer()
        if self._response is not None:
            self._response.close()

    def may_be_sent_again(self, error: Exception) -> bool:
        """Return whether the request may be sent again, over a new connection.

        It may if the server had already closed the kept connection that it was sent over, if no
        part of its body was read, and if its method is idempotent.
        """
        untouched = self._outgoing.kept and not self._upload.begun
        return untouched and self._request.method in _IDEMPOTENT and isinstance(error, _CLOSED)

    def failure(self, error: Exception) -> Exception:
        """Return the error to raise before the response has a head.

        An UpstreamError, or the error that the request's body raised.
        """
        if self._body_error is not None:
            return self._body_error
        at = f"The process on port {self._port}"
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = error.os_error.strerror or error.os_error
            return NotListeningError(f"{at} cannot be reached: {reason}.")
        if isinstance(error, _TIMEOUTS):
            what = "read nothing of the request" if self._stalled else "sent no response"
            if self._outgoing.protocol is None:
                what = "accepted no connection"
            return SilentError(f"{at} {what} for {self._timeout:g} s.")
        if isinstance(error, aiohttp.ClientResponseError):
            return BadAnswerError(f"{at} sent data that is not HTTP: {_kind(error.message)}.")
        return BrokenError(f"{at} closed the connection without a response.")

    def cut(self, error: Exception) -> Exception:
        """Return the error to raise after the head of the response was passed on."""
        if self._body_error is not None:
            return self._body_error
        at = f"The process on port {self._port}"
        if self._stalled or isinstance(error, _TIMEOUTS):
            return CutError(f"{at} sent nothing more of its response for {self._timeout:g} s.")
        return CutError(f"{at} ended the connection in the middle of its response.")

    def _expire(self) -> None:
        """End the transfer if the server has not read the whole request, or has not responded."""
        protocol = self._outgoing.protocol
        if protocol is not None and (transport := protocol.transport) is not None:
            low, _ = transport.get_write_buffer_limits()
            self._stalled = transport.get_write_buffer_size() > low
        if self._stalled or self._response is None:
            self._interrupt(aiohttp.ServerTimeoutError())

    def _fail(self, error: Exception) -> None:
        """End the transfer, as the request's body has failed."""
        self._body_error = error
        self._interrupt(aiohttp.ClientConnectionError())

    def _interrupt(self, error: Exception) -> None:
        """Raise an error in the code that waits for the response's head or body."""
        if self._response is not None:
            self._response.content.set_exception(error)
        elif self._outgoing.protocol is not None:
            self._outgoing.protocol.set_exception(error)


class _Body:
    """The rest of a response's body; `aclose` ends it, even if it was never read."""

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
        """Release the connection."""
        self._transfer.end()


def _kind(text: str) -> str:
    """Return the first line of aiohttp's message, without its quotation of a response too long."""
    text = text.partition(" when reading")[0]
    return text.strip().partition("\n")[0].rstrip(" .:")[:200] or "no status line"
