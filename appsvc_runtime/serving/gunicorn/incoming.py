"""What a client has sent: bytes in, requests of gunicorn's own parser out, without waiting.

gunicorn's parser asks its source for more bytes and waits for them, in a thread. Here it is called
when a request is there: the end of the head is searched for, then the length of the body decides.
The search is only a hint. What a request is, and what is refused, is decided by gunicorn's parser
with gunicorn's limits. Knows no sockets, threads or worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import Unreader

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Incoming"]

_END = b"\r\n\r\n"
# A line with the size of a chunk is shorter; gunicorn refuses one that is not.
_LONGEST_SIZE_LINE = 8_192
# So much of a long body that the app does not read is read for the sake of the next request.
_SKIPPED = 65_536


class _NeedsMoreError(Exception):
    """The parser wants bytes that the client has not sent yet."""


class _Source(Unreader):  # type: ignore[misc]
    """Where gunicorn's parser gets its bytes from.

    These are the bytes that it is fed; then those that `receive` returns, if a client may still be
    sending the body while the app runs.
    """

    receive: Callable[[int], bytes] | None = None

    def __init__(self) -> None:
        super().__init__()
        self._fed: list[bytes] = []

    def feed(self, *pieces: bytes) -> None:
        """Provide these bytes."""
        self._fed = [piece for piece in pieces if piece]

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return the next bytes; gunicorn's parser calls this."""
        if self._fed:
            return self._fed.pop(0)
        if self.receive is None:
            raise _NeedsMoreError
        return self.receive(size_hint or 0)

    def take_rest(self) -> bytes:
        """Return all bytes that the parser has not used, and forget them."""
        rest: bytes = self.take_buffered() + b"".join(self._fed)
        self._fed = []
        return rest


class Incoming:
    """The bytes of one connection. `request` is the one being read, or being handled."""

    def __init__(self, cfg: Any, client: Any) -> None:
        self.data = bytearray()
        self.request: Any = None
        self.is_whole = False
        self._cfg = cfg
        self._source = _Source()
        self._parser = RequestParser(cfg, (), client)
        self._parser.unreader = self._source
        self._chunks: _Chunks | None = None
        self._searched = 0
        self._next_try = 0

    def advance(self, most: int) -> bool:
        """Return whether `request` can be handled: its body is there, or `most` bytes of it.

        `is_whole` is whether the body is there. Raises gunicorn's errors for what is no request,
        and StopIteration if none may follow.
        """
        if self.request is None and not self._read_head():
            return False
        end, self.is_whole = self._find_body()
        if not self.is_whole and end < most:
            return False
        self._source.feed(bytes(self.data[:end]))
        del self.data[:end]
        return True

    def stream(self, receive: Callable[[int], bytes]) -> None:
        """Read the rest of the body with `receive`, while the app runs."""
        self._source.receive = receive

    def finish(self) -> bool:
        """Skip what the app has not read of the body; return whether another request may follow."""
        try:
            is_read = bool(self._parser.finish_body(max_bytes=None if self.is_whole else _SKIPPED))
        except Exception:  # malformed, broken off, too slow: the next request cannot be found
            return False
        self._source.receive = None
        rest = self._source.take_rest()
        if rest:  # the parser read ahead, in a body that was streamed
            self.data[:0] = rest
        self.request = self._chunks = None
        self._searched = self._next_try = 0
        return is_read

    def _read_head(self) -> bool:
        """Have the head parsed if it is there, or if it can be refused already."""
        data = self.data
        found = data.find(_END, max(0, self._searched - len(_END) + 1))
        if found < 0 and not self._may_be_refused():
            return False
        head = bytes(data if found < 0 else data[: found + len(_END)])
        # The parser looks at the length of a head without an end when it has read once more.
        self._source.feed(head[:-1], head[-1:])
        try:
            request = next(self._parser)
        except _NeedsMoreError:
            self._source.take_rest()
            return False
        del data[: len(head) - len(self._source.take_rest())]
        self.request = request
        if isinstance(request.body.reader, ChunkedReader):
            self._chunks = _Chunks()
        return True

    def _may_be_refused(self) -> bool:
        """Return whether the parser may refuse a head without an end: a long one, or a bare LF."""
        data = self.data
        # An LF is counted with the CR before it, which may have come in the piece before.
        start = max(0, self._searched - 1)
        new = data[start if data[start : start + 1] == b"\r" else self._searched :]
        self._searched = len(data)
        if new.count(b"\n") != new.count(b"\r\n"):
            return True
        if len(data) <= max(self._next_try, self._cfg.limit_request_line + 2):
            return False
        self._next_try = 2 * len(data)  # so that a head is not read again and again
        return True

    def _find_body(self) -> tuple[int, bool]:
        """Return how many bytes of the body are there, and whether these are all."""
        if self._chunks is not None:
            end = self._chunks.find_end(self.data)
            return (len(self.data), False) if end is None else (end, True)
        reader = self.request.body.reader
        length: int = reader.length if isinstance(reader, LengthReader) else 0
        return min(length, len(self.data)), len(self.data) >= length


class _Chunks:
    """Finds the end of a body in chunks as it arrives; each byte is looked at once."""

    def __init__(self) -> None:
        self._at = 0
        self._in_trailer = False

    def find_end(self, data: bytearray) -> int | None:
        """Return where the body ends in `data`, or None if it has not ended.

        What is no chunk counts as an end: the parser refuses it.
        """
        while not self._in_trailer:
            if self._at > len(data):
                return None
            if self._at and data[self._at - 2 : self._at] != b"\r\n":
                return len(data)
            stop = data.find(b"\r\n", self._at, self._at + _LONGEST_SIZE_LINE)
            if stop < 0:
                is_line = len(data) - self._at < _LONGEST_SIZE_LINE
                bare = data.find(b"\n", self._at) >= 0
                return None if is_line and not bare else len(data)
            try:
                size = int(bytes(data[self._at : stop]).partition(b";")[0], 16)
            except ValueError:
                return len(data)
            if size < 0:
                return len(data)
            self._in_trailer = size == 0
            self._at = stop if size == 0 else stop + 2 + size + 2
        # The last chunk's line ends with the CRLF at `_at`; an empty line ends the trailer.
        end = data.find(_END, self._at)
        if end >= 0:
            return end + len(_END)
        return len(data) if len(data) - self._at > 10 * _LONGEST_SIZE_LINE else None
