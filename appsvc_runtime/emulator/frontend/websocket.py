"""A WebSocket between a client and a process: the handshake, then bytes both ways.

The client's handshake is passed on, key and extensions included, and the bytes that follow are
passed on unchanged. Messages of any size, pings, close codes and compression are therefore between
the two ends. Must not know of handlers or processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import StreamWriter
from multidict import CIMultiDict

from ..http.client import OutgoingRequest, make_session
from ..http.messages import Answer, Tunnel
from .pages import page
from .response import Flight
from .response_head import make_head

__all__ = ["Dialler", "asks_for_websocket"]

_BUFFER = 0x10000
_HOP = ("Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Content-Length")
_HANDSHAKE = tuple(f"Sec-WebSocket-{name}" for name in ("Key", "Version", "Extensions", "Protocol"))
_UPGRADE_HEAD = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
# Applies only after the process has refused a handshake; the next one uses a new connection.
_KEPT_FOR = 0.1


def asks_for_websocket(request: web.BaseRequest) -> bool:
    """Return whether a request asks for a WebSocket (RFC 6455, 4.1)."""
    headers = request.headers
    if "Upgrade" not in headers or request.method != "GET":
        return False
    words = ",".join(headers.getall("Connection", ())).lower().split(",")
    return headers["Upgrade"].strip().lower() == "websocket" and any(
        word.strip() == "upgrade" for word in words
    )


class _Feed:
    """Takes the bytes of an aiohttp protocol after an upgrade, and buffers them in `reader`."""

    def __init__(self, protocol: BaseProtocol, loop: asyncio.AbstractEventLoop) -> None:
        # The reader stops the transport from reading while its buffer is full.
        self.reader = aiohttp.StreamReader(protocol, _BUFFER, loop=loop)

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.reader.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        self.reader.feed_eof()


class Dialler:
    """Opens tunnels; `close()` ends their connections."""

    def __init__(self) -> None:
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """End every connection."""
        for session in self._sessions.values():
            await session.close()

    async def dial(
        self, request: web.BaseRequest, tunnel: Tunnel, own: CIMultiDict[str]
    ) -> Answer | aiohttp.ClientResponse:
        """Pass the handshake on; return the process's 101, or an Answer if no WebSocket opens.

        `own` are the request's headers for the process; they are sent if the tunnel has none. If
        the process refuses, the Answer is the process's own response.
        """
        headers = CIMultiDict(tunnel.headers or own)
        for name in _HOP:
            headers.popall(name, None)
        for name in _HANDSHAKE:
            headers.popall(name, None)
            for value in request.headers.getall(name, ()):
                headers.add(name, value)
        headers["Connection"] = "Upgrade"
        headers["Upgrade"] = "websocket"
        if tunnel.source not in self._sessions:
            self._sessions[tunnel.source] = make_session(tunnel.source, _KEPT_FOR)
        address, slash, path = tunnel.url.removeprefix("ws://").partition("/")
        outgoing = OutgoingRequest("GET", slash + path, headers, timeout=0)
        port = int(address.rpartition(":")[2])
        try:
            response = await outgoing.send(self._sessions[tunnel.source], port, fresh=True)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            return page(502, "Bad Gateway", f"The WebSocket cannot be opened: {reason}", reason)
        if response.status != 101:
            return Answer(
                response.status,
                CIMultiDict(response.headers),
                _rest(response),
                reason=response.reason or "",
                note="no WebSocket: the app's own response",
            )
        protocol = response.connection and response.connection.protocol
        if protocol is None or not protocol.upgraded:
            response.close()
            text = "The app responded with 101, but without an upgrade to WebSocket."
            return page(502, "Bad Gateway", text, text)
        return response

    async def join(
        self,
        request: web.BaseRequest,
        response: aiohttp.ClientResponse,
        headers: CIMultiDict[str],
        flight: Flight,
    ) -> None:
        """Send 101 with `headers`, pass bytes on until either side ends, then end the other."""
        loop = asyncio.get_running_loop()
        connection = response.connection
        theirs = connection and connection.protocol
        transport = request.transport
        if theirs is None or theirs.transport is None or transport is None:
            response.close()
            return
        theirs.read_timeout = None
        head, _ = make_head(Answer(101, headers), "", _UPGRADE_HEAD)
        flight.status = 101
        transport.write(head)
        up, down = _Feed(request.protocol, loop), _Feed(theirs, loop)
        outlet = StreamWriter(theirs, loop)
        request.protocol.set_parser(up)  # type: ignore[arg-type]
        theirs.set_parser(down, down.reader)
        pumps = [
            asyncio.ensure_future(_pump(up.reader, theirs.transport, outlet, flight)),
            asyncio.ensure_future(_pump(down.reader, transport, request.writer, flight)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            try:
                await asyncio.gather(*pumps, return_exceptions=True)
            finally:  # a client may disconnect while the front end stops, which cancels twice
                # A close frame may have come just before the end: the other side still gets it.
                _flush(up.reader, theirs.transport)
                _flush(down.reader, request.transport)
                response.close()
                if request.transport is not None:
                    request.transport.close()


async def _rest(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    finally:
        response.close()


async def _pump(
    reader: aiohttp.StreamReader,
    transport: asyncio.Transport,
    writer: aiohttp.abc.AbstractStreamWriter,
    flight: Flight,
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        data = await reader.readany()
        if not data or transport.is_closing():
            return
        flight.seen = loop.time()
        transport.write(data)
        await writer.drain()


def _flush(reader: aiohttp.StreamReader, transport: asyncio.Transport | None) -> None:
    if transport is None or transport.is_closing() or reader.exception() is not None:
        return
    try:
        data = reader.read_nowait()
    except RuntimeError:  # a coroutine waits for data, so the buffer is empty
        return
    if data:
        transport.write(data)
