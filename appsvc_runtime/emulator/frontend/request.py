"""A request as it arrives: target and host are read from its head, the body is a stream.

Must not know of what responds. Sources: RFC 9112, 3.2 (the four forms of a target), RFC 9110,
10.1.1 (100-continue); http.sys refuses a request without a valid Host with 400, "Invalid Hostname".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from aiohttp import web
from aiohttp.streams import StreamReader
from multidict import MultiMapping

from .response import Flight

__all__ = [
    "Address",
    "BadRequestError",
    "Incoming",
    "count_hosts",
    "read_address",
]

_ABSOLUTE = re.compile(r"https?://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)


class BadRequestError(Exception):
    """The request is malformed; the message names the fault, `details` says what to do."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class Address(NamedTuple):
    """The target of a request, path and query as on the wire ("*": the whole server), and its host.

    The host is "" if the request names none.
    """

    target: str
    host: str


def read_address(method: str, raw: str, host: str | None) -> Address:
    """Return the target and host of a request, from the request line and the Host header.

    `host` is None if the header is missing. The host of an absolute target takes precedence over
    the header. Raises BadRequestError for a target or a header that is malformed.
    """
    if raw[:1] == "/" or (raw == "*" and method == "OPTIONS"):
        target = raw
    else:
        match = _ABSOLUTE.fullmatch(raw)
        if match is None or "@" in match[1]:
            raise BadRequestError("Invalid URL")
        host, target = match[1], match[2]
        if target[:1] != "/":
            target = f"/{target}"
    if host is not None and _HOST.fullmatch(host) is None:
        raise BadRequestError("Invalid Hostname")
    return Address(target, host or "")


def count_hosts(version: tuple[int, int], headers: MultiMapping[str]) -> None:
    """Raise BadRequestError for two Host headers, or for a missing one in HTTP/1.1.

    aiohttp itself refuses such requests from 3.14 on. Source: RFC 9112, 3.2.
    """
    count = len(headers.getall("Host", ()))
    if count > 1 or (not count and version >= (1, 1)):
        raise BadRequestError("Invalid Host header")


class Incoming:
    """The body of a request, read only as fast as it is consumed.

    A client that waits for `100 Continue` gets it when the first piece is read, unless the response
    has started by then. `failed` is the error in which the body ended, or "".
    """

    __slots__ = ("_content", "_flight", "_request", "_time", "failed", "waiting")

    def __init__(
        self,
        request: web.BaseRequest,
        flight: Flight,
        clock: Callable[[], float],
    ) -> None:
        self._request = request
        self._content: StreamReader = request.content
        self._flight = flight
        self._time = clock
        expect = request.headers.get("Expect", "")
        self.waiting = request.body_exists and expect.lower() == "100-continue"
        self.failed = ""

    def __aiter__(self) -> Incoming:
        return self

    async def __anext__(self) -> bytes:
        if self.waiting:
            self.waiting = False
            transport = self._request.transport
            if transport is not None and not self._flight.status:
                transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            data = await self._content.readany()
        except Exception as error:
            self.failed = str(error).partition("\n")[0] or type(error).__name__
            raise
        self._flight.seen = self._time()
        if not data:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        """Do nothing: the server reads the rest of the body, or ends the connection."""
