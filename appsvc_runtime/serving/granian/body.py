"""The body of a request to a WSGI app, as a raw stream.

A body of usual size arrives before a thread is given to its request, so that a client that stalls
in the middle of it holds none. Knows granian's ASGI side, and nothing of threads or apps.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import io
import time
from typing import TYPE_CHECKING, Any, NoReturn

from .. import defaults
from ..pace import Pace
from .loop import ClientGoneError, LoopThread, look, outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["Body"]

_CHUNK = 65_536
# How much is read of a body that the app has not read: its sender can then read the response.
_LEFT_BYTES = 16 * 1024 * 1024
_LEFT_SECONDS = 5.0
_GONE = "The client closed the connection in the middle of the body."
_LATE = "The client sent the body too slowly."


class Body(io.RawIOBase):
    """The body of a request, as a raw stream.

    `expects`: the client waits for `100 Continue` before it sends the body; so the app gets the
    request first. `ended`: nothing more comes. `late`: the client was too slow, and has not got a
    response yet.
    """

    arriving = 0  # bytes of the bodies in `arrive`, which runs in the event loop alone

    def __init__(self, protocol: Any, loop: LoopThread, *, expects: bool) -> None:
        self._protocol = protocol
        self._loop = loop
        self._parts: collections.deque[memoryview] = collections.deque()
        self._held = 0
        self._expects = expects
        self._pending: Awaitable[Any] | None = None
        self._pace = Pace()
        self._gone = ""  # why nothing more comes, if the body has not ended
        self.ended = False
        self.late = False

    def has_arrived(self) -> bool:
        """Take what has arrived, and return whether the app can be given the request.

        Raises ClientGoneError.
        """
        while self._wants_more():
            awaitable = self._protocol.receive()
            ready, message = look(awaitable)
            if not ready:
                self._pending = awaitable
                return False
            self._take(message)
        return True

    async def arrive(self) -> None:
        """Wait in the event loop until `has_arrived` would return True, or nothing more comes.

        Or until all bodies that are waited for hold too much memory: then the app gets the request,
        and its thread waits for the rest.
        """
        Body.arriving += self._held
        try:
            with contextlib.suppress(ClientGoneError):
                while self._wants_more() and Body.arriving < defaults.UNFINISHED_BYTES:
                    before = self._held
                    await self._arrive_further()
                    Body.arriving += self._held - before
        finally:
            Body.arriving -= self._held

    def leave(self) -> None:
        """Read and drop what the app has not read, within limits.

        A client that is cut off while it sends would not see the response.
        """
        if self._expects:
            return
        self._parts.clear()
        left, until = _LEFT_BYTES, time.monotonic() + _LEFT_SECONDS
        with contextlib.suppress(OSError):  # the client has disconnected, or is too slow
            while not self.ended and left > 0 and (seconds := until - time.monotonic()) > 0:
                self._take(self._loop.wait(self._next(), seconds))
                left -= sum(map(len, self._parts))
                self._parts.clear()

    def readable(self) -> bool:
        """Return True, as `io.BufferedReader` requires."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has arrived, at least one byte; return 0 at the end of the body.

        Raises ClientGoneError if the client disconnects, or is too slow.
        """
        while not self._parts and not self.ended:
            self._expects = False
            began = time.monotonic()
            try:
                message = self._loop.wait(self._next(), self._pace.seconds_left())
            except TimeoutError:
                self._give_up(_LATE)
            self._take(message, time.monotonic() - began)
        if not self._parts:
            self.check()
            return 0
        part = self._parts.popleft()
        size = min(len(buffer), len(part))
        buffer[:size] = part[:size]
        if size < len(part):
            self._parts.appendleft(part[size:])
        return size

    def _next(self) -> Awaitable[Any]:
        """Return granian's awaitable of the next message; one that is pending goes first."""
        awaitable, self._pending = self._pending, None
        return awaitable or self._protocol.receive()

    async def _arrive_further(self) -> None:
        awaitable = self._next()
        began = time.monotonic()
        try:
            message = await asyncio.wait_for(outcome(awaitable), self._pace.seconds_left())
        except (TimeoutError, asyncio.TimeoutError):  # two classes before Python 3.11
            self.late = True
            self._give_up(_LATE)
        self._take(message, time.monotonic() - began)

    def _wants_more(self) -> bool:
        return not (self.ended or self._expects or self._held >= defaults.BODY_BYTES)

    def check(self) -> None:
        """Raise ClientGoneError if the rest of the body never comes."""
        if self._gone:
            raise ClientGoneError(self._gone)

    def _give_up(self, why: str) -> NoReturn:
        self.ended = True
        self._gone = why
        raise ClientGoneError(why) from None

    def _take(self, message: Any, seconds: float = 0.0) -> None:
        if message["type"] != "http.request":
            self._give_up(_GONE)
        part = memoryview(message.get("body", b""))
        if part:
            self._parts.append(part)
            self._held += len(part)
        self._pace.add(len(part), seconds)
        self.ended = not message.get("more_body")
