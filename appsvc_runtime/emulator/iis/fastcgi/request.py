"""The bytes that open a FastCGI request, with its body where that is short.

Must not know processes. A short body is read before a process is taken, so that a visitor who is
slow to send a form keeps none from the others, and the request can be made anew.
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
    """Give what is to be sent at once, and the body that is to follow, None where that is all.

    `opening` is what comes before FCGI_STDIN. RefusedError for a short body that is not as long as
    `length` says.
    """
    if length is None or length > READ_AHEAD:
        return opening, body
    data = bytearray()
    async for piece in body:
        data += piece
        if len(data) > length:
            break
    if len(data) != length:
        raise RefusedError(400, "Bad request", f"The body is not of the {length} bytes it said.")
    return b"".join((opening, *encode_stdin(data), STDIN_END)), None
