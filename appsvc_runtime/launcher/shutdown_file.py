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
    """The file at `path`, or "" for none. `seen`: it existed at the last check."""

    def __init__(self, path: str, log: WorkerLog) -> None:
        self.seen = False
        self._path = path
        self._log = log

    def look(self) -> None:
        """Check whether the platform has told this WebJob to stop."""
        if self._path and not self.seen:
            self.seen = os.path.exists(self._path)

    def clear(self) -> int | None:
        """Remove the file of an earlier run, unless another launcher uses it.

        Return a lock, or None. The lock tells the next launcher that this one uses the file.
        """
        path = self._path
        if not path:
            return None
        try:
            lock = files.lock_own(f"{path}.launcher")
        except OSError as error:
            self._log.say(
                f"{path}, the file that asks for a stop, cannot be used: {error.strerror}."
            )
            return None
        if lock is None:
            self._log.say(f"Another launcher also watches {path}: the file stops both.")
            return None
        try:
            os.unlink(path)
        except OSError:
            if os.path.exists(path):
                self._log.say(f"{path} existed before, cannot be removed, and counts as a stop.")
        return lock
