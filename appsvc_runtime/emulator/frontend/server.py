"""The front end: takes requests for the site, passes them to the host behind it, writes responses.

Must not know of web.config, of processes or of how a response comes about. No malformed request and
no fault of the host behind it ends the front end: each error becomes one line in the log and an
error page, or cuts the connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import traceback
from collections.abc import Awaitable, Callable
from typing import cast

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from ...azure import names
from ...system.sockets import max_connections
from ..http.messages import SERVER_METHODS, Answer, Ask, Request, Say
from .allowed_hosts import AllowedHosts
from .headers import Client, FrontHeaders
from .origins import is_cross_site
from .pages import page, shown, timed_out
from .protocol import Protocol, Server
from .public_name import PublicName
from .request import BadRequestError, Incoming, count_hosts, read_address
from .response import Flight, Sent, send
from .websocket import Dialler, asks_for_websocket

__all__ = ["FrontEnd"]

Stop = Callable[[Callable[[], bool]], Awaitable[None]]

_REQUEST = "request"
_FRONT_END = "front end"
_BACKLOG = 1024
_CLOSED = "WebSocket closed"
# How long a cancelled request may take to clean up.
_END_SECONDS = 2.0


class FrontEnd:
    """Serves one site on sockets that are bound already.

    `ask` responds to requests; calls may overlap, and a call is cancelled when its client
    disconnects. `say` writes a line of the log. `request_limit` is how many seconds a request or a
    WebSocket may last without a byte in either direction, as the platform's load balancer counts
    (AD: troubleshoot-http-502); 0 is no limit. `address` is the front end's own, as workers see it.
    `hosts` are the hosts that a request may name, by default the public name and this machine's.
    """

    def __init__(
        self,
        ask: Ask,
        *,
        public: PublicName,
        headers: FrontHeaders,
        say: Say,
        request_limit: float = names.REQUEST_LIMIT_SECONDS,
        address: str = "127.0.0.1",
        hosts: AllowedHosts | None = None,
    ) -> None:
        self._ask = ask
        self._hosts = hosts or AllowedHosts((public.name,))
        self._public = public
        self._headers = headers
        self.say = say
        self._limit = request_limit
        self._address = address
        self._server: Server | None = None
        self._listeners: list[asyncio.AbstractServer] = []
        self._flights: set[Flight] = set()
        self._ending = False
        self._timer: asyncio.TimerHandle | None = None
        self._dialler = Dialler()
        self._answered = {True: Sent(True), False: Sent(False)}

    async def start(
        self,
        http: socket.socket | None = None,
        https: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Listen on `http`, and with `tls` on `https`; the front end owns both from now on.

        If that fails, everything is closed again and the error, such as OSError, is raised.
        """
        max_connections()
        loop = asyncio.get_running_loop()
        self._clock = loop.time
        self._server = Server(self._handle, self._report)
        try:
            for bound, context in ((http, None), (https, tls)):
                if bound is not None:
                    listener = await loop.create_server(
                        self._server, sock=bound, ssl=context, backlog=_BACKLOG
                    )
                    self._listeners.append(listener)
        except BaseException:
            await self.close(0)
            raise
        if self._limit > 0:
            self._sweep()

    async def close(self, grace: float = 5.0, stop: Stop | None = None) -> None:
        """Stop taking requests, wait for running ones, then cancel them.

        `stop` stops the host behind the front end, which may take as long as it likes to finish
        them; after it they have `grace` seconds.
        """
        self._ending = True
        for listener in self._listeners:
            listener.close()
        server, self._server = self._server, None
        if server is None:
            return
        server.end_idle()
        if stop is not None:
            await stop(lambda: bool(self._flights))
        await self._running(grace)
        for flight in self._flights:
            self._cut(flight)
        await self._running(_END_SECONDS)
        if self._timer is not None:
            self._timer.cancel()
        await self._dialler.close()
        connections = server.connections
        await server.shutdown(0)
        for connection in connections:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    async def _running(self, seconds: float) -> None:
        tasks = [f.task for f in self._flights if f.task is not None]
        if tasks and seconds > 0:
            await asyncio.wait(tasks, timeout=seconds)

    def _tell(self, label: str, text: str) -> None:
        try:
            self.say(label, text)
        except Exception:
            return  # a log that cannot be written must not disturb a client's request

    def _report(self, text: str) -> None:
        self._tell(_FRONT_END, text)

    def _sweep(self) -> None:
        """Cancel requests without traffic for too long.

        All requests share a timer: a timer for each request costs more.
        """
        still = self._clock() - self._limit
        for flight in [f for f in self._flights if f.seen <= still]:
            self._cut(flight)
        interval = min(1.0, self._limit / 4)
        self._timer = asyncio.get_running_loop().call_later(interval, self._sweep)

    @staticmethod
    def _cut(flight: Flight) -> None:
        if not flight.cut and flight.task is not None:
            flight.cut = True
            flight.task.cancel()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        flight = Flight(asyncio.current_task(), self._clock())
        self._flights.add(flight)
        client = cast(Protocol, request.protocol).client
        keep, note = False, ""
        try:
            keep, note = await self._serve(request, client, flight)
        except asyncio.CancelledError:
            if not flight.cut:
                note = _CLOSED if flight.status == 101 else "the client has left"
                raise
            note = await self._end(request, flight)
        except Exception as error:  # a fault of this package, which must not end the server
            note = self._explain(error)
            request.protocol.force_close()
        finally:
            self._flights.discard(flight)
            took = (self._clock() - flight.started) * 1000
            line = (
                f"{request.method} {shown(request.raw_path)} {flight.status or '-'} {took:.0f} ms"
            )
            self._tell(_REQUEST, f"{line} ({shown(note)})" if note else line)
        return self._answered[keep]

    async def _end(self, request: web.BaseRequest, flight: Flight) -> str:
        """Send an error page for a cancelled request; cut the connection if a response started."""
        task = asyncio.current_task()
        if task is not None and hasattr(task, "uncancel"):  # Python 3.11
            task.uncancel()
        answer = timed_out(self._limit)
        if self._ending:
            answer = page(503, "Service Unavailable", note="cut: the emulator ends")
        if not flight.status:
            await send(request, answer, flight, last=True)
        elif request.transport is not None:
            request.transport.abort()
        return answer.note

    async def _serve(
        self, request: web.BaseRequest, client: Client, flight: Flight
    ) -> tuple[bool, str]:
        """Serve one request; return whether to keep the connection, and a note for the log."""
        headers = CIMultiDict(request.headers)
        body = Incoming(request, flight, self._clock)
        asked = ""
        try:
            count_hosts(request.version, headers)
            address = read_address(request.method, request.raw_path, headers.get("Host"))
            if address.host and not self._hosts.allows(address.host):
                raise BadRequestError("Invalid Hostname", self._hosts.explain(address.host))
        except BadRequestError as error:
            note = ": ".join(filter(None, (str(error), error.details)))
            answer = page(400, f"Bad Request - {error}", error.details, note=note)
        else:
            headers["Host"] = address.host or self._public.name
            cross_site = is_cross_site(headers, headers["Host"], secure=client.secure)
            foreign = cross_site and "Sec-Fetch-Site" in headers
            asked = self._public.inward(headers, foreign=foreign)
            if address.target == "*":
                # IIS itself responds to a request about the whole server.
                methods = dict.fromkeys(("Allow", "Public"), SERVER_METHODS)
                answer = Answer(200, CIMultiDict(methods))
            else:
                inner = self._request(request, address.target, headers, client, body)
                inner.cross_site = cross_site
                answer = await self._answer(inner, request, flight, asked)
                if flight.status == 101:
                    return False, answer.note
        note = self._public.outward(answer.headers, asked, secure=client.secure)
        # A client that still waits for 100 Continue may send its body or not, and after a malformed
        # body the start of the next request is unknown: in both cases the connection ends.
        lost = body.waiting or bool(body.failed)
        keep, remark = await send(request, answer, flight, last=self._ending or lost)
        if lost:
            request.protocol.force_close()
        return keep, "; ".join(filter(None, (answer.note, note, remark)))

    def _request(
        self,
        request: web.BaseRequest,
        target: str,
        headers: CIMultiDict[str],
        client: Client,
        body: Incoming,
    ) -> Request:
        """Return the request for the host behind the front end."""
        length: int | None = 0
        if request.body_exists:
            length = request.content_length if "Transfer-Encoding" not in headers else None
        websocket = asks_for_websocket(request)
        self._headers.apply(headers, client, target, websocket=websocket)
        return Request(
            request.method,
            target,
            headers,
            body,
            length,
            client.secure,
            self._address,
            cast(Protocol, request.protocol).port,
            websocket,
        )

    async def _answer(
        self, inner: Request, request: web.BaseRequest, flight: Flight, asked: str
    ) -> Answer:
        """Pass the request to the host behind; turn errors into pages."""
        try:
            answer = await self._ask(inner)
        except Exception as error:
            failed = getattr(inner.body, "failed", "")
            if failed:
                return page(400, "Bad Request", note=f"the body is badly formed: {failed}")
            return page(500, "Internal Server Error", "The emulator failed.", self._explain(error))
        if isinstance(answer, Answer):
            if 200 <= answer.status <= 999 or answer.reset:
                return answer
            text = f"The app responded with status {answer.status}."
            return page(502, "Bad Gateway", text, text)
        if not inner.websocket:
            text = "A WebSocket was offered to a client that has not requested it."
            return page(502, "Bad Gateway", text, text)
        response = await self._dialler.dial(request, answer, inner.headers)
        if isinstance(response, Answer):
            return response
        return await self._join(request, response, flight, asked)

    async def _join(
        self,
        request: web.BaseRequest,
        response: aiohttp.ClientResponse,
        flight: Flight,
        asked: str,
    ) -> Answer:
        headers = CIMultiDict(response.headers)
        secure = cast(Protocol, request.protocol).client.secure
        self._public.outward(headers, asked, secure=secure)
        self._report(f"WebSocket opened: {shown(request.raw_path)}")
        await self._dialler.join(request, response, headers, flight)
        return Answer(101, note=_CLOSED)

    def _explain(self, error: Exception) -> str:
        """Return one line about an unexpected error."""
        where = traceback.extract_tb(error.__traceback__)[-1:]
        place = f" ({where[0].filename.rpartition('/')[2]}:{where[0].lineno})" if where else ""
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}{place}"
