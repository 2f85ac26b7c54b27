"""Passes requests on to an HTTP server on this machine, and its responses back.

Bodies stream both ways and are never held whole. No body is decoded, no redirect followed, no
cookie kept and no header added.
Must not know who started the server, nor what a client is shown when it fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

import aiohttp
from multidict import CIMultiDict

from .client import make_session
from .messages import Answer, Request, Tunnel
from .transfer import ERRORS, Transfer

__all__ = ["Upstream"]

# Seconds. Servers close unused connections after a timeout of their own, mostly two or more.
_KEPT_FOR = 1.5


class Upstream:
    """Connections to servers on this machine, kept and used again; `close` ends them.

    `source` is the address that they come from, if this machine has it; "" for any.
    """

    def __init__(self, source: str = "") -> None:
        self.source = source if source and _has_address(source) else ""
        self._session: aiohttp.ClientSession | None = None

    async def forward(self, request: Request, port: int, *, timeout: float) -> Answer:
        """Pass a request on to 127.0.0.1:`port`; return the response as soon as its head has come.

        `timeout` is how many seconds the server may send nothing, or read nothing of the body.
        Raises an UpstreamError for the server's faults; an error of the request's body is raised
        unchanged. The response's body raises the same errors.
        """
        transfer = Transfer(request, port, timeout)
        if self._session is None:
            self._session = make_session(self.source, _KEPT_FOR)
        session = self._session
        try:
            return await transfer.send(session)
        except ERRORS as error:
            if session.closed or not transfer.may_be_sent_again(error):
                raise transfer.failure(error) from None
            first = error
        try:
            return await transfer.send(session, fresh=True)
        except ERRORS as error:
            # If nothing listens any more, the server ended with the first request.
            gone = isinstance(error, aiohttp.ClientConnectorError)
            raise transfer.failure(first if gone else error) from None

    def tunnel(self, request: Request, port: int) -> Tunnel:
        """Return the tunnel to the WebSocket server at 127.0.0.1:`port`, with the headers."""
        url = f"ws://127.0.0.1:{port}{request.target}"
        return Tunnel(url, CIMultiDict(request.headers), self.source)

    async def close(self) -> None:
        """End all connections, including those in use."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            await asyncio.sleep(0)  # transports close in the loop's next turn


def _has_address(address: str) -> bool:
    """Return whether this machine can connect from an address; Linux has all of 127.0.0.0/8."""
    with contextlib.suppress(OSError), socket.socket() as tried:
        tried.bind((address, 0))
        return True
    return False
