"""A file, or parts of it, as a response body: read in chunks, in threads, and always closed.

Must not know of requests or where files are. Source: RFC 9110, 14.6, for several parts.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO

__all__ = ["FileBody"]

CHUNK = 256 * 1024

# Literal bytes, or a range of the file: start and exclusive end.
_Piece = bytes | tuple[int, int]


class FileBody:
    """The body of a 200, or of a 206 with `ranges`; takes over `stream` and closes it.

    `headers` are Content-Type, Content-Length and, for one range, Content-Range. Reading raises
    OSError if the file has become shorter than `size`, because Content-Length cannot be met.
    """

    def __init__(
        self,
        stream: BinaryIO,
        ranges: tuple[tuple[int, int], ...],
        size: int,
        media_type: str,
    ) -> None:
        self._stream = stream
        self._reading: asyncio.Future[bytes] | None = None
        self.headers = {"Content-Type": media_type}
        pieces: list[_Piece] = [*(ranges or ((0, size),))]
        if len(ranges) == 1:
            start, stop = ranges[0]
            self.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        elif ranges:
            boundary = secrets.token_hex(16)
            pieces = _parts(ranges, size, media_type, boundary)
            self.headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
        self.headers["Content-Length"] = str(sum(_length(piece) for piece in pieces))
        self._pieces: Iterator[_Piece] = iter(pieces)
        self._at = self._left = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                self.close()
                raise StopAsyncIteration
            if isinstance(piece, bytes):
                return piece
            self._at, self._left = piece[0], piece[1] - piece[0]
        loop = asyncio.get_running_loop()
        self._reading = loop.run_in_executor(None, self._read, self._at, min(self._left, CHUNK))
        # If the reader is cancelled, the thread continues to use the file; see aclose.
        chunk = await asyncio.shield(self._reading)
        if not chunk:
            self.close()
            raise OSError("the file became shorter while it was sent")
        self._at += len(chunk)
        self._left -= len(chunk)
        return chunk

    async def aclose(self) -> None:
        """Close the file after the thread that reads it has finished."""
        if self._reading is not None and not self._reading.done():
            await asyncio.wait([self._reading])
        self.close()

    def close(self) -> None:
        """Close the file at once; call it only while nothing is being read."""
        self._pieces, self._left = iter(()), 0
        self._stream.close()

    def _read(self, at: int, size: int) -> bytes:
        self._stream.seek(at)
        return self._stream.read(size)


def _parts(
    ranges: tuple[tuple[int, int], ...], size: int, media_type: str, boundary: str
) -> list[_Piece]:
    pieces: list[_Piece] = []
    for start, stop in ranges:
        head = (
            f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\n"
            f"Content-Range: bytes {start}-{stop - 1}/{size}\r\n\r\n"
        )
        pieces += [head.encode("utf-8"), (start, stop)]
    pieces.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    return pieces


def _length(piece: _Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
