"""Health checks, counted as the platform counts them: histories from a table."""

from __future__ import annotations

import pytest

from appsvc_runtime.emulator.linux.health import Health, State, in_rotation
from appsvc_runtime.emulator.linux.limits import HealthPlan
from appsvc_runtime.emulator.linux.probe import Probed

PLAN = HealthPlan("/health", failures=3)
HISTORIES = [
    # statuses of one of two instances, what is logged for the last, whether it is healthy then
    pytest.param([200], "healthy (200", True, id="first"),
    pytest.param([200, 204, 299], "", True, id="nothing-new"),
    pytest.param([500], "failure 1 of 3: 500.", True, id="failure"),
    pytest.param([200, 500, 404], "failure 2 of 3: 404.", True, id="two"),
    pytest.param([500, 500, 500], "failure 3 of 3: 500. The instance is unhealthy.", False, id="3"),
    pytest.param([500, 500, 200], "healthy again after 2 failures.", True, id="in-time"),
    pytest.param([500, 500, 200, 500], "failure 1 of 3: 500.", True, id="in-a-row"),
    pytest.param([500] * 4, "failure 4 of 3: 500.", False, id="more"),
    pytest.param([500] * 3 + [200], "healthy again (200): it gets", True, id="back"),
    pytest.param([0], "failure 1 of 3: no response", True, id="silence"),
    pytest.param([307], "a redirect to https://x/, which is not followed", True, id="redirect"),
    pytest.param([300], "failure 1 of 3: 300", True, id="bounds"),
    pytest.param([199], "failure 1 of 3: 199", True, id="lower-bound"),
]


def probed(status: int) -> Probed:
    reason = "" if status else "no response within 60 s"
    return Probed(status, reason, 0.01, "https://x/" if status == 307 else "")


@pytest.mark.parametrize(("statuses", "said", "healthy"), HISTORIES)
def test_histories(statuses: list[int], said: str, healthy: bool) -> None:
    """Failures in a row count, one good response resets them."""
    health = Health(PLAN, 2)
    for now, status in enumerate(statuses):
        last = health.note(0, probed(status), now)
    assert said in last
    assert bool(last) is bool(said)
    assert (health.states[0].healthy, health.states[1]) == (healthy, State())


def test_a_single_instance_stays() -> None:
    """No other instance could get its requests, and the log says so."""
    health = Health(PLAN, 1)
    said = [health.note(0, probed(500), now) for now in range(3)]
    assert "as the only instance" in said[-1]
    assert in_rotation(health.states, 50) == [0]


def states(text: str) -> list[State]:
    """Make states: `.` is healthy, a digit is when it became unhealthy."""
    return [State(healthy=c == ".", since=0 if c == "." else int(c)) for c in text]


ROTATION = [
    pytest.param("..", 50, [0, 1], id="all"),
    pytest.param(".1", 50, [0], id="one-out"),
    pytest.param("..1", 50, [0, 1], id="one-of-three"),
    pytest.param(".21", 50, [0, 1], id="not-more-than-half"),
    pytest.param("12", 50, [0, 1], id="all-unhealthy"),
    pytest.param("123", 100, [0, 1, 2], id="all-unhealthy-all-allowed"),
    pytest.param(".123", 100, [0], id="all-allowed"),
    pytest.param(".123", 25, [0, 2, 3], id="a-quarter"),
    pytest.param("1", 100, [0], id="single"),
]


@pytest.mark.parametrize(("now", "percent", "left"), ROTATION)
def test_rotation(now: str, percent: int, left: list[int]) -> None:
    """Only a part is taken out, those first that have been unhealthy longest."""
    assert in_rotation(states(now), percent) == left


def test_replacement() -> None:
    """An instance is replaced after an hour, one per hour; its state then starts over."""
    health = Health(PLAN, 3)
    for number in (0, 1):
        for _ in range(3):
            health.note(number, probed(500), 100.0)
    asked = [
        (number, now) for now in (3699.0, 3700.0, 7299.0, 7300.0, 99_999.0) for number in (2, 1, 0)
    ]
    replaced = [(number, now) for number, now in asked if health.is_replaced(number, now)]
    # Each is checked separately: the second waits for an hour, the healthy one is never replaced.
    assert replaced == [(1, 3700.0), (0, 7300.0)]
    assert all(state.healthy for state in health.states)


def test_the_advice_about_refused_and_redirected_checks_is_said_once() -> None:
    """However often a check fails; a failure of the app itself needs none."""
    health = Health(PLAN, 1)
    lines = [health.note(0, probed(status), 0.0) for status in (500, 307, 307, 400)]
    assert [line.count('health=Health("/healthz")') for line in lines] == [0, 1, 0, 0]
