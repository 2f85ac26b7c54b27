"""One request and its response, as they pass between the front end and the host behind it.

Data only: bodies are streams, and no whole body is held. Must not know of any server. The text of
targets and headers stands for bytes as aiohttp decodes them: UTF-8, with surrogate escapes for
bytes that are not UTF-8.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from multidict import CIMultiDict

from ...errors import AppServiceError

__all__ = [
    "SERVER_METHODS",
    "Answer",
    "Ask",
    "Request",
    "Say",
    "StoppedError",
    "Tunnel",
    "empty_body",
]

# Writes one line of the emulator's log: a label ("front end", "python-1"), and the text.
Say = Callable[[str, str], None]


class StoppedError(AppServiceError):
    """The host was replaced before it handled the request: send it again, to the new one."""


async def empty_body() -> AsyncIterator[bytes]:
    """Yield nothing, as the body of a request without one."""
    return
    yield b""


@dataclass
class Request:
    """A request that the front end passes on; `headers` include those that the front end adds.

    `target` is the path and query as on the wire, percent-encoded, and begins with `/`. The
    headers are as sent, Host included, but without Transfer-Encoding; `length` is None for a
    chunked body. `client` and `client_port` are the peer that the worker sees: the front end.
    `secure`: the client uses https to the front end. `websocket`: the client asks for an upgrade.
    `cross_site`: a page of another origin has made a browser send the request.
    """

    method: str
    target: str
    headers: CIMultiDict[str]
    body: AsyncIterator[bytes] = field(default_factory=empty_body)
    length: int | None = 0
    secure: bool = False
    client: str = "127.0.0.1"
    client_port: int = 0
    websocket: bool = False
    cross_site: bool = False


@dataclass
class Answer:
    """A response; `body` is bytes, or a stream that the front end always closes.

    A stream without Content-Length is sent in chunks. `note` goes into the log after the status; it
    is the reason if the response is not the app's own. `reset`: cut the connection, send nothing.
    """

    status: int
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: bytes | AsyncIterator[bytes] = b""
    reason: str = ""
    note: str = ""
    reset: bool = False


@dataclass
class Tunnel:
    """The result for an upgrade: pass bytes to and from the WebSocket server at `url`.

    `source` is the local address to connect from, "" for any.
    """

    url: str
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    source: str = ""


# The host behind the front end: takes a request, returns the response.
Ask = Callable[[Request], Awaitable["Answer | Tunnel"]]


SERVER_METHODS = "OPTIONS, TRACE, GET, HEAD, POST"
