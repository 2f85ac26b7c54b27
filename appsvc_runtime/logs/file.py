"""A log file that many processes write to: whole lines, none lost, rotated by size.

`SharedFileHandler` is a `logging.Handler`. Every record is one write to a file opened for
appending. The system puts it at the end even if others write too, so that only rotation needs a
lock. Before each write, the handler checks once whether its file still has its name, and has space
left. If another process has rotated the file, or it was renamed or deleted, the handler closes it.
A line written between check and write is in the rotated file.

Rotation locks the file and its folder, and never waits for the locks: a process that does not get
them continues in the current file, and writes its next line to the new one.

No fault of the file stops the app. If it cannot be opened, this is reported once on standard error
and lines go there. Lines that cannot be written (a full disk) are counted, and the count is written
when writing works again. Must not know the format of a line, or of requests.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
import stat
import time
import weakref

from ..system import files
from .stderr import StandardError

__all__ = ["SharedFileHandler"]

# How long to wait for a file that others have locked, or a full pipe: the app waits too.
_WAIT_SECONDS = 0.5
# How long to wait before the next try after a failure. For rotation it doubles each time.
_RETRY_SECONDS = 1.0
_MAX_RETRY_SECONDS = 60.0
# How long to wait before the next try to get the lock that another process holds.
_LOCKED_SECONDS = 0.02

_handlers: weakref.WeakSet[SharedFileHandler] = weakref.WeakSet()


class SharedFileHandler(logging.Handler):
    """Append records to the file `path`, which other processes write to as well.

    Before the file would exceed `max_bytes` it is renamed to `path.1`, `path.1` to `path.2` and so
    on; a file older than `path.BACKUPS` is deleted. If either is 0, it is never renamed. A line is
    never split over two files, so a file can exceed the limit by a few lines.

    A link is followed at each write. Devices and pipes are written to and never renamed. If they
    block, the handler waits only for a moment: then lines are lost and counted.

    `lost` is the number of lines that could not be written and were not yet reported in the file.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, max_bytes: int = 0, backups: int = 0
    ) -> None:
        super().__init__()
        # A relative path must not change its meaning with the current folder.
        self.path = os.path.abspath(path)
        self.lost = 0
        self._max_bytes = max_bytes if backups > 0 else 0
        self._backups = backups
        self._descriptor = -1
        self._inode = self._device = -1  # of the open file
        self._last_opened = (-1, -1)
        self._limit = math.inf
        self._torn = False
        self._retry_at = 0.0
        self._wait_at = 0.0
        self._rotate_at = 0.0
        self._rotate_pause = _RETRY_SECONDS
        self._stderr = StandardError()
        _handlers.add(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; errors in its formatting go to `handleError`."""
        try:
            data = self._encode(record)
        except RecursionError:  # as in logging.StreamHandler: handling it needs the stack too
            raise
        except Exception:
            self.handleError(record)
            return
        try:
            self.append(data)
        except Exception:
            self.handleError(record)

    def append(self, data: bytes) -> None:
        """Write whole lines, in any encoding. The caller holds the handler's lock."""
        try:  # the fast path: nearly always, the file is unchanged since the last line
            found = os.stat(self.path)
            as_before = (
                found.st_ino == self._inode
                and found.st_dev == self._device
                and found.st_size + len(data) <= self._limit
            )
        except (OSError, ValueError):
            as_before = False
        try:
            if as_before:
                self._write(data)
            elif self._ready(len(data)):
                self._write_telling(data)
            elif not self._stderr.print(data.decode("utf-8", "backslashreplace").rstrip("\n")):
                self.lost += 1
        except OSError as error:
            self.lost += 1
            self._let_go()  # opening the file again may help, and does no harm
            self._stderr.report(f"The log file {self.path} cannot be written: {_reason(error)}.")

    def close(self) -> None:
        """Close the file; report lost lines in it, else on standard error."""
        self.acquire()
        try:
            if self.lost:
                with contextlib.suppress(OSError):
                    if self._ready(0):
                        self._write_telling(b"")
            if self.lost:
                self._stderr.print(f"{self.lost} log lines could not be written to {self.path}.")
                self.lost = 0
            self._let_go()
        finally:
            self.release()
        super().close()

    def _encode(self, record: logging.LogRecord) -> bytes:
        return (self.format(record) + "\n").encode("utf-8", "backslashreplace")

    def _ready(self, size: int) -> bool:
        """Open the current file, with space for `size` bytes; return whether it is open."""
        if self._descriptor < 0 and not self._open():
            return False
        for _ in range(5):  # another process may rotate first, but not every time
            try:
                found = self._own_status()
            except OSError:
                return True  # it is unknown whether the file is still the same: continue
            if found is None:
                self._let_go()
                if not self._open():
                    return False
            elif self._has_room(found, size) or not self._rotate(size):
                return True
        return True

    def _own_status(self) -> os.stat_result | None:
        """Return the status of the named file, None if another file is open."""
        try:
            found = os.stat(self.path)
        except OSError as error:
            if files.is_gone(error):
                return None
            raise
        return found if (found.st_ino, found.st_dev) == (self._inode, self._device) else None

    def _has_room(self, found: os.stat_result, size: int) -> bool:
        """Return whether `size` more bytes fit; an empty file takes any line."""
        return found.st_size + size <= self._limit or not found.st_size

    def _open(self) -> bool:
        """Open the file, unless it failed a moment ago; return whether it is open."""
        now = time.monotonic()
        if now < self._retry_at:
            return False
        try:
            descriptor = files.open_append(self.path, 0 if self._retry_at else _WAIT_SECONDS)
            found = os.fstat(descriptor)
        except (OSError, ValueError) as error:  # ValueError: the name cannot be a path
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            self._stderr.report(
                f"The log file {self.path} cannot be opened: {_reason(error)}. "
                "Log lines go to standard error."
            )
            return False
        if self._retry_at:
            self._retry_at = 0.0
            self._stderr.forget()
        self._descriptor, self._inode, self._device = descriptor, found.st_ino, found.st_dev
        if not found.st_size or self._last_opened != (self._inode, self._device):
            self._last_opened = (self._inode, self._device)
            self._torn = False
            self._rotate_at = 0.0
        limited = self._max_bytes and stat.S_ISREG(found.st_mode)
        renamed = limited and files.file_to_rename(self.path)
        self._limit = self._max_bytes if renamed else math.inf
        return True

    def _rotate(self, size: int) -> bool:
        """Rename the files, unless another process just did.

        Return whether to check the file again.
        """
        if time.monotonic() < self._rotate_at:
            return False
        path = files.file_to_rename(self.path)
        if path is None:
            return False
        try:
            with files.lock_to_rename(path) as locked:
                if locked is None:
                    self._rotate_at = time.monotonic() + _LOCKED_SECONDS
                    return False
                mine, named = os.fstat(locked), os.stat(path)
                # Otherwise another process was faster, or the file was emptied.
                if os.path.samestat(mine, named) and named.st_size + size > self._limit:
                    self._rename(path)
                    files.make_like(path, named)
        except FileNotFoundError:
            pass  # renamed or deleted just now
        except OSError as error:
            self._rotate_at = time.monotonic() + self._rotate_pause
            self._rotate_pause = min(self._rotate_pause * 2, _MAX_RETRY_SECONDS)
            self._stderr.report(f"The log file {self.path} cannot be rotated: {_reason(error)}.")
            return False
        self._rotate_pause = _RETRY_SECONDS
        return True

    def _rename(self, path: str) -> None:
        """Rename the older files up to the first free number, then this file."""
        # A number is free after a failed rotation. Renaming files beyond it would, with each
        # further failure, push one more of them out.
        room = 1
        while room < self._backups and os.path.lexists(f"{path}.{room}"):
            room += 1
        for number in range(room, 1, -1):
            files.replace(f"{path}.{number - 1}", f"{path}.{number}", _WAIT_SECONDS)
        files.replace(path, f"{path}.1", _WAIT_SECONDS)

    def _write_telling(self, data: bytes) -> None:
        """Write a line, after the end of a torn line and the count of lost lines."""
        told = b"\n" if self._torn else b""
        if self.lost:
            record = logging.LogRecord(
                __name__, logging.WARNING, __file__, 0,
                "%d log lines could not be written and are missing here.", (self.lost,), None,
            )  # fmt: skip
            try:
                self.filter(record)  # for the attributes that it adds to the record
                told += self._encode(record)
            except Exception:  # the format needs attributes that this record lacks
                told += record.getMessage().encode() + b"\n"
        # In one write: a disk with space for the count but not for the line would fill up with
        # counts.
        self._write(told + data, len(told))
        if told:
            self.lost = 0
            self._torn = False
            self._stderr.forget()

    def _write(self, data: bytes, telling: int = 0) -> None:
        """Write all of `data`; its first `telling` bytes report lost lines."""
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            if not files.is_busy(error):
                raise
            written = 0
        if written != len(data):
            self._write_rest(data, written, telling)

    def _write_rest(self, data: bytes, written: int, telling: int) -> None:
        """Write the rest after a full disk, a full pipe, or another program's lock."""
        # Do not wait again with every line while the file stays busy.
        waits = time.monotonic() >= self._wait_at
        try:
            for last in files.attempts(_WAIT_SECONDS if waits else 0):
                written += self._write_some(memoryview(data)[written:])
                if written == len(data):
                    return
                if last:
                    self._wait_at = time.monotonic() + _RETRY_SECONDS
                    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        except OSError:
            if written:
                self._torn = data[written - 1 : written] != b"\n"
            if telling and written >= telling:
                self.lost = 0
            raise

    def _write_some(self, data: memoryview) -> int:
        """Write what the system takes now; return its bytes, 0 if it is locked."""
        try:
            return os.write(self._descriptor, data)
        except OSError as error:
            if not files.is_busy(error):
                raise
            return 0

    def _let_go(self) -> None:
        # In this order: a child forked in between must not use a closed descriptor.
        descriptor, self._descriptor = self._descriptor, -1
        self._inode = -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _forget_the_parents() -> None:
    """Leave pending reports to the parent process; one of its threads may be writing one."""
    for handler in _handlers:
        handler.lost = 0
        handler._torn = False
        handler._stderr.printing = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_the_parents)
