"""How long it took from opening a door to a worker that is ready, told across processes.

By an environment variable, which a server's workers inherit. Must not know of servers.
"""

from __future__ import annotations

import os
import time

__all__ = ["begin", "end", "ready"]

# On the machine's monotonic clock, which all of its processes share.
_VARIABLE = "APPSVC_STARTED_AT"


def begin(at: float) -> None:
    """Note when the door was opened, by `time.monotonic()`."""
    os.environ[_VARIABLE] = repr(at)


def end() -> None:
    """Have the processes that are started from now on say nothing: they take a dead one's place."""
    os.environ.pop(_VARIABLE, None)


def ready() -> str:
    """Give the sentence for a worker that is ready; the time is in it once in a process."""
    began = os.environ.pop(_VARIABLE, "")
    took = f" after {time.monotonic() - float(began):.2f} s" if began else ""
    return f"The worker {os.getpid()} is ready{took}."
