"""A limit on processor time, for texts that a bad pattern would scan again and again.

The time of other processes on a busy machine does not count, so a result does not depend on them.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["LONG", "limit"]

# A text of this length is read within a tenth of a second. If the time grows with the square of the
# length, it takes 10^10 steps, which is more than the limit.
LONG = 100_000


@contextmanager
def limit(what: object, seconds: float = 2) -> Iterator[None]:
    """Raise AssertionError if the block takes more processor time than the limit.

    The message contains `what`. A pattern that the interpreter cannot interrupt runs to its own end
    first. Windows has no such clock: there the block is not limited.
    """
    if sys.platform == "win32":
        yield
        return

    def stop(*_: Any) -> None:
        raise AssertionError(f"{what!r:.60} takes more than {seconds:g} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
