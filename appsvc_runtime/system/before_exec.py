"""What a child of this process does on Linux between its start and the program that it executes.

Must not know of trees, nor import anything when it runs: another thread may have held a lock when
the process was forked.

Sources: prctl(2) for PR_SET_PDEATHSIG; fork(2).
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from .process import steady_time

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TOO_LATE", "before_exec"]

# The exit code of a program that was not executed because its time was over.
TOO_LATE = 75
_PR_SET_PDEATHSIG = 1


def before_exec(then: Callable[[], None], not_after: float | None = None) -> Callable[[], None]:
    """Return what a child calls: it is to end with its parent, then calls `then`.

    It exits with TOO_LATE at `not_after`, a time by `process.steady_time`. All is loaded
    beforehand.
    """
    import ctypes

    # Not CDLL: releasing the interpreter's lock between fork and exec could wait forever.
    kill = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has none
    prctl = ctypes.PyDLL(None).prctl
    prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    number, parent = int(kill), os.getpid()

    def call() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # the parent ended before the call above
            os._exit(127)
        then()
        if not_after is not None and steady_time() >= not_after:
            os._exit(TOO_LATE)

    return call
