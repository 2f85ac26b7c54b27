"""A limit on processor time, for texts that make a bad pattern go over them again and again.

Other processes of a busy machine do not count: what stays below the limit once does so always.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["LONG", "limit"]

# A text of this length is read within a tenth of a second; what takes the square of its length
# takes 10^10 steps, which is more than the limit.
LONG = 100_000


@contextmanager
def limit(what: object, seconds: float = 2) -> Iterator[None]:
    """Raise AssertionError if the block takes more processor time; it names `what`.

    A pattern that the interpreter cannot interrupt is ended when it has come to its own end.
    Windows has no such clock: there the block ends when it ends.
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
