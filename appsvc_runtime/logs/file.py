"""A log file that many processes write to: whole lines, none lost, rotated by size.

`SharedFileHandler` is a `logging.Handler`. Every record is one write to a file opened for
appending, which the system puts at the end whatever others write, so that no lock is needed but for
rotating. Before each write the handler looks once whether its file is still the one of that name,
and has room: a file that another process rotated, or that somebody renamed or deleted, is let go.
A line written in the moment between is in the rotated file.

Rotating takes locks of the file and of its folder, for which nobody waits: who does not get them
goes on in the file as it is, and is in the new one with the line after.

No fault of the file's stops the app: what cannot be opened is told once on standard error and lines
go there; lines that cannot be written (a full disk) are counted, and the count is written when
writing works again. Must not know what a line looks like, or of requests.
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

# How long a file that others hold, or a pipe that is full, is waited for: the app waits with it.
_WAIT_SECONDS = 0.5
# After a failure, how long until it is tried again. For rotating this doubles each time.
_RETRY_SECONDS = 1.0
_MAX_RETRY_SECONDS = 60.0
# How long until the lock that another process has is tried again.
_LOCKED_SECONDS = 0.02

_handlers: weakref.WeakSet[SharedFileHandler] = weakref.WeakSet()


class SharedFileHandler(logging.Handler):
    """Append records to the file `path`, which other processes write to as well.

    When it would grow over `max_bytes` it is renamed to `path.1`, `path.1` to `path.2` and so on;
    what would become older than `path.BACKUPS` is deleted. With 0 for either it is never renamed. A
    line is never split over two files: one may be larger by the lines of a moment.

    A link is followed, to wherever it leads at that moment. Devices and pipes are written to and
    never renamed, and are not waited for longer than a moment: then lines are lost and counted.

    `lost` is how many lines could not be written and were not yet told of in the file.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, max_bytes: int = 0, backups: int = 0
    ) -> None:
        super().__init__()
        # Where a relative name leads must not change with the current folder.
        self.path = os.path.abspath(path)
        self.lost = 0
        self._max_bytes = max_bytes if backups > 0 else 0
        self._backups = backups
        self._descriptor = -1
        self._inode = self._device = -1  # of what is open
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
        """Write one record; what fails in formatting it goes to `handleError`."""
        try:
            data = self._encode(record)
        except RecursionError:  # as in logging.StreamHandler: handling it would need the stack too
            raise
        except Exception:
            self.handleError(record)
            return
        try:
            self.append(data)
        except Exception:
            self.handleError(record)

    def append(self, data: bytes) -> None:
        """Write whole lines, in any encoding, as `emit` does with the handler's lock held."""
        try:  # nearly always all is as it was with the line before: this is what counts for speed
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
            self._let_go()  # opening it again may help, and does no harm
            self._stderr.report(f"The log file {self.path} cannot be written: {_reason(error)}.")

    def close(self) -> None:
        """Let the file go; what is still lost is told in it, else on standard error."""
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
        """Open the file of that name, with room for so many bytes; return whether it is open."""
        if self._descriptor < 0 and not self._open():
            return False
        for _ in range(5):  # other processes may be faster, but not every time
            try:
                found = self._own_status()
            except OSError:
                return True  # nobody can say whether it is still the same: go on
            if found is None:
                self._let_go()
                if not self._open():
                    return False
            elif self._has_room(found, size) or not self._rotate(size):
                return True
        return True

    def _own_status(self) -> os.stat_result | None:
        """Return the status of the file of that name, None if it is not the one that is open."""
        try:
            found = os.stat(self.path)
        except OSError as error:
            if files.is_gone(error):
                return None
            raise
        return found if (found.st_ino, found.st_dev) == (self._inode, self._device) else None

    def _has_room(self, found: os.stat_result, size: int) -> bool:
        """Return whether so many bytes more may be in the file; in an empty one always."""
        return found.st_size + size <= self._limit or not found.st_size

    def _open(self) -> bool:
        """Open the file, unless it failed a moment ago; return whether it is open."""
        now = time.monotonic()
        if now < self._retry_at:
            return False
        try:
            descriptor = files.open_append(self.path, 0 if self._retry_at else _WAIT_SECONDS)
            found = os.fstat(descriptor)
        except (OSError, ValueError) as error:  # the latter for what can be no path
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
        """Rename the files, unless another process just did; return whether to look again."""
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
                # Otherwise another process was faster, or somebody emptied it.
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
        """Move the older files up, as far as the first number that is free, then this one."""
        # Free after rotating failed half way: going on each time would delete them one by one.
        room = 1
        while room < self._backups and os.path.lexists(f"{path}.{room}"):
            room += 1
        for number in range(room, 1, -1):
            files.replace(f"{path}.{number - 1}", f"{path}.{number}", _WAIT_SECONDS)
        files.replace(path, f"{path}.1", _WAIT_SECONDS)

    def _write_telling(self, data: bytes) -> None:
        """Write a line behind the end of what was torn, and behind how many are missing."""
        told = b"\n" if self._torn else b""
        if self.lost:
            record = logging.LogRecord(
                __name__, logging.WARNING, __file__, 0,
                "%d log lines could not be written and are missing here.", (self.lost,), None,
            )  # fmt: skip
            try:
                self.filter(record)  # for what it adds to the record
                told += self._encode(record)
            except Exception:  # a format that asks for more than every record has
                told += record.getMessage().encode() + b"\n"
        # In one: a disk on which there is room for the one but not for the other would fill up with
        # nothing but counts.
        self._write(told + data, len(told))
        if told:
            self.lost = 0
            self._torn = False
            self._stderr.forget()

    def _write(self, data: bytes, telling: int = 0) -> None:
        """Write all of it, of which the first so many bytes say what was lost."""
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            if not files.is_busy(error):
                raise
            written = 0
        if written != len(data):
            self._write_rest(data, written, telling)

    def _write_rest(self, data: bytes, written: int, telling: int) -> None:
        """Go on where a disk was full, a pipe was, or another program had locked the file."""
        # What keeps on being busy is not waited for with every line.
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
        """Write what can be written now; return how many bytes, 0 while another has the file."""
        try:
            return os.write(self._descriptor, data)
        except OSError as error:
            if not files.is_busy(error):
                raise
            return 0

    def _let_go(self) -> None:
        # In this order: a child that is forked in between must not use what is closed.
        descriptor, self._descriptor = self._descriptor, -1
        self._inode = -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _forget_the_parents() -> None:
    """Leave to the parent process what it has to tell; a thread of it may have been at work."""
    for handler in _handlers:
        handler.lost = 0
        handler._torn = False
        handler._stderr.printing = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_the_parents)
