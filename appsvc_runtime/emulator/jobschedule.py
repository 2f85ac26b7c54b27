"""When a triggered WebJob is due: cron expressions of six fields, seconds first, as Kudu's are.

Text and times in, times out. Kudu has NCrontab do it, in which a day must fit both the day of the
month and the day of the week, and which knows neither `7` for Sunday nor `L`, `W`, `#`, `@daily`.
Which times fit is croniter's to find.
Sources: Kudu.Core/Jobs/Schedule.cs; NCrontab's documentation of crontab expressions.
"""

from __future__ import annotations

import re
from datetime import datetime

from croniter import croniter  # type: ignore[import-untyped,unused-ignore]

from ..findings import Finding

__all__ = ["Schedule", "read_schedule"]

_FIELDS = ("second", "minute", "hour", "day", "month", "day of the week")
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAYS = "sun|mon|tue|wed|thu|fri|sat"
_LIMITS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES = {4: _MONTHS, 5: _DAYS}
_HINT = "Write it as {second} {minute} {hour} {day} {month} {day of the week}: 0 */15 * * * *."
_LONGEST = 400


class Schedule:
    """A schedule that can be followed; `text` is its expression."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Schedule({self.text!r})"

    def next_after(self, moment: datetime) -> datetime | None:
        """Give the first time later than `moment`, None where there is none, as on 30 February."""
        try:
            times = croniter(self.text, moment, second_at_beginning=True, day_or=False)
            found: datetime = times.get_next(datetime)
        except (ValueError, OverflowError):
            return None
        return found


def read_schedule(text: str, where: str) -> tuple[Schedule | None, tuple[Finding, ...]]:
    """Read an expression; findings, with the code `schedule`, name `where`, as a file.

    None where Kudu could not read it either: the job then runs only when it is triggered.
    """
    problem = _problem(text)
    if problem:
        return None, (Finding("schedule", "error", where, f"The schedule {problem}.", _HINT),)
    schedule = Schedule(" ".join(text.lower().split()))
    if schedule.next_after(datetime(2000, 1, 1)) is None:
        message = "The schedule has no time that ever comes."
        return None, (Finding("schedule", "error", where, message, _HINT),)
    return schedule, ()


def _problem(text: str) -> str:
    """Say what is wrong with an expression, "" for nothing."""
    fields = text.split()
    if len(text) > _LONGEST:
        return f"is longer than {_LONGEST} characters"
    if len(fields) != len(_FIELDS):
        return f"{text[:60]!r} has {len(fields)} fields, not {len(_FIELDS)}"
    for number, field in enumerate(fields):
        for part in field.split(","):
            if not _fits(part.lower(), number):
                return f"{text[:60]!r} has {part[:20]!r} for the {_FIELDS[number]}"
    return ""


def _fits(part: str, number: int) -> bool:
    """Say whether a part between commas is one that NCrontab takes for a field."""
    value = rf"(?:[0-9]{{1,3}}|{_NAMES[number]})" if number in _NAMES else "[0-9]{1,3}"
    found = re.fullmatch(rf"(?:\*|({value})(?:-({value}))?)(?:/([0-9]{{1,3}}))?", part)
    if found is None:
        return False
    least, most = _LIMITS[number]
    names = _NAMES.get(number, "").split("|")
    ends = [
        int(end) if end.isdigit() else names.index(end) + least
        for end in (found[1], found[2])
        if end
    ]
    in_order = ends == sorted(ends) and all(least <= end <= most for end in ends)
    return in_order and (found[3] is None or 1 <= int(found[3]) <= most)
