"""Where this process imports from. Loads nothing that is not loaded in every process."""

from __future__ import annotations

import os
import sys

__all__ = ["look_here_last"]


def look_here_last() -> None:
    """Have this process import from the current folder last: modules there are another program's.

    With `python -m`, and for a script there, Python looks into it first. Call this before any other
    module of the standard library is imported.
    """
    try:
        here = os.getcwd()
    except OSError:  # it has been removed
        return
    sys.path.sort(key=here.__eq__)
