"""Values of HTTP headers as data: dates, entity tags, byte ranges, accepted media types.

Pure: text in, values out; a malformed value is None or left out, never an error. Must not know
which header is read, nor why. Source: RFC 9110, 5.6.7 (dates), 8.8.3 (entity tags), 12.5.1
(Accept), 14.1.2 and 14.2 (ranges). werkzeug can parse these too, but the app chooses its release.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import formatdate, parsedate_to_datetime

__all__ = ["EntityTags", "format_date", "read_accept", "read_date", "read_ranges", "read_tags"]

_TAG = re.compile(r'(?P<weak>[Ww]/)?(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s",]+))', re.ASCII)
# Python refuses to read numbers of some thousands of digits.
_RANGE = re.compile(r"(?P<first>[0-9]{1,999})-(?P<last>[0-9]{1,999})?|-(?P<suffix>[0-9]{1,999})")
_BLANKS = " \t"

# Pairs of first byte and end; the end is exclusive, or None for the end of the resource.
# (-n, None) stands for the last n bytes.
Ranges = list[tuple[int, "int | None"]]


class EntityTags:
    """The entity tags of a condition: `*`, or a list of strong and weak tags, without quotes."""

    def __init__(self, tags: list[tuple[str, bool]], *, star: bool = False) -> None:
        self.tags = tags
        self.star = star

    def match_strongly(self, tag: str) -> bool:
        """Return whether the strong tag `tag` is listed; a weak tag never matches it."""
        return self.star or (tag, False) in self.tags

    def match_weakly(self, tag: str) -> bool:
        """Return whether `tag` is listed, as a weak or a strong tag."""
        return self.star or any(known == tag for known, _ in self.tags)


def read_tags(text: str) -> EntityTags:
    """Return the entity tags of a list; a tag without quotes, though invalid, counts as well."""
    if text.strip(_BLANKS) == "*":
        return EntityTags([], star=True)
    found = [
        (match["plain"] if match["quoted"] is None else match["quoted"], bool(match["weak"]))
        for match in _TAG.finditer(text)
    ]
    return EntityTags(found)


def read_date(text: str | None) -> datetime | None:
    """Return the time of a date in any of HTTP's three formats, None for any other text."""
    if text is None:
        return None
    try:
        time = parsedate_to_datetime(text)
        return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def format_date(time: datetime) -> str:
    """Return a time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`."""
    return formatdate(time.timestamp(), usegmt=True)


def read_ranges(text: str | None) -> Ranges | None:
    """Return the byte ranges of a Range header, in their order; None if the header is ignored.

    It is ignored as a whole if it has another unit, a range that ends before it starts, or ranges
    that do not ascend.
    """
    unit, sign, rest = (text or "").partition("=")
    if not sign or unit.strip(_BLANKS).lower() != "bytes":
        return None
    ranges: Ranges = []
    behind: int | None = 0  # None after a range without an end: no range can follow
    for part in rest.split(","):
        found = _RANGE.fullmatch(part.strip(_BLANKS))
        if found is None or behind is None:
            return None
        if found["suffix"] is not None:
            start, stop = -int(found["suffix"]), None
            if not start:
                return None
        else:
            start = int(found["first"])
            stop = int(found["last"]) + 1 if found["last"] is not None else None
            if start < behind or (stop is not None and stop <= start):
                return None
        ranges.append((start, stop))
        behind = stop
    return ranges


def read_accept(text: str) -> list[tuple[str, float]]:
    """Return the media ranges of an Accept header, in lower case, each with its weight.

    A media range with a malformed weight is left out.
    """
    ranges = []
    for part in text.split(","):
        kind, *parameters = (piece.strip(_BLANKS) for piece in part.split(";"))
        weight = "1"
        for name, _, value in (parameter.partition("=") for parameter in parameters):
            if name.strip(_BLANKS).lower() == "q":
                weight = value.strip(_BLANKS)
        if kind and re.fullmatch(r"[01](\.[0-9]{0,3})?", weight, re.ASCII):
            ranges.append((kind.lower(), min(float(weight), 1.0)))
    return ranges
