"""Health checks, counted as the platform counts them: takes histories, returns states and text.

Pure: the caller passes the time. Must not know how an instance is probed. Source: AD,
monitor-instances-health-check.
"""

from __future__ import annotations

from dataclasses import dataclass

from .diagnosis.probes import RESPOND
from .limits import HealthPlan
from .probe import Probed

__all__ = ["Health", "State", "in_rotation"]

# An instance that is unhealthy for this many seconds is replaced; at most one per hour.
REPLACED_AFTER = 3600.0


@dataclass
class State:
    """What is known of one instance; `since` is when it became unhealthy."""

    failures: int = 0
    healthy: bool = True
    since: float = 0.0
    heard: bool = False


class Health:
    """The states of all instances of a site."""

    def __init__(self, plan: HealthPlan, count: int) -> None:
        self.plan = plan
        self.states = [State() for _ in range(count)]
        self._replaced_at: float | None = None
        self._advised = False

    def note(self, instance: int, found: Probed, now: float) -> str:
        """Record the result of a check; return the line to log, or "" if nothing changed."""
        if 200 <= found.status <= 299:
            before, self.states[instance] = self.states[instance], State(heard=True)
            return _recovery(before, found)
        state, plan = self.states[instance], self.plan
        state.failures += 1
        state.heard = True
        what = str(found.status) if found.status else found.reason
        line = f"failure {state.failures} of {plan.failures}: {what}"
        if 300 <= found.status <= 399:
            line += f", a redirect to {found.location or '?'}, which is not followed"
        if state.healthy and state.failures >= plan.failures:
            state.healthy, state.since = False, now
            alone = len(self.states) == 1
            line += (
                ". The instance is unhealthy; as the only instance it still gets requests"
                if alone
                else ". The instance is unhealthy"
            )
        return f"{line}.{self._advice(found)}"

    def _advice(self, found: Probed) -> str:
        """Return, once, what to do if the app refuses or redirects checks; else ""."""
        if self._advised or not (300 <= found.status <= 400):
            return ""
        self._advised = True
        return f" To respond to checks, {RESPOND}."

    def is_replaced(self, instance: int, now: float) -> bool:
        """Return whether the platform replaces this instance now; if so, record it as replaced."""
        if self._replaced_at is not None and now - self._replaced_at < REPLACED_AFTER:
            return False
        state = self.states[instance]
        if state.healthy or now - state.since < REPLACED_AFTER:
            return False
        self._replaced_at = now
        self.states[instance] = State()
        return True


def in_rotation(states: list[State], percent: int) -> list[int]:
    """Return the instances that get requests: at most `percent` of all are taken out as unhealthy.

    Those that became unhealthy first are taken out first. A single instance always gets requests.
    """
    unhealthy = [number for number, state in enumerate(states) if not state.healthy]
    unhealthy.sort(key=lambda number: states[number].since)
    most = len(states) * percent // 100 if len(states) > 1 else 0
    if len(unhealthy) == len(states):
        most = 0  # if all are unhealthy, all get requests
    out = set(unhealthy[:most])
    return [number for number in range(len(states)) if number not in out]


def _recovery(before: State, found: Probed) -> str:
    """Return what to log about a successful check, from the state before it."""
    if not before.healthy:
        return f"healthy again ({found.status}): it gets requests as before."
    if not before.heard:
        return f"healthy ({found.status} in {found.seconds * 1000:.0f} ms)."
    plural = "s" if before.failures > 1 else ""
    return f"healthy again after {before.failures} failure{plural}." if before.failures else ""
