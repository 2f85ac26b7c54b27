"""The output of a child: split into lines, the last of them kept, with a copy to a file.

Takes bytes, returns lines; memory is bounded, however much there is. Must not know of processes,
pipes or event loops.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from ...system import files
from ...system.output_text import decode_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["ChildOutput"]

MAX_LINE = 4096  # bytes; a longer line is shown in pieces
TAIL_LINES = 64
TAIL_CHARACTERS = 8192


class ChildOutput:
    """The two output streams of one child.

    `line` is called with each line as text (`decode_output`), without its end. An incomplete line
    is held back until its end comes, or the stream ends.
    """

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._unfinished: dict[int, bytes] = {}
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._copies: dict[int, tuple[str, int]] = {}
        self._listener: Callable[[int, str], None] | None = None

    def listen(self, listener: Callable[[int, str], None]) -> None:
        """Also pass each line to a listener, with the number of its stream."""
        self._listener = listener

    def copy_to(self, path: str, streams: Iterable[int] = (1, 2), *, follow: bool = True) -> None:
        """Append further output to a file, byte by byte; report once if that fails.

        `streams` are the numbers of the streams to copy. Without `follow`, a link at `path` is
        refused: for a name that no user has chosen.
        """
        for stream in streams:
            try:
                self._copies[stream] = path, files.open_append(path, follow=follow)
            except (OSError, ValueError) as error:
                self._say_why(path, error)
                return

    def add(self, stream: int, data: bytes) -> None:
        """Process a chunk of bytes from the stream with this number."""
        if stream in self._copies:
            path, descriptor = self._copies[stream]
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
            except OSError as error:
                self._stop_copying(path)
                self._say_why(path, error)
        *lines, rest = (self._unfinished.get(stream, b"") + data).split(b"\n")
        for line in lines:
            self._say(stream, line)
        while len(rest) > MAX_LINE:
            at = _whole_characters(rest)
            self._say(stream, rest[:at])
            rest = rest[at:]
        self._unfinished[stream] = rest

    def end(self, stream: int | None = None) -> None:
        """Report the incomplete line of one stream, or of all; after all, accept no more output."""
        for number in list(self._unfinished) if stream is None else [stream]:
            rest = self._unfinished.pop(number, b"")
            if rest:
                self._say(number, rest)
        if stream is None:
            for path, _ in list(self._copies.values()):
                self._stop_copying(path)

    def tail(self) -> str:
        """Return the last lines of both streams, in the order in which they came."""
        unfinished = [_text(rest) for rest in self._unfinished.values() if rest]
        return "\n".join([*self._tail, *unfinished])[-TAIL_CHARACTERS:]

    def _say(self, stream: int, line: bytes) -> None:
        while True:
            at = _whole_characters(line) if len(line) > MAX_LINE else len(line)
            text = _text(line[:at])
            self._tail.append(text)
            self._line(text)
            if self._listener is not None:
                self._listener(stream, text)
            line = line[at:]
            if not line:
                return

    def _stop_copying(self, path: str) -> None:
        for stream, (copied, descriptor) in list(self._copies.items()):
            if copied == path:
                os.close(descriptor)
                del self._copies[stream]

    def _say_why(self, path: str, error: OSError | ValueError) -> None:
        reason = getattr(error, "strerror", None) or error
        self._line(f"(The log file {path} cannot be written: {reason}.)")


def _whole_characters(line: bytes) -> int:
    """Return where to cut a line that is too long: not inside a UTF-8 character."""
    for back in range(4):
        if line[MAX_LINE - back] & 0xC0 != 0x80:  # not a continuation byte
            return MAX_LINE - back
    return MAX_LINE


def _text(line: bytes) -> str:
    return decode_output(line.rstrip(b"\r"))
