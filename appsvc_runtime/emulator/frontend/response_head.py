"""The head of an answer, as bytes: what the app has sent, Server and Date as IIS sets them.

Pure but for the clock. Must not know of connections. Text stands for bytes as aiohttp reads them:
UTF-8, with surrogates for what is none.
"""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from http import HTTPStatus

from ..http.messages import Answer

__all__ = ["make_head", "own_length"]

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
# Framing and the connection are the front end's; http.sys sets Date over any other.
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
    """Give the value of Date, made once a second."""
    global _second, _date  # a cache, the same for everybody
    second = int(time.time())
    if second != _second:
        _second, _date = second, formatdate(second, usegmt=True)
    return _date


def make_head(answer: Answer, framing: str, connection: str) -> tuple[bytes, str]:
    """Give the head of an answer and the name of a header that had to be left out, or "".

    A header that could not stand in a head (a line break in its value, a blank in its name) is left
    out, as the others are what the visitor is waiting for.
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
    except ValueError:  # UnicodeEncodeError is one
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
    """Give the length that an answer says of itself; None where it says none that can be used."""
    found = set(answer.headers.getall("Content-Length", ()))
    if len(found) != 1:
        return None
    text = found.pop()
    return int(text) if _LENGTH.fullmatch(text) else None
