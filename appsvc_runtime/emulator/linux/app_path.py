"""The folder below /tmp that a built site runs in: named as the platform names it, for one run.

Makes and removes empty folders. Must not know what appears there. The name is a time in ticks of
100 ns since the year 1, in hexadecimal, as that of a deployment there.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from ...azure import names

__all__ = ["make_app_path", "remove_app_path"]

_TICKS_IN_1970 = 621_355_968_000_000_000
_TRIES = 8
# In the folder of a run: a link to the folder below /tmp.
_LINK = "app-path"


def make_app_path(run: Path, parent: Path = Path(names.BUILT_PARENT)) -> Path | None:
    """Make an empty folder for the run with the folder `run`; return None if that is not possible.

    Only its owner may enter it. `remove_app_path` removes it.
    """
    for _ in range(_TRIES):
        made = parent / f"{time.time_ns() // 100 + _TICKS_IN_1970:x}"
        try:
            made.mkdir(0o700)
        except FileExistsError:
            continue
        except OSError:
            return None
        try:
            (run / _LINK).symlink_to(made)
        except OSError:
            made.rmdir()
            raise
        return made
    return None


def remove_app_path(run: Path) -> None:
    """Remove the folder that a run has made, if it is empty; another's, or a missing one, stays."""
    with contextlib.suppress(OSError):
        os.rmdir(os.readlink(run / _LINK))
