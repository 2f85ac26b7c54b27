"""The status and headers before the body of a CGI response, parsed as they arrive, within bounds.

Pure. Must not know how the bytes are received. Lines that must not be sent on to a browser are
refused, not repaired: a line break or a control character within a header would start another
header. Rules from RFC 3875, 6.2 and 6.3, and RFC 9110, 5.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ....errors import AppServiceError

__all__ = ["MAX_HEAD", "CgiHeadError", "Head", "HeadParser"]

MAX_HEAD = 64 * 1024

# A line without its line feed. Control characters and stray carriage returns would split the head.
_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\x00-\x08\x0a-\x1f\x7f]*)\r?")
_END = re.compile(rb"\n\r?\n")
_STATUS = re.compile(r"([2-9][0-9]{2})(?:[ \t]+(.*))?")


class CgiHeadError(AppServiceError):
    """The beginning of the response is not a valid CGI response; the message says why."""


class Head(NamedTuple):
    """Status, reason (empty if none was given), and the headers as received, in order."""

    status: int
    reason: str
    headers: list[tuple[str, str]]


class HeadParser:
    """Collects the bytes of a response up to the blank line."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: bytes | bytearray = b""

    def feed(self, data: bytes) -> tuple[Head, bytes] | None:
        """Return the head and the bytes that follow it, or None while the head is incomplete.

        Raises CgiHeadError if it is not a valid head, or longer than 64 KiB.
        """
        held = self._held
        searched = max(len(held) - 2, 0)  # the blank line may begin in the bytes held so far
        block = held + data if held else data
        found = _END.search(block, searched)
        if (found.end() if found else len(block)) > MAX_HEAD:
            raise CgiHeadError(f"The response's headers are longer than {MAX_HEAD} bytes.")
        if block.startswith((b"\n", b"\r\n")):
            raise CgiHeadError("The response begins with a blank line instead of headers.")
        if found is None:
            if held:
                held += data
            else:
                self._held = bytearray(data)
            return None
        self._held = b""
        return _read(block[: found.start() + 1]), bytes(block[found.end() :])

    def finish(self) -> Head:
        """Return the head of a response that ended without a blank line.

        wfastcgi's own 500 is a Status line and nothing else. Raises CgiHeadError if it is not a
        valid head, or if the response is empty.
        """
        held, self._held = self._held, b""
        if not held:
            raise CgiHeadError("The response is empty: it has no status and no headers.")
        return _read(held if held.endswith(b"\n") else held + b"\n")


def _read(block: bytes | bytearray) -> Head:
    """Parse lines, each with its line break.

    Bytes that are not UTF-8 become surrogates, which the front end turns back into the same bytes.
    """
    status = None
    reason = ""
    headers = []
    location = False
    for line in block.decode("utf-8", "surrogateescape")[:-1].split("\n"):
        lower, header = _known_line(line) if len(line) < 256 else _line(line)
        if lower == "status":
            if status is not None:
                raise CgiHeadError("The response has two lines with a status.")
            status, reason = _status(header[1])
        else:
            location = location or lower == "location"
            headers.append(header)
    if status is None:
        status = 302 if location else 200  # RFC 3875, 6.2.3 and 6.3.3
    return Head(status, reason, headers)


def _line(line: str) -> tuple[str, tuple[str, str]]:
    """Return a header's name in lower case, and the header as received."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise CgiHeadError(f"The response has a line that is not a header: {line[:80]!r}.")
    name, value = match.groups()
    return name.lower(), (name, value.strip(" \t"))


# Most responses have the same few lines.
_known_line = lru_cache(1024)(_line)


@lru_cache(64)
def _status(value: str) -> tuple[int, str]:
    match = _STATUS.fullmatch(value)
    if match is None:
        raise CgiHeadError(f"The response's status {value[:80]!r} cannot be used.")
    return int(match[1]), match[2] or ""
