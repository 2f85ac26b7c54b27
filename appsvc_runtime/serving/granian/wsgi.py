"""WSGI on granian's ASGI side: calls a WSGI app for a request, and sends its response.

Granian's own WSGI side makes one variable of `X-Forwarded-Proto` and `X_Forwarded_Proto`, in which
the last one wins, so that any client could forge the front end's headers. It also returns no
`write`, accepts no late `start_response`, and puts this process's environment among the headers.
Its ASGI side passes the header names on as sent. Compared with the common bridge, a2wsgi: with that
one granian serves 0.6 to 0.75 of the requests that five sync workers of gunicorn do, with this
module 2.6 to 2.9 times as many; a2wsgi also did not stop on SIGTERM (two cores, small Flask app, 64
connections). Functions may be called from any thread; they wait for bodies and slow readers through
the loop of the main thread. Knows granian's ASGI side, and nothing of threads, settings or the
platform. `tests/serving/granian/test_private_names.py` checks all private names of granian that
this folder uses.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import io
import threading
import time
from typing import TYPE_CHECKING, Any

from ..one_host import find_fault
from .environ import make_environ

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from _typeshed.wsgi import WSGIApplication

__all__ = ["ClientGoneError", "LoopThread", "serve"]

_CHUNK = 65_536
# A stream of more parts than this may be endless: from then on we watch for a client that leaves.
_SHORT_STREAM = 2
# How much is read of a body that the app has not read: its sender can then read the response.
_LEFT_BYTES = 16 * 1024 * 1024
_LEFT_SECONDS = 5.0


class ClientGoneError(ConnectionError):
    """The client has disconnected."""


class LoopThread:
    """Waits for awaitables of an event loop from any other thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def wait(self, awaitable: Awaitable[Any], seconds: float | None = None) -> Any:
        """Return the result of granian's awaitable; at once if the result is there already.

        Raises TimeoutError if it takes longer than `seconds`.
        """
        step = awaitable.__await__()
        try:
            next(step)
        except StopIteration as done:
            return done.value
        future = asyncio.run_coroutine_threadsafe(_await(awaitable), self._loop)
        try:
            return future.result(seconds)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise TimeoutError from None

    def watch(self, protocol: Any) -> threading.Event:
        """Return an event that is set when the client disconnects."""
        gone = threading.Event()

        async def look() -> None:
            while (await protocol.receive())["type"] != "http.disconnect":
                pass
            gone.set()

        asyncio.run_coroutine_threadsafe(look(), self._loop)
        return gone


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


class _Body(io.RawIOBase):
    """The body of a request, as a raw stream."""

    def __init__(self, protocol: Any, loop: LoopThread, *, expects: bool) -> None:
        self._protocol = protocol
        self._loop = loop
        self._held = memoryview(b"")
        self._seconds: float | None = None
        self._expects = expects  # the client waits for `100 Continue` before it sends the body
        self.ended = False

    def leave(self) -> None:
        """Read and drop what the app has not read, within limits.

        A client that is cut off while it sends would not see the response.
        """
        if self._expects:
            return
        self._held = memoryview(b"")
        self._seconds, left = _LEFT_SECONDS, _LEFT_BYTES
        until = time.monotonic() + _LEFT_SECONDS
        buffer = bytearray(_CHUNK)
        with contextlib.suppress(OSError):  # the client has disconnected, or is too slow
            while not self.ended and left > 0 and time.monotonic() < until:
                left -= self.readinto(buffer)

    def readable(self) -> bool:
        """Return True, as `io.BufferedReader` requires."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has arrived, at least one byte; return 0 at the end of the body.

        Raises OSError if the client disconnects, or is too slow.
        """
        while not self._held and not self.ended:
            self._expects = False
            message = self._loop.wait(self._protocol.receive(), self._seconds)
            if message["type"] != "http.request":
                self.ended = True
                raise ClientGoneError("The client closed the connection in the middle of the body.")
            self._held = memoryview(message.get("body", b""))
            self.ended = not message.get("more_body")
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size


class _Response:
    """One response being sent; `start` is the app's `start_response`."""

    def __init__(self, protocol: Any, loop: LoopThread, head: bool, body: _Body | None) -> None:
        self._protocol = protocol
        self._loop = loop
        self._is_head = head
        self._body = body
        self._head: dict[str, Any] | None = None
        self._sent = 0  # number of parts
        self.length = -1  # the app's Content-Length, or -1
        self._gone: threading.Event | None = None

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Take status and headers, as PEP 3333 defines; return `write`."""
        if exc_info is not None:
            try:
                if self._sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self._head is not None:
            raise AssertionError("start_response was called twice without exc_info")
        lines = []
        self.length = -1
        for name, value in headers:
            key = name.lower()
            if key == "content-length":
                self.length = int(value)
            lines.append((key.encode("latin-1"), value.encode("latin-1")))
        self._head = {"type": "http.response.start", "status": int(status[:3]), "headers": lines}
        return self.write

    def whole(self, data: bytes) -> None:
        """Send a complete response, or the rest of one."""
        if self._sent:
            self.write(data)
            self.finish()
            return
        self._begin()
        self._read_rest()
        self._put(data, more=False)

    def write(self, data: bytes) -> None:
        """Send a part of a response. Raises ConnectionError if the client has disconnected."""
        if not self._sent:
            self._begin()
        elif self._gone is None and self._sent > _SHORT_STREAM:
            # Not while the app may still read the body: the watch would take pieces of it.
            if self._body is None or self._body.ended:
                self._gone = self._loop.watch(self._protocol)
        elif self._gone is not None and self._gone.is_set():
            raise ClientGoneError("The client closed the connection in the middle of the response.")
        self._sent += 1
        if not self._is_head:
            self._put(data, more=True)

    def finish(self) -> None:
        """End a response that was sent in parts."""
        if not self._sent:
            self._begin()
        self._read_rest()
        self._put(b"", more=False)

    def _read_rest(self) -> None:
        if self._body is not None and not self._body.ended:
            self._body.leave()

    def _begin(self) -> None:
        if self._head is None:
            raise AssertionError("the app returned without having called start_response")
        self._sent = 1
        self._loop.wait(self._protocol.send(self._head))

    def _put(self, data: bytes, *, more: bool) -> None:
        message = {"type": "http.response.body", "body": data, "more_body": more}
        self._loop.wait(self._protocol.send(message))


def serve(
    app: WSGIApplication,
    scope: dict[str, Any],
    protocol: Any,
    loop: LoopThread,
    *,
    multiprocess: bool = False,
    multithread: bool = True,
) -> None:
    """Respond to granian's request with a WSGI app; raise the app's errors."""
    if scope["type"] != "http":  # a WebSocket, which WSGI does not support
        loop.wait(protocol.send({"type": "websocket.close"}))
        return
    if fault := find_fault(scope["headers"]):
        refusal = _Response(protocol, loop, scope["method"] == "HEAD", None)
        refusal.start("400 Bad Request", [("Content-Length", str(len(fault)))])
        refusal.whole(fault)
        return
    environ = make_environ(scope)
    environ["wsgi.multiprocess"] = multiprocess
    environ["wsgi.multithread"] = multithread
    body = None
    if environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ:
        body = _Body(protocol, loop, expects="HTTP_EXPECT" in environ)
        environ["wsgi.input"] = io.BufferedReader(body, _CHUNK)
    else:
        environ["wsgi.input"] = io.BytesIO()
    response = _Response(protocol, loop, scope["method"] == "HEAD", body)
    parts = app(environ, response.start)
    try:
        _send(parts, response)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()


def _send(parts: Iterable[bytes], response: _Response) -> None:
    if hasattr(parts, "__len__"):
        response.whole(b"".join(parts))
        return
    first = True
    for part in parts:
        if first and len(part) == response.length:  # the usual case: frameworks set the length
            response.whole(part)
            return
        first = False
        if part:
            response.write(part)
    response.finish()
