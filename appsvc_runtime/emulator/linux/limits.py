"""App settings for a container's start, warm-up, health checks and stop.

Pure: takes settings, returns numbers and findings. Must not know of containers. Names, defaults and
bounds: AD, reference-app-settings; monitor-instances-health-check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...azure import names
from ...findings import Finding

__all__ = ["HealthPlan", "Limits", "read_health", "read_limits"]

START_LIMIT = "WEBSITES_CONTAINER_START_TIME_LIMIT"
WARMUP_STATUSES = "WEBSITE_WARMUP_STATUSES"
MAX_FAILURES = "WEBSITE_HEALTHCHECK_MAXPINGFAILURES"
MAX_PERCENT = "WEBSITE_HEALTHCHECK_MAXUNHEALTHYWORKERPERCENT"


@dataclass(frozen=True)
class Limits:
    """Seconds that a container may take to start and to stop, and the warm-up request.

    `warmup_statuses` are the statuses that count as started; if empty, all do.
    """

    start: float = 230.0
    stop: float = float(names.DEFAULT_STOP_SECONDS)
    warmup_path: str = names.DEFAULT_WARMUP_PATH
    warmup_statuses: frozenset[int] = frozenset()


@dataclass(frozen=True)
class HealthPlan:
    """A health check: path, interval and timeout in seconds, and limits.

    After `failures` in a row an instance is taken out, never more than `percent` of all.
    """

    path: str
    interval: float = 60.0
    failures: int = 10
    percent: int = 50
    timeout: float = 60.0


def read_limits(settings: Mapping[str, str]) -> tuple[Limits, list[Finding]]:
    """Read the settings; an invalid value is a warning, and the default or the bound is used."""
    findings: list[Finding] = []
    start = _number(settings, START_LIMIT, 230, 10, 1800, findings)
    stop = _number(
        settings,
        names.STOP_TIME_LIMIT,
        names.DEFAULT_STOP_SECONDS,
        0,
        names.MAX_STOP_SECONDS,
        findings,
    )
    path = settings.get(names.WARMUP_PATH, "").strip() or names.DEFAULT_WARMUP_PATH
    if not path.startswith("/"):
        path = f"/{path}"
    return Limits(start, stop, path, _statuses(settings, findings)), findings


def read_health(
    path: str, interval: float, settings: Mapping[str, str]
) -> tuple[HealthPlan, list[Finding]]:
    """Read the settings of a health check of `path`, every `interval` seconds."""
    findings: list[Finding] = []
    failures = _number(settings, MAX_FAILURES, 10, 2, 10, findings)
    percent = _number(settings, MAX_PERCENT, 50, 1, 100, findings)
    return HealthPlan(path, interval, failures, percent), findings


def _number(
    settings: Mapping[str, str],
    name: str,
    default: int,
    least: int,
    most: int,
    findings: list[Finding],
) -> int:
    text = settings.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        number, said = default, f"is not a number: {default} is used"
    else:
        number = min(max(int(text), least), most)
        said = f"is not from {least} to {most}: {number} is used" if number != int(text) else ""
    if said:
        findings.append(Finding("out-of-range", "warning", name, f"{text[:20]!r} {said}."))
    return number


def _statuses(settings: Mapping[str, str], findings: list[Finding]) -> frozenset[int]:
    text = settings.get(WARMUP_STATUSES, "")
    words = [word.strip() for word in text.split(",") if word.strip()]
    good = {
        int(word) for word in words if word.isascii() and word.isdigit() and 100 <= int(word) <= 599
    }
    if len(good) < len(set(words)):
        findings.append(
            Finding(
                "malformed",
                "warning",
                WARMUP_STATUSES,
                f"{text[:40]!r} is not a list of statuses.",
                "Write it as 200,202.",
            )
        )
    return frozenset(good)
