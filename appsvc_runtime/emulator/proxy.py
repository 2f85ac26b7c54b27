"""Requests passed on to an HTTP server on this machine, and its answers passed back.

Bodies stream both ways and are never held whole; nothing is decoded, followed, kept or added.
Must not know who started the server, nor what a visitor is told when it fails.
Sources: RFC 9110, 7.6.1 (fields that end at each hop), 9.2.2 (what may be sent twice); WinHttp's
timeouts, which HttpPlatformHandler sets, are of each step and not of the whole
(WinHttpSetTimeouts; forwardinghandler.cpp of lextudio/httpplatformhandlerv2).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from .exchange import Answer, Request, Tunnel
from .headonly import make_connector
from .passage import TIMEOUTS, AnswerBody, Passage

__all__ = ["Upstream"]

_HOST = "127.0.0.1"
_HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
# The front end has answered it when it began to read the body.
_ANSWERED = "expect"
_NOT_ADDED = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
_LONGEST_LINE = 0x10000
_BUFFER = 0x10000
# Servers close connections that are not used for a time of their own, mostly two seconds or more.
_KEPT_FOR = 1.5


class Upstream:
    """Connections to servers on this machine, kept and used again. End it with `close`.

    `source` is the address that they come from, where this machine has it; "" for any.
    """

    def __init__(self, source: str = "") -> None:
        self.source = source if source and _has_address(source) else ""
        self._session: aiohttp.ClientSession | None = None

    async def forward(
        self,
        request: Request,
        port: int,
        *,
        timeout: float,
    ) -> Answer:
        """Pass a request on to 127.0.0.1:`port`; give the answer when its head has come.

        `timeout` is how many seconds the server may be silent, or take nothing of the body.
        Raises an UpstreamError for the server's faults, and as it is what the request's body
        raises. The answer's body raises likewise.
        """
        passage = Passage(request, port, timeout)
        headers = _request_headers(request)
        try:
            response = await self._send(passage, headers)
        except (aiohttp.ClientError, OSError, *TIMEOUTS) as error:
            if not passage.may_be_sent_again(error):
                raise passage.failure(error) from None
            try:
                response = await self._send(passage, headers)
            except (aiohttp.ClientError, OSError, *TIMEOUTS) as second:
                # Where nobody listens any more, the first request was the end of the server.
                gone = isinstance(second, aiohttp.ClientConnectorError)
                raise passage.failure(error if gone else second) from None
        passage.response = response
        kept = CIMultiDict(_end_to_end(response.headers))
        body: bytes | AsyncIterator[bytes]
        if response.content.is_eof():  # all of it came with the head
            body = await response.content.read()
            response.release()
        else:
            body = AnswerBody(passage, response)
        return Answer(response.status, kept, body, reason=response.reason or "")

    def tunnel(self, request: Request, port: int) -> Tunnel:
        """Give where the WebSocket server of 127.0.0.1:`port` is to be asked, and with what."""
        url = f"ws://{_HOST}:{port}{request.target}"
        return Tunnel(url, CIMultiDict(request.headers), self.source)

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, passage: Passage, headers: CIMultiDict[str]) -> aiohttp.ClientResponse:
        request, timeout = passage.request, passage.timeout
        # All of the target is given as the path: so it is sent byte for byte, `?` and `#` included.
        url = URL.build(
            scheme="http", host=_HOST, port=passage.port, path=request.target, encoded=True
        )
        passage.task = asyncio.current_task()
        try:
            return await self._client().request(
                request.method,
                url,
                headers=headers,
                data=passage.body(),
                chunked=request.length is None or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(sock_connect=timeout, sock_read=timeout),
                trace_request_ctx=passage,
            )
        except asyncio.CancelledError:
            if not passage.stalled:
                raise
            uncancel = getattr(passage.task, "uncancel", None)  # from Python 3.11 on
            if uncancel:
                uncancel()
            raise asyncio.TimeoutError from None
        finally:
            passage.task = None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_reuseconn.append(_note_reuse)
            trace.freeze()
            self._session = aiohttp.ClientSession(
                connector=make_connector(
                    limit=0,
                    keepalive_timeout=_KEPT_FOR,
                    local_addr=(self.source, 0) if self.source else None,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=_NOT_ADDED,
                timeout=aiohttp.ClientTimeout(total=None),
                read_bufsize=_BUFFER,
                max_line_size=_LONGEST_LINE,
                max_field_size=_LONGEST_LINE,
                trace_configs=[trace],
            )
            # It would send again over new connections as well, where a crash is no coincidence.
            self._session._retry_connection = False
        return self._session


def _has_address(address: str) -> bool:
    """Say whether a connection can come from an address: Linux has all of 127.0.0.0/8."""
    with contextlib.suppress(OSError), socket.socket() as tried:
        tried.bind((address, 0))
        return True
    return False


async def _note_reuse(session: aiohttp.ClientSession, context: SimpleNamespace, _: object) -> None:
    context.trace_request_ctx.reused = True


def _request_headers(request: Request) -> CIMultiDict[str]:
    given = CIMultiDict(_end_to_end(request.headers))
    given.popall(_ANSWERED, None)
    if request.length is None:
        given.popall(hdrs.CONTENT_LENGTH, None)
    sent: CIMultiDict[str] = CIMultiDict()
    # aiohttp takes a name in another case for another name, and keeps the last of the two.
    spelled: dict[str, str] = {}
    for name, value in given.items():
        first = spelled.setdefault(name.lower(), name)
        sent.add(first, value if value.isascii() else _sendable(value))
    return sent


def _end_to_end(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Give the headers that do not end at this hop, in their order."""
    named: set[str] = set()
    if hdrs.CONNECTION in headers:
        values = CIMultiDict(headers).getall(hdrs.CONNECTION)
        named = {word.strip().lower() for word in ",".join(values).split(",")}
        named -= {"host", "content-length"}  # naming these would be an attack
    return [
        (name, value)
        for name, value in headers.items()
        if (small := name.lower()) not in _HOP_BY_HOP and small not in named
    ]


def _sendable(value: str) -> str:
    """Give a header's bytes that are no UTF-8 as Latin-1: aiohttp sends no other bytes at all."""
    return "".join(chr(ord(c) - 0xDC00) if "\udc80" <= c <= "\udcff" else c for c in value)
