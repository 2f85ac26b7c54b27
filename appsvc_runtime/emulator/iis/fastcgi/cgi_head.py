"""The lines before a CGI answer's body: status and headers, read as they come, within bounds.

Pure. Must not know how the bytes came here. What is not fit to be sent on to a browser is refused
rather than mended: a line break or a control character within a header would become another header.
Rules from RFC 3875, 6.2 and 6.3, and RFC 9110, 5.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ....errors import AppServiceError

__all__ = ["MAX_HEAD", "CgiHeadError", "Head", "HeadParser"]

MAX_HEAD = 64 * 1024

# A line without its end. A control character, or a return that ends no line, would break a head up.
_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\x00-\x08\x0a-\x1f\x7f]*)\r?")
_END = re.compile(rb"\n\r?\n")
_STATUS = re.compile(r"([2-9][0-9]{2})(?:[ \t]+(.*))?")


class CgiHeadError(AppServiceError):
    """The answer does not begin as a CGI answer does; says how."""


class Head(NamedTuple):
    """Status, its reason (empty where none was given), and the headers as they came, in order."""

    status: int
    reason: str
    headers: list[tuple[str, str]]


class HeadParser:
    """Collects an answer up to the blank line."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: bytes | bytearray = b""

    def feed(self, data: bytes) -> tuple[Head, bytes] | None:
        """Give the head with what follows it, or None while it is not whole.

        Raises CgiHeadError for what is no head, and for one of more than 64 KiB.
        """
        held = self._held
        searched = max(len(held) - 2, 0)  # the end may have begun there
        block = held + data if held else data
        found = _END.search(block, searched)
        if (found.end() if found else len(block)) > MAX_HEAD:
            raise CgiHeadError(f"The answer's headers are longer than {MAX_HEAD} bytes.")
        if block.startswith((b"\n", b"\r\n")):
            raise CgiHeadError("The answer begins with a blank line instead of headers.")
        if found is None:
            if held:
                held += data
            else:
                self._held = bytearray(data)
            return None
        self._held = b""
        return _read(block[: found.start() + 1]), bytes(block[found.end() :])

    def finish(self) -> Head:
        """Give the head of an answer that ended without a blank line.

        wfastcgi's own 500 is a Status line and nothing else. Raises CgiHeadError for what is no
        head, and for an answer without a byte.
        """
        held, self._held = self._held, b""
        if not held:
            raise CgiHeadError("The answer is empty: it has no status and no headers.")
        return _read(held if held.endswith(b"\n") else held + b"\n")


def _read(block: bytes | bytearray) -> Head:
    """Read lines, each with its line break.

    Bytes that are no UTF-8 become surrogates, which the front end turns back into what they were.
    """
    status = None
    reason = ""
    headers = []
    location = False
    for line in block.decode("utf-8", "surrogateescape")[:-1].split("\n"):
        lower, header = _known_line(line) if len(line) < 256 else _line(line)
        if lower == "status":
            if status is not None:
                raise CgiHeadError("The answer has two lines with a status.")
            status, reason = _status(header[1])
        else:
            location = location or lower == "location"
            headers.append(header)
    if status is None:
        status = 302 if location else 200  # RFC 3875, 6.2.3 and 6.3.3
    return Head(status, reason, headers)


def _line(line: str) -> tuple[str, tuple[str, str]]:
    """Give a header's name in lower case, and the header as it came."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise CgiHeadError(f"The answer has a line that is no header: {line[:80]!r}.")
    name, value = match.groups()
    return name.lower(), (name, value.strip(" \t"))


# The same lines come again and again.
_known_line = lru_cache(1024)(_line)


@lru_cache(64)
def _status(value: str) -> tuple[int, str]:
    match = _STATUS.fullmatch(value)
    if match is None:
        raise CgiHeadError(f"The answer's status {value[:80]!r} cannot be used.")
    return int(match[1]), match[2] or ""
