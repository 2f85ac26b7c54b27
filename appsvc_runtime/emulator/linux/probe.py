"""One request of the platform's own to a container: the warm-up or a health check.

Knows sockets, and as much of HTTP as a status line and headers. Must not know the purpose of a
request.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass
from urllib.parse import quote

__all__ = ["AGENT", "SOURCE", "Probed", "front_end_source", "probe"]

# The app's peer on the platform has a link-local address, which gunicorn and uvicorn do not trust
# by default, unlike 127.0.0.1. This is an address of this machine that they do not trust either.
SOURCE = "127.169.254.1"
AGENT = "HealthCheck/1.0"
# Probes name the instance's own address as host, which Django's ALLOWED_HOSTS is known to refuse.
_HOST = "169.254.129.1"
_CONTAINER = "127.0.0.1"
_MAX_LINE = 4096
# A response without an end is still a response.
_REST_SECONDS = 2.0


@dataclass(frozen=True)
class Probed:
    """The result: `status` is 0 if there was no response, then `reason` is why; `seconds` it took.

    `location` is the target of a redirect.
    """

    status: int
    reason: str
    seconds: float
    location: str = ""


def front_end_source() -> str:
    """Return the source address of requests to a container, or "" if this machine lacks it."""
    with contextlib.suppress(OSError), socket.socket() as tried:
        tried.bind((SOURCE, 0))
        return SOURCE
    return ""


async def probe(port: int, path: str, *, timeout: float, source: str = "") -> Probed:
    """Send GET `path` to 127.0.0.1:`port`; return the response's status, whatever it is.

    `timeout` is for the whole exchange, in seconds. Redirects are not followed.
    """
    began = time.monotonic()
    try:
        status, location = await asyncio.wait_for(_ask(port, path, source), timeout)
    except asyncio.TimeoutError:
        return Probed(0, f"no response within {timeout:g} s", time.monotonic() - began)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Probed(0, reason, time.monotonic() - began)
    return Probed(status, "", time.monotonic() - began, location)


async def _ask(port: int, path: str, source: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection(
        _CONTAINER, port, limit=_MAX_LINE * 16, local_addr=(source, 0) if source else None
    )
    try:
        target = quote(path, safe="/?%:@!$&'()*+,;=~[]-._")
        writer.write(
            f"GET {target} HTTP/1.1\r\nHost: {_HOST}:{port}\r\nUser-Agent: {AGENT}\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode("ascii")
        )
        await writer.drain()
        line = await reader.readline()
        words = line.decode("latin-1").split(None, 2)
        if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
            said = "the connection was closed" if not line else "the response is not HTTP"
            raise ValueError(said)
        location = ""
        while (header := await reader.readline()).strip():
            name, _, value = header.decode("latin-1").partition(":")
            if name.strip().lower() == "location":
                location = value.strip()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(_read_rest(reader), _REST_SECONDS)
        return int(words[1]), location
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _read_rest(reader: asyncio.StreamReader) -> None:
    """Read to the end, so that no server logs a client that disconnects early."""
    while await reader.read(65536):
        pass
