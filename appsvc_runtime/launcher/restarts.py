"""When a worker that has ended is started again: rules and numbers, no clock, no process.

A run that lasted is followed by the next at once. Others are followed after pauses that double, so
that a worker that fails at every start does so at most ten times in its first minute. With
`kudu=True` the platform's rule for continuous WebJobs: a minute, at once after two.
Source of that: Kudu.Core/Jobs/ContinuousJobRunner.cs.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Decision", "Mode", "Restarts"]

Mode = Literal["always", "on-failure", "never"]

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 60.0
HEALTHY_AFTER = 10.0
# So many short runs that failed, one after the other, are worth a word.
SLOW_AFTER = 10
KUDU_PAUSE = 60.0
KUDU_HEALTHY_AFTER = 120.0
# The part of a pause that chance may take away: many workers shall not start in step.
_JITTER = 0.2


@dataclass(frozen=True)
class Decision:
    """What follows a run: `pause` seconds until the next, None for no next one.

    `note` is what is worth saying besides, "" for nothing.
    """

    pause: float | None
    note: str = ""


class Restarts:
    """Decides after each run. Feed it the runs in their order.

    `give_up_after`: so many short failures in a row are the end, 0 for never. `chance` gives
    numbers from 0 to 1.
    """

    def __init__(
        self,
        mode: Mode = "always",
        *,
        healthy_after: float = HEALTHY_AFTER,
        kudu: bool = False,
        kudu_pause: float = KUDU_PAUSE,
        give_up_after: int = 0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._mode = mode
        self._healthy_after = KUDU_HEALTHY_AFTER if kudu else healthy_after
        self._kudu_pause = kudu_pause if kudu else None
        self._give_up_after = give_up_after
        self._chance = chance
        self._short = 0  # short runs in a row, whatever they ended with
        self._failures = 0  # of them, in a row, those that failed

    def after(self, seconds: float, code: int) -> Decision:
        """Return what follows a run of so many seconds that ended with `code`, -n for a signal."""
        if self._mode == "never" or (self._mode == "on-failure" and code == 0):
            return Decision(None)
        if seconds >= self._healthy_after:
            self._short = self._failures = 0
            return Decision(0.0)
        self._short += 1
        self._failures = self._failures + 1 if code else 0
        if self._give_up_after and self._failures >= self._give_up_after:
            times = "once" if self._failures == 1 else f"{self._failures} times in a row"
            return Decision(None, f"It has failed {times}, each within {self._healthy_after:g} s.")
        return self._next() if self._kudu_pause is None else Decision(self._kudu_pause)

    def _next(self) -> Decision:
        """Return the pause after a short run, by how many there were."""
        note = ""
        if self._failures == SLOW_AFTER:
            note = (
                f"It has failed {SLOW_AFTER} times in a row, each within {self._healthy_after:g} "
                f"s; from now on it is started about once in {LONGEST_PAUSE:g} s."
            )
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._short - 1, 30))
        return Decision(pause * (1 - _JITTER * self._chance()), note)
