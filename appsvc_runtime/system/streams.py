"""The standard streams of a process, whose reader may have gone, as of `appsvc … | head`."""

from __future__ import annotations

import contextlib
import os
import sys

__all__ = ["drop_broken"]


def drop_broken() -> None:
    """Write nothing more to a standard stream that cannot be written. Call it at the end.

    Python would try to write what is left once more, and end with code 120 as that fails.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, stream.fileno())
                os.close(nothing)
