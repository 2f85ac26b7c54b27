"""WSGI on granian's ASGI side: calls a WSGI app for a request, and sends its response.

Granian's own WSGI side makes one variable of `X-Forwarded-Proto` and `X_Forwarded_Proto`, in which
the last one wins, so that any client could forge the front end's headers. It also returns no
`write`, accepts no late `start_response`, and puts this process's environment among the headers.
Its ASGI side passes the header names on as sent. Compared with the common bridge, a2wsgi: with that
one granian serves 0.6 to 0.75 of the requests that five sync workers of gunicorn do, with this
module 2.6 to 2.9 times as many; a2wsgi also did not stop on SIGTERM (two cores, small Flask app, 64
connections). Functions may be called from any thread; they wait for slow clients through the loop
of the main thread. Knows granian's ASGI side, and nothing of threads, settings or the
platform. `tests/serving/granian/test_private_names.py` checks all private names of granian that
this folder uses.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ..one_host import find_fault
from .body import Body
from .close import CLOSE
from .environ import make_environ
from .loop import ClientGoneError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import WSGIApplication

    from .close import Closing
    from .loop import LoopThread

__all__ = ["serve"]

_CHUNK = 65_536
# A stream of more parts than this may be endless: from then on we watch for a client that leaves.
_SHORT_STREAM = 2
_TOO_SLOW = b"The request did not arrive in time.\n"


class _Response:
    """One response being sent; `start` is the app's `start_response`."""

    def __init__(
        self, protocol: Any, loop: LoopThread, head: bool, body: Body | None, last: bool
    ) -> None:
        self._protocol = protocol
        self._loop = loop
        self._last = last  # on its connection
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
        if self._last:
            lines.append(CLOSE)
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
    closing: Closing,
    *,
    body: Body | None = None,
    multiprocess: bool = False,
    multithread: bool = True,
) -> Body | None:
    """Respond to granian's request with a WSGI app; raise the app's errors.

    Return a body that has not arrived yet: call this again with it after its `arrive`.
    """
    if scope["type"] != "http":  # a WebSocket, which WSGI does not support
        loop.wait(protocol.send({"type": "websocket.close"}))
        return None
    is_head = scope["method"] == "HEAD"
    if fault := find_fault(scope["headers"]):
        _refuse("400 Bad Request", fault, _Response(protocol, loop, is_head, None, closing.begun))
        return None
    environ = make_environ(scope)
    environ["wsgi.multiprocess"] = multiprocess
    environ["wsgi.multithread"] = multithread
    if environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ:
        if body is None:
            body = Body(protocol, loop, expects="HTTP_EXPECT" in environ)
            if not body.has_arrived():
                return body
        if body.late:
            refusal = _Response(protocol, loop, is_head, None, last=True)
            _refuse("408 Request Timeout", _TOO_SLOW, refusal)
            return None
        body.check()
        environ["wsgi.input"] = io.BufferedReader(body, _CHUNK)
    else:
        environ["wsgi.input"] = io.BytesIO()
    response = _Response(protocol, loop, is_head, body, closing.begun)
    parts = app(environ, response.start)
    try:
        _send(parts, response)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()
    return None


def _refuse(status: str, reason: bytes, response: _Response) -> None:
    response.start(status, [("Content-Length", str(len(reason)))])
    response.whole(reason)


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
