"""Which headers of a message end at each hop, and how the next hop is told the body's length.

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
# Naming these in Connection would be an attack.
_NEVER_DROPPED = frozenset({"host", "content-length"})
# The front end has responded to Expect when it began to read the body; the length is set anew.
_NOT_SENT = _HOP_BY_HOP | {"expect", "content-length"}
# aiohttp takes some of these, another in each version.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def forwarded_headers(request: Request) -> CIMultiDict[str]:
    """Return the headers to send: those of the request without the hop's, with the body's length.

    Raises ValueError for a request whose head would not be one head.
    """
    headers = CIMultiDict(end_to_end(request.headers, _NOT_SENT))
    for text in (request.method, request.target, *headers, *headers.values()):
        if _FORBIDDEN.search(text):
            raise ValueError("A control character in the head of a request.")
    if request.length or (request.length == 0 and "Content-Length" in request.headers):
        headers["Content-Length"] = str(request.length)
    return headers


def end_to_end(
    headers: MultiMapping[str], dropped: frozenset[str] = _HOP_BY_HOP
) -> list[tuple[str, str]]:
    """Return the headers that do not end at this hop, in their order.

    `dropped` are the names, in lower case, of those that do whatever Connection says.
    """
    if "Connection" in headers:
        text = ",".join(headers.getall("Connection")).lower()
        if text not in _NAMES_NOTHING:
            named = {word.strip() for word in text.split(",")}
            dropped = dropped | (named - _NEVER_DROPPED)
    return [(name, value) for name, value in headers.items() if name.lower() not in dropped]
