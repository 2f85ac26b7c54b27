"""The process of the `appsvc` command, from its first line to its exit code.

Must not load more than it has to before it handles Ctrl-C: loading the command takes most of the
first quarter of a second, in which a user may notice a mistake. Until the command itself handles
signals, Ctrl-C ends the process at once, with the exit code that a shell reports for it, and
without a traceback.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # typing takes some milliseconds to load
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

__all__ = ["entry_point"]

_INTERRUPTED = 130


def entry_point() -> NoReturn:
    """Run the `appsvc` command, and end this process with its exit code."""
    # If Ctrl-C is ignored, as in a shell's background job, it stays so.
    handles = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if handles:
        signal.signal(signal.SIGINT, _end)
    from .main import main

    try:
        if handles:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = main()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    if handles:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Python's own end must not be interrupted
    sys.exit(code)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End the process now: nothing is written, started or printed yet."""
    os._exit(_INTERRUPTED)
