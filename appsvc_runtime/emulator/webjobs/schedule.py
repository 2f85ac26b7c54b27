"""When a triggered WebJob is due: Kudu's cron expressions of six fields, seconds first.

Takes text and times, returns times. Kudu uses NCrontab, in which a day must match both the day of
the month and the day of the week. NCrontab accepts any beginning of a name, reverses a range that
runs backwards, and supports neither `7` for Sunday nor `L`, `W`, `#`, `@daily`. Sources:
Kudu.Core/Jobs/Schedule.cs; NCrontab's CrontabField.cs and CrontabFieldImpl.cs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time

from ...findings import Finding

__all__ = ["Schedule", "read_schedule"]

_FIELDS = ("second", "minute", "hour", "day", "month", "day of the week")
_LIMITS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES = {
    4: "january february march april may june july august september october november december",
    5: "sunday monday tuesday wednesday thursday friday saturday",
}
_PART = re.compile(r"(?:\*|([0-9a-z]{1,9})(?:-([0-9a-z]{1,9}))?)(?:/([0-9]{1,9}))?")
_HINT = "Write it as {second} {minute} {hour} {day} {month} {day of the week}: 0 */15 * * * *."
# What other programs read as a schedule, and Kudu does not.
_MACROS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_LONGEST = 400
# A 29 February on a given day of the week comes after 40 years at the latest.
_YEARS = 41


class Schedule:
    """A valid schedule; `text` is its expression, `fields` the values that match."""

    def __init__(self, text: str, fields: list[set[int]]) -> None:
        self.text = text
        self._fields = tuple(tuple(sorted(values)) for values in fields)

    def __repr__(self) -> str:
        return f"Schedule({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and other._fields == self._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first time later than `moment`, or None if none comes, as for 30 February."""
        zone, now = moment.tzinfo, moment.replace(tzinfo=None)
        for day in self._days(now.date()):
            earliest = now if day == now.date() else datetime.combine(day, time())
            for fitting in self._times(day, earliest.hour):
                if fitting > earliest or (fitting == earliest and day > now.date()):
                    return fitting.replace(tzinfo=zone)
        return None

    def _days(self, first: date) -> Iterator[date]:
        """Yield the days that match, from `first` on."""
        _, _, _, days, months, weekdays = self._fields
        for year in range(first.year, min(first.year + _YEARS, date.max.year + 1)):
            for month in months:
                for number in days:
                    try:
                        day = date(year, month, number)
                    except ValueError:  # a month without that day
                        break
                    if day >= first and day.isoweekday() % 7 in weekdays:
                        yield day

    def _times(self, day: date, from_hour: int) -> Iterator[datetime]:
        """Yield the times of a day that match, from an hour on."""
        seconds, minutes, hours, *_ = self._fields
        for hour in (one for one in hours if one >= from_hour):
            for minute in minutes:
                for second in seconds:
                    yield datetime.combine(day, time(hour, minute, second))


def read_schedule(text: str, where: str) -> tuple[Schedule | None, tuple[Finding, ...]]:
    """Parse an expression; findings, with the code `schedule`, name the file `where`.

    Return None if Kudu could not parse it either: the job then runs only when it is triggered.
    """
    fields, problem = _read(text)
    if problem:
        meant = _meant(text)
        hint = f'Write "schedule": "{meant}".' if meant else _HINT
        return None, (Finding("schedule", "error", where, f"The schedule {problem}.", hint),)
    schedule = Schedule(" ".join(text.split()), fields)
    if schedule.next_after(datetime(2000, 1, 1)) is None:
        message = "The schedule never comes due."
        return None, (Finding("schedule", "error", where, message, _HINT),)
    return schedule, ()


def _read(text: str) -> tuple[list[set[int]], str]:
    """Return the values that match each field, and what is wrong with the text, or ""."""
    words = [word for word in text.split(" ") if word]  # not at tabs, as NCrontab
    if len(text) > _LONGEST:
        return [], f"is longer than {_LONGEST} characters"
    if len(words) != len(_FIELDS):
        count = f"{len(words)} field{'' if len(words) == 1 else 's'}, not {len(_FIELDS)}"
        return [], f"{text[:60]!r} has {count} (seconds come first)"
    fields = []
    for number, word in enumerate(words):
        values: set[int] = set()
        for part in word.split(","):
            found = _values(part.lower(), number)
            if not found:
                return [], f"{text[:60]!r} has {part[:20]!r} for the {_FIELDS[number]}"
            values |= found
        fields.append(values)
    return fields, ""


def _meant(text: str) -> str:
    """Return the six fields for an expression as cron has it, or "" if it is none of cron's."""
    words = text.split()
    if len(words) == 1:
        return _MACROS.get(words[0].lower(), "")
    if len(words) == len(_FIELDS) - 1:
        words.insert(0, "0")
    if len(words) == len(_FIELDS):
        words[3:] = ["*" if word == "?" else word for word in words[3:]]
        if re.fullmatch("0?7", words[5]):
            words[5] = "0"  # Sunday
    meant = " ".join(words)
    return "" if _read(meant)[1] else meant


def _values(part: str, number: int) -> set[int]:
    """Return the values of a part between commas, or none if NCrontab refuses it."""
    found = _PART.fullmatch(part) if part.isascii() else None
    if found is None:
        return set()
    ends = _ends(found, number)
    step = int(found[3] or 1) or 1
    return set(range(ends[0], ends[1] + 1, step)) if ends is not None else set()


def _ends(found: re.Match[str], number: int) -> tuple[int, int] | None:
    """Return the first and the last value of a part, or None for an unknown name."""
    least, most = _LIMITS[number]
    if found[1] is None:
        return least, most
    ends = [_value(end, number) for end in (found[1], found[2]) if end is not None]
    known = [end for end in ends if end is not None]
    if len(known) < len(ends):
        return None
    has_step = found[3] is not None and int(found[3]) != 1
    # A single value with a step starts a range to the end.
    return min(known), most if found[2] is None and has_step else max(known)


def _value(text: str, number: int) -> int | None:
    """Parse a number or the beginning of a name; return None for an invalid value of the field."""
    least, most = _LIMITS[number]
    if text.isdigit():
        value = int(text)
        return value if least <= value <= most else None
    for index, name in enumerate(_NAMES.get(number, "").split()):
        if name.startswith(text):
            return index + least
    return None
