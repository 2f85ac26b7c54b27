"""App settings for a container's start, warm-up, health checks and stop."""

from __future__ import annotations

import pytest

from appsvc_runtime.emulator.linux.limits import HealthPlan, Limits, read_health, read_limits

START, STOP = "WEBSITES_CONTAINER_START_TIME_LIMIT", "WEBSITES_CONTAINER_STOP_TIME_LIMIT"
PATH, STATUSES = "WEBSITE_WARMUP_PATH", "WEBSITE_WARMUP_STATUSES"
ROBOTS = "/robots933456.txt"
CASES = [
    pytest.param({}, Limits(230, 5, ROBOTS, frozenset()), [], id="defaults"),
    pytest.param({START: "1800", STOP: "120"}, Limits(1800, 120, ROBOTS), [], id="most"),
    pytest.param({START: "9"}, Limits(10, 5, ROBOTS), [START], id="too-short"),
    pytest.param({START: "5000", STOP: "121"}, Limits(1800, 120, ROBOTS), [START, STOP], id="long"),
    pytest.param({START: "4m", STOP: "-1"}, Limits(230, 5, ROBOTS), [START, STOP], id="no-number"),
    pytest.param({PATH: "/up?x=1"}, Limits(230, 5, "/up?x=1"), [], id="path"),
    pytest.param({PATH: "up"}, Limits(230, 5, "/up"), [], id="no-slash"),
    pytest.param({STATUSES: "200, 202"}, Limits(230, 5, ROBOTS, frozenset({200, 202})), [], id="s"),
    pytest.param({STATUSES: "200-299"}, Limits(230, 5, ROBOTS), [STATUSES], id="no-statuses"),
]


@pytest.mark.parametrize(("settings", "limits", "warned"), CASES)
def test_limits(settings: dict[str, str], limits: Limits, warned: list[str]) -> None:
    """Out of range is clamped, not a number means the default, and both are reported."""
    found, findings = read_limits(settings)
    assert found == limits
    assert [finding.where for finding in findings] == warned
    assert {finding.level for finding in findings} <= {"warning"}


FAILURES = "WEBSITE_HEALTHCHECK_MAXPINGFAILURES"
PERCENT = "WEBSITE_HEALTHCHECK_MAXUNHEALTHYWORKERPERCENT"
HEALTH = [
    pytest.param({}, HealthPlan("/h", 60, 10, 50), [], id="defaults"),
    pytest.param({FAILURES: "2", PERCENT: "100"}, HealthPlan("/h", 60, 2, 100), [], id="set"),
    pytest.param(
        {FAILURES: "1", PERCENT: "0"},
        HealthPlan("/h", 60, 2, 1),
        [FAILURES, PERCENT],
        id="too-low",
    ),
]


@pytest.mark.parametrize(("settings", "plan", "warned"), HEALTH)
def test_health(settings: dict[str, str], plan: HealthPlan, warned: list[str]) -> None:
    """Settings define how many failures count, and how many instances may be taken out."""
    found, findings = read_health("/h", 60, settings)
    assert (found, [finding.where for finding in findings]) == (plan, warned)
