"""The head of a response, as bytes: the app's headers, with Server and Date as IIS sets them.

Pure, except that it reads the clock. Must not know of connections. Text stands for bytes as aiohttp
decodes them: UTF-8, with surrogate escapes for bytes that are not UTF-8.
"""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from http import HTTPStatus

from ..http.messages import Answer

__all__ = ["make_head", "own_length"]

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
# The front end sets the headers for framing and the connection; http.sys replaces the app's Date.
_OWN = frozenset(
    "connection keep-alive proxy-connection te trailer transfer-encoding upgrade "
    "content-length date".split()
)
_SERVER = "Microsoft-IIS/10.0"
_LINE = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n"
_ONE_LINE = re.compile(_LINE)
_LINES = re.compile(rf"(?:{_LINE})*")
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)


_second = 0
_date = ""


def _now() -> str:
    """Return the value of Date, formatted once a second."""
    global _second, _date  # a cache, shared by all connections
    second = int(time.time())
    if second != _second:
        _second, _date = second, formatdate(second, usegmt=True)
    return _date


def make_head(answer: Answer, framing: str, connection: str) -> tuple[bytes, str]:
    """Return the head of a response and the name of a header that had to be left out, or "".

    An invalid header (a line break in its value, a blank in its name) is left out; the client still
    gets the others.
    """
    lines = [
        f"{name}: {value}\r\n" for name, value in answer.headers.items() if name.lower() not in _OWN
    ]
    dropped = ""
    text = "".join(lines)
    try:
        if _LINES.fullmatch(text) is None or text.count("\n") != len(lines):
            raise ValueError
        encoded = text.encode("utf-8", "surrogateescape")
    except ValueError:  # UnicodeEncodeError is a ValueError too
        encoded = b""
        for line in lines:
            if _ONE_LINE.fullmatch(line) and not _unencodable(line):
                encoded += line.encode("utf-8", "surrogateescape")
            else:
                dropped = line.partition(":")[0] or "without a name"
    reason = answer.reason or _PHRASES.get(answer.status, "")
    if not reason.isprintable() or not reason.isascii():
        reason = _PHRASES.get(answer.status, "")
    server = "" if "Server" in answer.headers else f"Server: {_SERVER}\r\n"
    start = f"HTTP/1.1 {answer.status} {reason}\r\n{framing}"
    end = f"{server}Date: {_now()}\r\n{connection}\r\n"
    return b"".join((start.encode(), encoded, end.encode())), dropped


def _unencodable(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return True
    return False


def own_length(answer: Answer) -> int | None:
    """Return the Content-Length of a response; None if it is missing or cannot be used."""
    found = set(answer.headers.getall("Content-Length", ()))
    if len(found) != 1:
        return None
    text = found.pop()
    return int(text) if _LENGTH.fullmatch(text) else None
