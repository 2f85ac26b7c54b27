"""The copy that a WebJob runs from, made again when its files have changed.

Looks at files and copies them, in one thread at a time, until it is stopped. Must not know of runs.
Source: Kudu.Core/Jobs, BaseJobRunner.cs.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import threading
from pathlib import Path

from ...system import own_files
from ...system.own_folder import OwnFolder

__all__ = ["JobCopy"]


class _GivenUp(BaseException):
    """The copy has been cancelled."""


class JobCopy:
    """The copy of the folder `source`, in a folder of its own below `temp`."""

    def __init__(self, source: Path, temp: Path) -> None:
        self._source = source
        self._temp = temp
        self._folder: Path | None = None
        self._copied: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def place(self) -> Path:
        """Return a current copy of the source; an unchanged one keeps files that a job left in it.

        Raise OSError, with one file and one reason, if it cannot be made.
        """
        self._stopped.clear()
        with self._lock:
            files = _times(self._source)
            if self._folder is not None and files == self._copied:
                there = _times(self._folder)
                if all(there.get(name) == times for name, times in files.items()):
                    return self._folder
            self._remove()
            copy = self._temp / secrets.token_hex(4)
            try:
                own_files.make_folders(copy)
                with OwnFolder.open(copy) as target:
                    self._copy(str(self._source), target, ())
            except OSError as error:
                self._remove()
                where = os.path.relpath(error.filename or self._source, self._source)
                raise OSError(f"{where}: {error.strerror or error}") from None
            except _GivenUp:
                self._remove()
                raise OSError("it was given up") from None
            self._folder, self._copied = copy, files
            return copy

    def stop(self) -> None:
        """Cancel a copy in progress."""
        self._stopped.set()

    def remove(self) -> None:
        """Remove the copy."""
        self.stop()
        with self._lock:
            self._remove()

    def _remove(self) -> None:
        own_files.discard(self._temp)
        self._folder = None

    def _copy(self, source: str, target: OwnFolder, above: tuple[str, ...]) -> None:
        """Copy a folder and the targets of its links, but not a folder that contains this one."""
        above = (*above, os.path.realpath(source))
        target.set_mode(os.stat(source).st_mode & 0o777 | stat.S_IRWXU)
        with os.scandir(source) as entries:
            for entry in entries:
                if self._stopped.is_set():
                    raise _GivenUp
                if entry.is_dir():
                    if os.path.realpath(entry.path) not in above:
                        with target.enter(entry.name, make=True) as inner:
                            self._copy(entry.path, inner, above)
                elif entry.is_file():  # not a pipe or a broken link
                    _copy_file(entry.path, target, entry.name)


def _copy_file(path: str, target: OwnFolder, name: str) -> None:
    with open(path, "rb") as source:
        status = os.fstat(source.fileno())
        copy = target.create(name)
        try:
            with os.fdopen(copy, "wb", closefd=False) as written:
                shutil.copyfileobj(source, written)
        except BaseException:
            os.close(copy)
            raise
        target.finish(name, copy, status.st_mode & 0o777, (status.st_atime_ns, status.st_mtime_ns))


def _times(folder: Path) -> dict[str, tuple[int, int]]:
    """Return modification time and size of each file to copy, by its name in the folder."""
    found: dict[str, tuple[int, int]] = {}
    _add_times(str(folder), "", (), found)
    return found


def _add_times(
    path: str, inside: str, above: tuple[str, ...], found: dict[str, tuple[int, int]]
) -> None:
    above = (*above, os.path.realpath(path))
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # it has just been removed
                    if entry.is_dir():
                        if os.path.realpath(entry.path) not in above:
                            _add_times(entry.path, f"{inside}{entry.name}/", above, found)
                    elif entry.is_file():
                        status = entry.stat()
                        found[inside + entry.name] = status.st_mtime_ns, status.st_size
    except OSError:  # the copy reports it
        return
