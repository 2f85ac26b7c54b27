"""Closes the connection of a response that is shorter than its Content-Length.

gunicorn keeps it: the client waits for the rest, and takes the next response on the connection for
it. Knows gunicorn's response, and nothing of apps, settings or the platform.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["closing"]

_logger = logging.getLogger("gunicorn.error")


def closing(app: WSGIApplication) -> WSGIApplication:
    """Return an app whose connection is closed after a body that is too short.

    Its `start_response` must be gunicorn's own.
    """

    def checked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = app(environ, start_response)
        wrapper: Any = environ.get("wsgi.file_wrapper", ())
        response = getattr(start_response, "__self__", None)
        if isinstance(body, wrapper) or environ.get("REQUEST_METHOD") == "HEAD" or not response:
            return body
        return _Body(body, response)

    return checked


class _Body:
    """A body that looks at the response when it has ended."""

    def __init__(self, body: Iterable[bytes], response: Any) -> None:
        self._body = body
        self._response = response
        self.close = getattr(body, "close", _close_nothing)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._body
        response = self._response
        length = response.response_length
        if length and response.sent < length and response.status[:3] not in ("204", "304"):
            response.force_close()
            _logger.error(
                "The app sent %d of the %d bytes that its Content-Length names.",
                response.sent,
                length,
            )


def _close_nothing() -> None:
    pass
