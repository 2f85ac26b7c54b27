"""Differences between operating systems in files: locks, appending, renaming.

Must not know of logging, its main use: many processes that append to one log file.

On Windows an open file cannot be renamed unless every process that opened it allowed that
(FILE_SHARE_DELETE). Python's own `open` does not allow it. An open file cannot be replaced even
then.

Sources: open(2), flock(2), fifo(7); MoveFileExW in the Windows API reference; `windows_files.py`.

`lock_own` is for rare locks: a build, a job, a launcher. The library filelock was tried instead: it
saves only these ten lines, as the log needs the rest. 4.3.1 takes 95 us for a lock and not 13, and
cannot use the descriptor of an open folder: a link that replaces the folder is followed. Releases
that apps have today break promises: 3.20 follows a link in the file's place, and up to 3.25 a
forked child keeps the lock of a killed parent.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from typing import TYPE_CHECKING, TypeVar

from . import process

# Not where they are needed: a log may be opened while the interpreter shuts down, when no module
# can be imported any more.
if process.WINDOWS:
    from . import windows_files
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "attempts",
    "file_to_rename",
    "is_busy",
    "is_gone",
    "lock",
    "lock_folder",
    "lock_own",
    "lock_to_rename",
    "make_like",
    "open_append",
    "replace",
    "unlock",
]

_SHARING_VIOLATION, _LOCK_VIOLATION = 32, 33
_HELD_BY_OTHERS = (errno.EAGAIN, errno.EACCES)  # the second from a file server (SMB)
_MAX_LINKS = 40  # as in Linux's path_resolution(7)

# The descriptors that `lock` has returned in this process.
_held: set[int] = set()
_Result = TypeVar("_Result")


def open_append(
    path: str,
    seconds: float = 0.0,
    *,
    follow: bool = True,
    mode: int = 0o644,
    folder: int | None = None,
) -> int:
    """Open a file so that each write goes to its end, whatever others write; return its descriptor.

    A missing file is made, with this mode. If another program has locked the file, opening is tried
    again for so many seconds. A pipe without a reader, and a write to a full pipe, are errors
    instead of an endless wait. Without `follow` a link is an error: for a name that no user has
    chosen. `folder` is the descriptor of the folder of a relative path. Raise OSError, and
    ValueError for an invalid path.
    """
    if process.WINDOWS:
        if not follow and os.path.islink(path):
            raise OSError(errno.ELOOP, "it is a link", path)
        return _patiently(lambda: windows_files.open_append(path), seconds)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    # O_NONBLOCK has no effect on ordinary files; a terminal must not become this process's own.
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    if follow:
        return _patiently(lambda: os.open(path, flags, mode, dir_fd=folder), seconds)
    flags |= os.O_NOFOLLOW
    try:
        return _patiently(lambda: os.open(path, flags, mode, dir_fd=folder), seconds)
    except OSError as error:
        if error.errno == errno.ELOOP:
            error.strerror = "it is a link"
        raise


def is_busy(error: OSError) -> bool:
    """Return whether an error only means that another program uses the file for a moment."""
    if isinstance(error, BlockingIOError):
        return True
    windows_error = getattr(error, "winerror", None)
    # The C library's error for writing to a part that others have locked.
    locked = process.WINDOWS and windows_error is None and error.errno == errno.EACCES
    return locked or windows_error in (_SHARING_VIOLATION, _LOCK_VIOLATION)


def is_gone(error: OSError) -> bool:
    """Return whether an error for a file means that it no longer exists."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return True
    # On Windows a deleted file that is still open somewhere refuses all access.
    return error.errno == getattr(errno, "ESTALE", None) or (
        process.WINDOWS and isinstance(error, PermissionError)
    )


def make_like(path: str, model: os.stat_result) -> None:
    """Make a file with the mode and owner of another, as far as that is allowed.

    After rotating: processes of other users that could write to the old file can write to the new
    one. An existing file, or a planted link, stays as it is.
    """
    if process.WINDOWS:
        return  # the folder's own permissions apply
    with contextlib.suppress(OSError):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            if os.fstat(descriptor).st_uid != model.st_uid:
                os.fchown(descriptor, model.st_uid, model.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(model.st_mode))
        finally:
            os.close(descriptor)


def lock(path: str) -> int | None:
    """Lock a file against all others who lock it; return a descriptor for `unlock`, None if locked.

    Never waits; the system releases the lock when this process ends, however it ends. The lock
    stays with a file that is renamed meanwhile, so check again which file has the name. Raise
    OSError.
    """
    return _keep(open_append(path))


def lock_own(path: str, *, folder: int | None = None) -> int | None:
    """Lock a file that exists only to be locked, as `lock` does.

    A missing file is made, for its owner alone; a link in its place is an error. `folder` as for
    `open_append`.
    """
    return _keep(open_append(path, follow=False, mode=0o600, folder=folder))


def lock_folder(path: str) -> int | None:
    """Lock a folder's names against others who do the same; return a descriptor, None if locked.

    Unlike the lock of a file, this lock does not move with a renamed file. Never waits. Raise
    OSError, always on Windows, which cannot lock a folder.
    """
    if process.WINDOWS:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), path)
    return _keep(os.open(path, os.O_RDONLY | os.O_DIRECTORY))


@contextlib.contextmanager
def lock_to_rename(path: str) -> Iterator[int | None]:
    """Lock a file and its name against others who do the same; yield the file's lock, or None.

    The file's own lock moves with the file if another process renames it now: then a third could
    rotate the next file at the same time, and one would overwrite the result of the other. So the
    folder is locked too, if the system has such locks. Never waits. Raise OSError.
    """
    folder = locked = None
    folder_is_free = True
    with contextlib.suppress(OSError):
        folder = lock_folder(os.path.dirname(path))
        folder_is_free = folder is not None
    try:
        locked = lock(path) if folder_is_free else None
        yield locked
    finally:
        for descriptor in (locked, folder):
            if descriptor is not None:
                unlock(descriptor)


def unlock(descriptor: int) -> None:
    """Release the lock and close the file."""
    with contextlib.suppress(OSError):  # needed if a child process has it too
        if process.WINDOWS:
            windows_files.unlock(descriptor)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    _held.discard(descriptor)
    with contextlib.suppress(OSError):
        os.close(descriptor)


def file_to_rename(path: str) -> str | None:
    """Return the target of links at `path`; None for a descriptor, such as /dev/stdout."""
    for _ in range(_MAX_LINKS):
        folder = os.path.dirname(path)
        if not process.WINDOWS and os.path.realpath(folder).startswith("/proc/"):
            return None
        try:
            path = os.path.join(folder, os.readlink(path))
        except OSError:  # it is not a link, or does not exist
            return path
    return path


def replace(old: str, new: str, seconds: float = 0.0) -> None:
    """Rename a file, replacing another, even while a process of ours has one of them open.

    If another program has locked a file, try again for so many seconds. Raise OSError.
    """
    if process.WINDOWS and os.path.lexists(new):
        # An open file can be renamed and then deleted: it vanishes when the last process closes it.
        aside = f"{new}.{os.getpid()}-{time.monotonic_ns()}"
        _patiently(lambda: os.replace(new, aside), seconds)
        with contextlib.suppress(OSError):
            os.remove(aside)
    _patiently(lambda: os.replace(old, new), seconds)


def attempts(seconds: float) -> Iterator[bool]:
    """Yield False until the time is over, then True once; wait a little in between."""
    deadline = time.monotonic() + seconds
    pause = 0.001
    while True:
        last = time.monotonic() >= deadline
        yield last
        if last:
            return
        time.sleep(pause)
        pause = min(pause * 2, 0.02)


def _patiently(call: Callable[[], _Result], seconds: float) -> _Result:
    """Call, and again for so many seconds while another program uses the file."""
    for last in attempts(seconds):
        try:
            return call()
        except OSError as error:
            if last or not is_busy(error):
                raise
    raise AssertionError("there is always a last attempt")


def _keep(descriptor: int) -> int | None:
    """Lock an open file; return its descriptor, or close it and return None if it is locked."""
    _held.add(descriptor)
    locked = False
    try:
        locked = _lock_open(descriptor)
    finally:
        if not locked:
            _held.discard(descriptor)
            os.close(descriptor)
    return descriptor if locked else None


def _lock_open(descriptor: int) -> bool:
    """Lock an open file; return False if it is locked. Raise OSError."""
    if process.WINDOWS:
        return windows_files.lock(descriptor)
    else:  # noqa: RET505 - so that the type checker skips it on Windows
        try:
            # Not lockf: that lock is lost when any code in this process closes the file.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD_BY_OTHERS:
                return False
            raise
        return True


def _forget_locks() -> None:
    """Close in a forked child what its parent locked, or it would stay locked while both live."""
    while _held:
        with contextlib.suppress(OSError):
            os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)
