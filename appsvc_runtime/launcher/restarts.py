"""When a worker that has ended is started again: rules and numbers, no clock, no process.

After a long run the next one starts at once. After others the pauses double, so that a worker that
fails at every start does so at most ten times in its first minute. `kudu=True` selects the
platform's rule for continuous WebJobs: a minute, or at once after a run of two minutes. Source of
that rule: Kudu.Core/Jobs/ContinuousJobRunner.cs.
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
# After so many short failed runs in a row, log a note.
SLOW_AFTER = 10
KUDU_PAUSE = 60.0
KUDU_HEALTHY_AFTER = 120.0
# The random part of a pause: many workers must not start in step.
_JITTER = 0.2


@dataclass(frozen=True)
class Decision:
    """What follows a run: `pause` seconds until the next, or None for no next one.

    `note` is a line for the log, or "".
    """

    pause: float | None
    note: str = ""


class Restarts:
    """Decides after each run. Call `after` for the runs in their order.

    `give_up_after`: stop after so many short failures in a row, 0 for never. `chance` returns
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
        self._short = 0  # short runs in a row, whatever their exit codes
        self._failures = 0  # of these, the failed ones in a row

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
        """Return the pause after a short run, by the number of short runs."""
        note = ""
        if self._failures == SLOW_AFTER:
            note = (
                f"It has failed {SLOW_AFTER} times in a row, each within {self._healthy_after:g} "
                f"s; from now on it is started about once in {LONGEST_PAUSE:g} s."
            )
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._short - 1, 30))
        return Decision(pause * (1 - _JITTER * self._chance()), note)
