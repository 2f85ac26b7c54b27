"""One request and its answer, as they pass between the front end and what stands behind it.

Data only: bodies are streams, so that nobody holds a whole one. Must not know of any server. Text
of targets and headers stands for bytes as aiohttp reads them: UTF-8, surrogates for what is none.
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
    """What was asked has been replaced before it did anything: ask again, of what is there now."""


async def empty_body() -> AsyncIterator[bytes]:
    """Be a body of no bytes."""
    return
    yield b""


@dataclass
class Request:
    """What the front end hands on, its own headers among the others.

    `target` is the path and query as on the wire, percent-encoded, and begins with `/`. Of the
    headers each stands as sent, Host included; Transfer-Encoding is gone where `length` is None (a
    chunked body). `client` and `client_port` are the peer's that the worker sees, the front end's.
    `secure`: the visitor speaks https to the front end. `websocket`: an upgrade is asked for.
    `cross_site`: a page of another origin has made a browser send it.
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
    """An answer; `body` is bytes, or a stream that is closed whatever happens.

    Without Content-Length a stream is sent in chunks. `note` is said in the log behind the status:
    why, where it is not the app's own answer. `reset`: cut the connection instead of answering.
    """

    status: int
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: bytes | AsyncIterator[bytes] = b""
    reason: str = ""
    note: str = ""
    reset: bool = False


@dataclass
class Tunnel:
    """The answer to an upgrade: pass messages to and fro the WebSocket server at `url`.

    `source` is the address of this machine to ask from, "" for any.
    """

    url: str
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    source: str = ""


# What stands behind the front end.
Ask = Callable[[Request], Awaitable["Answer | Tunnel"]]


SERVER_METHODS = "OPTIONS, TRACE, GET, HEAD, POST"
