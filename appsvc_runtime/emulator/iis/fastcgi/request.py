"""The bytes that open a FastCGI request, with its body if that is short.

Must not know processes. A short body is read before a process is taken, so that a client who sends
a form slowly does not occupy a process, and so that the request can be repeated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from .pages import RefusedError
from .protocol import STDIN_END, encode_stdin

__all__ = ["READ_AHEAD", "open_request"]

READ_AHEAD = 49152  # IIS's uploadReadAheadSize (serverRuntime)


async def open_request(
    opening: bytes, body: AsyncIterator[bytes], length: int | None
) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """Return the bytes to send at once, and the rest of the body, or None if there is none.

    `opening` is the message before FCGI_STDIN. Raises RefusedError if the size of a short body is
    not `length`.
    """
    if length is None or length > READ_AHEAD:
        return opening, body
    data = bytearray()
    async for piece in body:
        data += piece
        if len(data) > length:
            break
    if len(data) != length:
        raise RefusedError(400, "Bad request", f"The body does not have the stated {length} bytes.")
    return b"".join((opening, *encode_stdin(data), STDIN_END)), None
