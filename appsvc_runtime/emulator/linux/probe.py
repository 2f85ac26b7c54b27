"""One request of the platform's own to a container: the warm-up, a health check.

Knows sockets, and as much of HTTP as a status line. Must not know why it is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass
from urllib.parse import quote

__all__ = ["AGENT", "SOURCE", "Probed", "front_end_source", "probe"]

# The app's peer on the platform is link-local: nobody whom gunicorn and uvicorn trust by
# themselves, as they trust 127.0.0.1. An address of this machine that they do not trust either.
SOURCE = "127.169.254.1"
AGENT = "HealthCheck/1.0"
# What Django's ALLOWED_HOSTS is known to refuse: probes name the instance's own address.
_HOST = "169.254.129.1"
_CONTAINER = "127.0.0.1"
_MAX_LINE = 4096
# An answer that goes on for ever is one all the same.
_REST_SECONDS = 2.0


@dataclass(frozen=True)
class Probed:
    """What came: `status` is 0 where nothing did, `reason` says what then; `seconds` it took.

    `location` is where a redirect leads.
    """

    status: int
    reason: str
    seconds: float
    location: str = ""


def front_end_source() -> str:
    """Give the address that requests to a container come from, "" where this machine lacks it."""
    with contextlib.suppress(OSError), socket.socket() as tried:
        tried.bind((SOURCE, 0))
        return SOURCE
    return ""


async def probe(port: int, path: str, *, timeout: float, source: str = "") -> Probed:
    """Ask 127.0.0.1:`port` for `path` with GET; give its status, whatever it is.

    `timeout` is for all of it, in seconds. No redirect is followed.
    """
    began = time.monotonic()
    try:
        status, location = await asyncio.wait_for(_ask(port, path, source), timeout)
    except asyncio.TimeoutError:
        return Probed(0, f"no answer within {timeout:g} s", time.monotonic() - began)
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
            said = "the connection was closed" if not line else "what came is not HTTP"
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
    """Read to the end, so that no server complains of a visitor who leaves."""
    while await reader.read(65536):
        pass
