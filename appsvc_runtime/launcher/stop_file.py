"""The launcher's own file that tells its worker to stop, for workers that get no signal.

Must not know of the worker; `stop_request` is what looks for the file there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .output import WorkerLog

__all__ = ["StopFile"]


class StopFile:
    """A path in a folder of its own, or "" if the disk is full: signals work without it."""

    def __init__(self, log: WorkerLog) -> None:
        self.path = ""
        self._folder = ""
        try:
            self._folder = tempfile.mkdtemp(prefix="appsvc-worker-")
        except OSError as error:
            log.say(
                "No temporary folder can be made for the file that asks the worker to stop: "
                f"{error.strerror}. A signal asks it."
            )
        else:
            self.path = os.path.join(self._folder, "stop")

    def create(self) -> None:
        """Create the file: the worker is to stop."""
        if self.path:
            with contextlib.suppress(OSError), open(self.path, "wb"):
                pass

    def remove(self) -> None:
        """Remove the file: the next worker is not to stop."""
        if self.path:
            with contextlib.suppress(OSError):
                os.unlink(self.path)

    def close(self) -> None:
        """Remove the folder."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
