"""A body that is shorter than its Content-Length closes its connection."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from appsvc_runtime.serving.gunicorn.short_bodies import closing


class Response:
    """gunicorn's response, as far as it is used here."""

    def __init__(self, length: int | None = None, status: str = "200 OK") -> None:
        self.response_length = length
        self.status = status
        self.sent = 0
        self.closed = False

    def start_response(self, *_: Any) -> Any:
        """Return no `write`."""
        return None

    def force_close(self) -> None:
        """Note the call."""
        self.closed = True


class Wrapper(list[bytes]):
    """A file wrapper, which gunicorn sends by the system."""


@pytest.mark.parametrize(
    ("response", "method", "closed"),
    [
        (Response(3), "GET", True),
        (Response(2), "GET", False),
        (Response(None), "GET", False),
        (Response(3), "HEAD", False),
        (Response(3, "304 Not Modified"), "GET", False),
        (Response(0), "GET", False),
    ],
)
def test_a_short_body(
    response: Response, method: str, closed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It is reported, and the client does not wait for the rest."""
    environ = {"REQUEST_METHOD": method, "wsgi.file_wrapper": Wrapper}
    for part in closing(lambda *_: [b"a", b"b"])(environ, response.start_response):
        response.sent += len(part)
    assert response.closed == closed
    assert bool(caplog.records) == closed
    if closed:
        assert caplog.record_tuples[0][1:] == (
            logging.ERROR,
            "The app sent 2 of the 3 bytes that its Content-Length names.",
        )


def test_a_file_and_an_unknown_server_are_left_alone() -> None:
    """gunicorn sends a file by the system's own means."""
    body = Wrapper()
    environ = {"REQUEST_METHOD": "GET", "wsgi.file_wrapper": Wrapper}
    assert closing(lambda *_: body)(environ, Response().start_response) is body
    parts: list[bytes] = []
    assert closing(lambda *_: parts)(environ, lambda *_: None) is parts


def test_the_apps_own_body_is_closed() -> None:
    """As PEP 3333 requires."""
    closed = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([])

        def close(self) -> None:
            closed.append(True)

    environ = {"REQUEST_METHOD": "GET"}
    body: Any = closing(lambda *_: Body())(environ, Response().start_response)
    body.close()
    assert closed == [True]
