"""One request for the app, and its response to the client, in a thread.

Knows gunicorn's worker, its request and its response; must not know the loop, apps or the platform.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from gunicorn import util
from gunicorn.http import wsgi

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["ResponseBrokenError", "respond"]

# A longer piece of a body is sent by itself: it would take longer to copy it behind the head.
_COPIED = 1 << 16


class ResponseBrokenError(Exception):
    """The app failed in the middle of its response, which cannot be completed."""


class _Response(wsgi.Response):  # type: ignore[misc]
    """gunicorn's response, whose head is sent with the first piece of the body."""

    headers_sent: bool
    _head = b""

    @property
    def is_begun(self) -> bool:
        """Return whether the client may have got something of it."""
        return self.headers_sent and not self._head

    def send_headers(self) -> None:
        """Keep the head until there is a piece of the body, or the end."""
        if not self.headers_sent:
            lines = [*self.default_headers(), *(f"{k}: {v}\r\n" for k, v in self.headers), "\r\n"]
            self._head = util.to_bytestring("".join(lines), "latin-1")
            self.headers_sent = True

    def write(self, arg: bytes) -> None:
        """Send a piece of the body; an empty one sends the head only."""
        super().write(arg)
        if not arg:
            self._flush()

    def _emit_body(self, data: bytes) -> None:
        if self.chunked:
            data = b"%X\r\n%b\r\n" % (len(data), data)
        if len(data) > _COPIED:
            self._flush()
            self.sock.sendall(data)
        else:
            self._head += data
            self._flush()

    def sendfile(self, respiter: Any) -> bool:
        """Send a file, if the app returned one of the system, and the head before it."""
        if self.cfg.is_ssl or not self.can_sendfile() or not util.has_fileno(respiter.filelike):
            return False
        self.send_headers()
        self._flush()
        return bool(super().sendfile(respiter))

    def close(self) -> None:
        """Send what is kept, and the end of a body in chunks."""
        self.send_headers()
        if self.chunked:
            self._head += b"0\r\n\r\n"
        self._flush()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self.sock.sendall(head)


def respond(worker: Any, connection: Connection) -> bool:
    """Call the app and send its response; return whether the connection may be kept.

    What the app raises before anything is sent is raised; later it becomes a ResponseBrokenError.
    """
    cfg, request, sock = worker.cfg, connection.incoming.request, connection.sock
    response, environ = None, {}
    try:
        cfg.pre_request(worker, request)
        began = datetime.now()
        response, environ = wsgi.create(
            request, sock, connection.client, connection.server, cfg, response_class=_Response
        )
        environ["wsgi.multithread"] = True
        if worker.count_request() or connection.is_upgraded:
            response.force_close()
        try:
            body = worker.wsgi(environ, response.start_response)
            try:
                if isinstance(body, wsgi.FileWrapper):
                    response.write_file(body)
                else:
                    for piece in body:
                        response.write(piece)
                response.close()
            finally:
                if response.is_begun:
                    worker.log.access(response, request, environ, datetime.now() - began)
                if hasattr(body, "close"):
                    body.close()
        except BaseException as error:
            if sock.failure is None and response.is_begun:
                worker.log.exception("Error handling request")
                raise ResponseBrokenError from error
            raise
        return not response.should_close()
    finally:
        try:
            cfg.post_request(worker, request, environ, response)
        except Exception:
            worker.log.exception("Exception in post_request hook")
