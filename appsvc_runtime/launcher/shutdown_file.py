"""The file by which Kudu tells a WebJob to stop (`WEBJOBS_SHUTDOWN_FILE`).

Must not know of the worker.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..system import files

if TYPE_CHECKING:
    from .output import WorkerLog

__all__ = ["ShutdownFile"]


class ShutdownFile:
    """The file at `path`, "" for none. `seen`: it was there when last looked for."""

    def __init__(self, path: str, log: WorkerLog) -> None:
        self.seen = False
        self._path = path
        self._log = log

    def look(self) -> None:
        """See whether the platform has told this WebJob to stop."""
        if self._path and not self.seen:
            self.seen = os.path.exists(self._path)

    def clear(self) -> int | None:
        """Remove what an earlier run was told by, unless another launcher is being told by it.

        Return the lock that says so to the next launcher, None where there is none.
        """
        path = self._path
        if not path:
            return None
        try:
            lock = files.lock_own(f"{path}.launcher")
        except OSError as error:
            self._log.say(f"{path}, by which a stop is told, cannot be there: {error.strerror}.")
            return None
        if lock is None:
            self._log.say(f"Another launcher watches {path} as well: it stops both.")
            return None
        try:
            os.unlink(path)
        except OSError:
            if os.path.exists(path):
                self._log.say(f"{path} was there before, cannot be removed, and counts as a stop.")
        return lock
