"""Where this process imports from. Imports only modules that every process has loaded."""

from __future__ import annotations

import os
import sys

__all__ = ["look_here_last"]


def look_here_last() -> None:
    """Import from the current folder last in this process: modules there are another program's.

    With `python -m`, and for a script there, Python searches it first. Call this before any other
    module of the standard library is imported.
    """
    try:
        here = os.getcwd()
    except OSError:  # it has been removed
        return
    sys.path.sort(key=here.__eq__)
