"""Evaluates conditional and range requests: whether to send a file, and which parts of it.

Pure: takes headers and the file's data and returns a status and ranges. Must not know of files.
Source: RFC 9110, 13.2.2 for the order of the conditions and 14 for ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ..http.header_values import read_date, read_ranges, read_tags

if TYPE_CHECKING:
    from ..http.messages import Request

__all__ = ["Selection", "select"]

# More ranges than any client needs; a request with more gets the whole file.
MAX_RANGES = 64


@dataclass(frozen=True)
class Selection:
    """The status (200, 206, 304, 412 or 416) and for 206 the ranges, as (start, exclusive end).

    Ranges are in the order of the request; none is empty, and no two overlap.
    """

    status: int
    ranges: tuple[tuple[int, int], ...] = ()


def select(request: Request, etag: str, modified: datetime, size: int) -> Selection:
    """Evaluate a GET or HEAD by the file's entity tag, modification time (whole seconds) and size.

    A header that cannot be parsed is ignored.
    """
    tag = etag.strip('"')
    if _is_another(request, tag, modified):
        return Selection(412)
    if _is_known(request, tag, modified):
        return Selection(304)
    if request.method != "GET" or not _is_range_valid(request, tag, modified):
        return Selection(200)
    return _select_ranges(_header(request, "Range"), size)


def _is_another(request: Request, tag: str, modified: datetime) -> bool:
    """Return whether the client requires a state of the file that it does not have (412)."""
    if_match = _header(request, "If-Match")
    if if_match is not None:
        return not read_tags(if_match).match_strongly(tag)
    since = read_date(_header(request, "If-Unmodified-Since"))
    return since is not None and modified > since


def _is_known(request: Request, tag: str, modified: datetime) -> bool:
    """Return whether the client has the current state of the file (304)."""
    if_none_match = _header(request, "If-None-Match")
    if if_none_match is not None:
        return read_tags(if_none_match).match_weakly(tag)
    since = read_date(_header(request, "If-Modified-Since"))
    return since is not None and modified <= since


def _is_range_valid(request: Request, tag: str, modified: datetime) -> bool:
    """Return whether If-Range, if present, has the exact tag or time, so that ranges apply."""
    if_range = _header(request, "If-Range")
    if if_range is None:
        return True
    date = read_date(if_range)
    if date is not None:
        return date == modified
    return read_tags(if_range).tags == [(tag, False)]


def _select_ranges(header: str | None, size: int) -> Selection:
    asked = read_ranges(header)
    if asked is None or len(asked) > MAX_RANGES:
        return Selection(200)
    ranges: list[tuple[int, int]] = []
    for start, stop in asked:
        if start < 0:  # a suffix range: the last bytes
            start, stop = max(size + start, 0), size
        stop = size if stop is None else min(stop, size)
        if start < stop and (not ranges or start >= ranges[-1][1]):
            ranges.append((start, stop))
    return Selection(206, tuple(ranges)) if ranges else Selection(416)


def _header(request: Request, name: str) -> str | None:
    """Return all lines of a header joined, or None if it is missing."""
    values = request.headers.getall(name, [])
    return ", ".join(values) if values else None
