"""A WebJob's `settings.job`: JSON in, settings out; what cannot be used is a finding.

Never an error: Kudu takes the default for whatever it cannot read, in silence. So does this, and
says so. Names are matched letter by letter and nothing is converted: `"true"` is no boolean, `"60"`
no number. Pure and light, as the launcher loads it.
Source: Kudu.Contracts/Jobs/JobSettings.cs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..findings import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["JobSettings", "read_job_settings"]

# Longer than any job is waited for: a number that size is a mistake.
_LONGEST = 24 * 3600


@dataclass(frozen=True)
class JobSettings:
    """What a settings.job says; None and "" are what it does not say.

    `stopping_wait_time` is in seconds, `schedule` a cron expression of six fields.
    """

    is_singleton: bool | None = None
    stopping_wait_time: float | None = None
    is_in_place: bool | None = None
    schedule: str = ""


def read_job_settings(data: bytes, where: str) -> tuple[JobSettings, tuple[Finding, ...]]:
    """Read `data`; findings name `where`, the file as it is to be shown.

    Codes: `malformed` for what is no JSON object, `wrong-type` for one value; all are warnings.
    """
    try:
        read = json.loads(data.decode("utf-8-sig"))
    except RecursionError:
        return JobSettings(), (_malformed(where, "It is nested too deep"),)
    except ValueError as error:
        line = getattr(error, "lineno", None)
        reason = "It is no JSON" if line is None else f"It is no JSON in line {line}"
        return JobSettings(), (_malformed(where, reason),)
    if not isinstance(read, dict):
        return JobSettings(), (_malformed(where, "It holds no object"),)
    found: dict[str, Any] = {}
    findings: list[Finding] = []
    for name, parse, wanted in (
        ("is_singleton", _boolean, "true or false"),
        ("stopping_wait_time", _seconds, "a whole number of seconds"),
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
    """Take one value into `found`, or say why it is not taken."""
    value = values.get(name)
    if value is None:  # also for null
        other = next((one for one in values if one != name and one.lower() == name), None)
        if other is not None and name not in values:
            message = f"{other[:40]!r} is not {name}: the default is taken."
            findings.append(
                Finding("wrong-name", "warning", where, message, "Write it in small letters.")
            )
        return
    parsed = parse(value)
    if parsed is not None:
        found[name] = parsed
        return
    message = f"{name} is not {wanted}: the default is taken."
    findings.append(Finding("wrong-type", "warning", where, message, f"Make it {wanted}."))


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int):  # 2.5 is none to Kudu either
        return None
    return float(value) if 0 <= value <= _LONGEST else None


def _text(value: object) -> str | None:
    return value.strip() if isinstance(value, str) else None


def _malformed(where: str, reason: str) -> Finding:
    return Finding(
        "malformed",
        "warning",
        where,
        f"{reason}: the defaults are taken.",
        'Write it as {"stopping_wait_time": 30}.',
    )
