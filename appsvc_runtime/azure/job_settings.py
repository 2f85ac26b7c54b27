"""Read a WebJob's `settings.job`: JSON in, settings out; an unusable value is a finding.

Never an error: for a value that it cannot read, Kudu silently uses the default. This module does
the same, and reports it. Names must match exactly and nothing is converted: `"true"` is not a
boolean, `"60"` not a number. Pure and light, as the launcher loads it.
Sources: Kudu.Contracts/Jobs/JobSettings.cs; Kudu.Core/Jobs, JobsManagerBase.cs (GetJobSettings) and
ContinuousJobRunner.cs (StopJob).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..findings import Finding
from . import dotnet_text
from .newtonsoft import MalformedError, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["JobSettings", "read_job_settings"]

# Kudu waits in Thread.Join, which takes so many milliseconds of 32 bits.
_LONGEST = (2**31 - 1) // 1000


@dataclass(frozen=True)
class JobSettings:
    """The values of a settings.job; None and "" stand for missing ones.

    `stopping_wait_time` is in seconds, `schedule` a cron expression of six fields.
    """

    is_singleton: bool | None = None
    stopping_wait_time: float | None = None
    is_in_place: bool | None = None
    schedule: str = ""


def read_job_settings(data: bytes, where: str) -> tuple[JobSettings, tuple[Finding, ...]]:
    """Parse `data`; findings name `where`, the file as it is to be shown.

    Codes: `malformed` if it is not a JSON object, `wrong-type` for one value, `wrong-name` for a
    name in another spelling; all are warnings.
    """
    try:
        read = read_json(dotnet_text.decode(data))
    except MalformedError as error:
        reason = f"It is not JSON in line {error.line}"
        return JobSettings(), (_malformed(where, reason),)
    if read is None:  # empty, or null
        return JobSettings(), ()
    if not isinstance(read, dict):
        return JobSettings(), (_malformed(where, "It is not a JSON object"),)
    found: dict[str, Any] = {}
    findings: list[Finding] = []
    for name, parse, wanted in (
        ("is_singleton", _boolean, "true or false"),
        ("stopping_wait_time", _seconds, f"a whole number of seconds from 0 to {_LONGEST}"),
        ("is_in_place", _boolean, "true or false"),
        ("schedule", _text, "a text"),
    ):
        _take(found, findings, read, name, parse, wanted, where)
    return JobSettings(**found), tuple(findings)


def _take(
    found: dict[str, Any],
    findings: list[Finding],
    values: Mapping[str, Any],
    name: str,
    parse: Any,
    wanted: str,
    where: str,
) -> None:
    """Put one value into `found`, or add a finding that says why it is not used."""
    value = values.get(name)
    if value is None:  # also for null
        other = next((one for one in values if _letters(one) == _letters(name)), None)
        if other is not None and name not in values:
            message = f"{other[:40]!r} is not {name}: the default is used."
            findings.append(Finding("wrong-name", "warning", where, message, f"Write {name}."))
        return
    parsed = parse(value)
    if parsed is not None:
        found[name] = parsed
        return
    message = f"{name} is not {wanted}: the default is used."
    findings.append(Finding("wrong-type", "warning", where, message, f"Make it {wanted}."))


def _letters(name: str) -> str:
    """Return a name without what tells stopping_wait_time from StoppingWaitTime."""
    return name.replace("_", "").replace("-", "").lower()


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int):  # Kudu refuses 2.5 too
        return None
    return float(value) if 0 <= value <= _LONGEST else None


def _text(value: object) -> str | None:
    return value.strip() if isinstance(value, str) else None


def _malformed(where: str, reason: str) -> Finding:
    return Finding(
        "malformed",
        "warning",
        where,
        f"{reason}: the defaults are used.",
        'Write it as {"stopping_wait_time": 30}.',
    )
