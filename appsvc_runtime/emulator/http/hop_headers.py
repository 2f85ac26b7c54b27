"""Removes the headers that end at each hop, and sets the body's length for the next hop.

Pure. Source: RFC 9110, 7.6.1 (fields that end at each hop), 8.6 (when a length is sent).
"""

from __future__ import annotations

import re

from multidict import CIMultiDict, MultiMapping

from .messages import Request

__all__ = ["end_to_end", "forwarded_headers"]

_HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
_NAMES_NOTHING = ("close", "keep-alive")
# Only an attacker would name these in Connection.
_NEVER_DROPPED = frozenset({"host", "content-length"})
# The front end itself handles Expect when it reads the body; the length is set again below.
_NOT_SENT = _HOP_BY_HOP | {"expect", "content-length"}
# aiohttp lets some of these pass; which ones depends on its version.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def forwarded_headers(request: Request) -> CIMultiDict[str]:
    """Return the headers to send: the request's end-to-end headers, and the body's length.

    Raises ValueError if method, target or headers hold a control character, which could split the
    head.
    """
    headers = CIMultiDict(end_to_end(request.headers, _NOT_SENT))
    for text in (request.method, request.target, *headers, *headers.values()):
        if _FORBIDDEN.search(text):
            raise ValueError("The head of a request holds a control character.")
    if request.length or (request.length == 0 and "Content-Length" in request.headers):
        headers["Content-Length"] = str(request.length)
    return headers


def end_to_end(
    headers: MultiMapping[str], dropped: frozenset[str] = _HOP_BY_HOP
) -> list[tuple[str, str]]:
    """Return the headers that do not end at this hop, in their order.

    `dropped` are the names, in lower case, of headers that end here even if Connection does not
    name them.
    """
    if "Connection" in headers:
        text = ",".join(headers.getall("Connection")).lower()
        if text not in _NAMES_NOTHING:
            named = {word.strip() for word in text.split(",")}
            dropped = dropped | (named - _NEVER_DROPPED)
    return [(name, value) for name, value in headers.items() if name.lower() not in dropped]
