"""The copy that a WebJob runs from, made anew when its files have changed.

Looks at files and copies them. Must not know of runs. Source: Kudu.Core/Jobs, BaseJobRunner.cs.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

__all__ = ["JobCopy"]


class JobCopy:
    """The copy of the folder `source`, in a folder of its own below `temp`."""

    def __init__(self, source: Path, temp: Path) -> None:
        self._source = source
        self._temp = temp
        self._folder: Path | None = None
        self._copied: dict[str, int] = {}

    def place(self) -> Path:
        """Give the copy as the source is now; what a job left in it stays while that is the same.

        Raises OSError where it cannot be made.
        """
        files = _times(self._source)
        if self._folder is not None and files == self._copied:
            there = _times(self._folder)
            if all(there.get(name) == time for name, time in files.items()):
                return self._folder
        self.remove()
        copy = self._temp / secrets.token_hex(4)
        shutil.copytree(self._source, copy)
        self._folder, self._copied = copy, files
        return copy

    def remove(self) -> None:
        """Remove all copies that were made, also by an emulator that was killed."""
        shutil.rmtree(self._temp, ignore_errors=True)
        self._folder = None


def _times(folder: Path) -> dict[str, int]:
    """Give when each file below a folder was written, by its name there."""
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(path, name)
            try:
                found[os.path.relpath(file, folder)] = os.stat(file).st_mtime_ns
            except OSError:  # it has just gone
                continue
    return found
