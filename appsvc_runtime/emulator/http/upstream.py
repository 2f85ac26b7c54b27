"""Requests passed on to an HTTP server on this machine, and its answers passed back.

Bodies stream both ways and are never held whole; nothing is decoded, followed, kept or added.
Must not know who started the server, nor what a visitor is told when it fails.
A client of its own, as the ones there are spend more time on a request than small apps do.
"""

from __future__ import annotations

from multidict import CIMultiDict

from .connection_pool import Connections
from .messages import Answer, Request, Tunnel
from .request_head import make_request_head
from .transfer import TIMEOUTS, BrokenError, NotListeningError, Passage, SilentError

__all__ = ["Upstream"]

_HOST = "127.0.0.1"


class Upstream:
    """Connections to servers on this machine, kept and used again. End it with `close`.

    `source` is the address that they come from, where this machine has it; "" for any.
    """

    def __init__(self, source: str = "") -> None:
        self._connections = Connections(source)

    @property
    def source(self) -> str:
        """The address that connections come from, "" for any."""
        return self._connections.source

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
        head = make_request_head(request)
        passage = Passage(request, port, timeout, self._connections.give_back)
        broken: BrokenError | None = None
        wire = self._connections.take(port)
        if wire is not None:
            try:
                return await passage.answer(wire, head)
            except BrokenError as error:
                if not passage.may_be_sent_again:
                    raise
                broken = error
        try:
            wire = await self._connections.make(port, timeout)
        except TIMEOUTS:
            raise SilentError(
                f"The process on port {port} took no connection for {timeout:g} s."
            ) from None
        except OSError as error:
            if broken is not None:  # then the first request was the end of the server
                raise broken from None
            reason = error.strerror or error
            raise NotListeningError(
                f"The process on port {port} cannot be reached: {reason}."
            ) from None
        return await passage.answer(wire, head)

    def tunnel(self, request: Request, port: int) -> Tunnel:
        """Give where the WebSocket server of 127.0.0.1:`port` is to be asked, and with what."""
        url = f"ws://{_HOST}:{port}{request.target}"
        return Tunnel(url, CIMultiDict(request.headers), self.source)

    async def close(self) -> None:
        """End all connections."""
        await self._connections.close()
