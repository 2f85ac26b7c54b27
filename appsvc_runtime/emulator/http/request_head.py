"""The head of a request to a server, as bytes; which headers end at a hop.

Pure. Must not know of connections. Text stands for bytes as aiohttp reads them: UTF-8, with
surrogates for what is none, which go out as the bytes that they were.
Source: RFC 9110, 7.6.1 (fields that end at each hop), 8.6 (when a length is said).
"""

from __future__ import annotations

from multidict import MultiMapping

from .messages import Request

__all__ = ["end_to_end", "make_request_head"]

_HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
_NAMES_NOTHING = ("close", "keep-alive")
# Naming these would be an attack.
_NEVER_DROPPED = frozenset({"host", "content-length"})
# The front end has answered Expect when it began to read the body; the length is said below.
_NOT_SENT = _HOP_BY_HOP | {"expect", "content-length"}
# Methods for which a request without a body need not say so.
_BODILESS = frozenset("GET HEAD OPTIONS TRACE".split())


def make_request_head(request: Request) -> bytes:
    """Give the first line and the headers, as they are but for those of the hop and the framing.

    ValueError for what would not be one head.
    """
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in end_to_end(request.headers, _NOT_SENT)]
    if request.length is None:
        lines.append("Transfer-Encoding: chunked")
    elif request.length or request.method not in _BODILESS or "Content-Length" in request.headers:
        lines.append(f"Content-Length: {request.length}")
    text = "\r\n".join(lines)
    if text.count("\n") + text.count("\r") != 2 * (len(lines) - 1) or "\0" in text:
        raise ValueError("A line break or a null in the head of a request.")
    return f"{text}\r\n\r\n".encode("utf-8", "surrogateescape")


def end_to_end(
    headers: MultiMapping[str], dropped: frozenset[str] = _HOP_BY_HOP
) -> list[tuple[str, str]]:
    """Give the headers that do not end at this hop, in their order.

    `dropped` are the names, in small letters, of those that do whatever Connection says.
    """
    if "Connection" in headers:
        text = ",".join(headers.getall("Connection")).lower()
        if text not in _NAMES_NOTHING:
            named = {word.strip() for word in text.split(",")}
            dropped = dropped | (named - _NEVER_DROPPED)
    return [(name, value) for name, value in headers.items() if name.lower() not in dropped]
