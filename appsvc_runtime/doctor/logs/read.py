"""Find the known shapes in a log: its causes first, each with the line that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...redaction.masking import mask_command
from . import build, imports, requests, start
from .shape import Shape

__all__ = ["SHAPES", "Seen", "read_log"]

SHAPES: tuple[Shape, ...] = (*imports.SHAPES, *start.SHAPES, *requests.SHAPES, *build.SHAPES)
# What a terminal, Docker, Kudu and gunicorn put before a line's own text.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# A time, as Docker and the log stream put it before each line.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.,]{5,24}(?:Z|[+-]\d\d:?\d\d)?\s")
# A request's line names what the client asked for; only of these statuses it may show a cause.
_REQUEST = re.compile(r'"[A-Z]{3,9} \S{1,2000} HTTP/[\d.]{1,3}" (?!499|502|504)\d{3}\b')
# The name that is missing; for the mask, such a line is one of a name and its secret.
_MISSING = re.compile(r"\bKeyError: '[A-Z][A-Z0-9_]{0,99}'$")
# A line that is longer is data.
_MAX_LINE = 4_000
_SHOWN = 300


@dataclass(frozen=True)
class Seen:
    """A shape that was seen: its texts, the first line that shows it, its number, how often."""

    shape: Shape
    cause: str
    fix: str
    line: str
    number: int
    count: int = 1


def read_log(lines: Iterable[str]) -> list[Seen]:
    """Return what was seen: causes before lines that only follow from them, in the log's order.

    A line counts for the first shape that it has; of two equal causes the first line is kept.
    """
    found: dict[tuple[str, str], Seen] = {}
    for number, raw in enumerate(lines, 1):
        line = _CONTROL.sub("", raw[:_MAX_LINE]).rstrip()
        if _REQUEST.search(line):
            continue
        said = _TIME.sub("", line, count=1) if _TIME.match(line) else line
        for one in SHAPES:
            match = one.pattern.search(said)
            if match is None:
                continue
            cause = one.filled(one.cause, match).strip()
            key = (one.name, cause)
            old = found.get(key)
            if old is None:
                shown = _shown(line.strip())[:_SHOWN]
                fix = one.filled(one.fix, match)
                found[key] = Seen(one, cause, fix, shown, number)
            else:
                found[key] = Seen(one, cause, old.fix, old.line, old.number, old.count + 1)
            break
    return sorted(found.values(), key=lambda seen: (not seen.shape.is_cause, seen.number))


def _shown(line: str) -> str:
    """Return a line without its secrets."""
    found = _MISSING.search(line)
    end = found.start() if found else len(line)
    return mask_command(line[:end]) + line[end:]
