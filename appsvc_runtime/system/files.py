"""What differs between operating systems about files: locks, appending, renaming.

Must not know of logging, for which most of it is: one file that many processes append to.

On Windows a file that is open cannot be renamed unless everybody who has it open said so when
opening it (FILE_SHARE_DELETE), which Python's own `open` does not; and one that is open cannot be
replaced at all, even so.
Sources: open(2), flock(2), fifo(7); CreateFileW, LockFile and MoveFileExW in the Windows API
reference.

`lock_own` is for what is rare: a build, a job, a launcher. It is not the library filelock, which
was tried there: only its own ten lines would go, as the log needs the rest. 4.3.1 takes 95 us for a
lock and not 13, and knows no descriptor of an open folder: a link put in the place of the folder
is followed. Releases that apps have today break promises: 3.20 follows a link in the file's place,
and up to 3.25 a forked child keeps the lock of a parent that was killed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from typing import TYPE_CHECKING, Any, TypeVar

from . import process

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

_GENERIC_READ = 0x80000000
_FILE_APPEND_DATA = 0x0004
_SYNCHRONIZE = 0x00100000
_SHARE_ALL = 0x7  # read, write, delete
_OPEN_ALWAYS = 4
_FILE_ATTRIBUTE_NORMAL = 0x80
# LockFile keeps others from reading and writing what is locked: a byte where no log will be.
_LOCK_AT = 0x7FFF_FFF0
_SHARING_VIOLATION, _LOCK_VIOLATION = 32, 33
_HELD_BY_OTHERS = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_MAX_LINKS = 40  # as in Linux's path_resolution(7)

# What `lock` has given out in this process.
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

    Made, with this mode, where it is missing. A file that another program has locked is tried again
    for so many seconds. A pipe that nobody reads is an error, and writing to one that is full as
    well, rather than a wait without end. Without `follow` a link is an error: for a name that no
    user has chosen. `folder` is the descriptor of the folder that a relative path starts from.
    Raises OSError, and ValueError for what can be no path.
    """
    if process.WINDOWS:
        if not follow and os.path.islink(path):
            raise OSError(errno.ELOOP, "it is a link", path)
        return _patiently(lambda: _open_append_windows(path), seconds)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    # Ordinary files do not know O_NONBLOCK, and opening a terminal must not make it this process's.
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
    """Return whether an error only means that another program has the file for a moment."""
    if isinstance(error, BlockingIOError):
        return True
    windows_error = getattr(error, "winerror", None)
    # What writing to a part that others have locked gives, through the C library.
    locked = process.WINDOWS and windows_error is None and error.errno == errno.EACCES
    return locked or windows_error in (_SHARING_VIOLATION, _LOCK_VIOLATION)


def is_gone(error: OSError) -> bool:
    """Return whether an error of looking for a file means that it is no longer there."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return True
    # On Windows a deleted file that somebody still has open refuses everybody.
    return error.errno == getattr(errno, "ESTALE", None) or (
        process.WINDOWS and isinstance(error, PermissionError)
    )


def make_like(path: str, model: os.stat_result) -> None:
    """Make a file with the mode and owner of another, as far as that is allowed.

    After rotating: processes of other users that could write to the old file shall go on. One that
    is there already, or a link that somebody planted, is left as it is.
    """
    if process.WINDOWS:
        return  # the folder's own rules say who may
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
    """Lock a file against all others who lock it; return what `unlock` takes, None if one has it.

    Never waits, and is released by the system when this process ends in whatever way. Of a file
    that is renamed meanwhile the lock stays with the file, so look again whose it is. Raises
    OSError.
    """
    return _keep(open_append(path))


def lock_own(path: str, *, folder: int | None = None) -> int | None:
    """Lock a file that is only there to be locked, as `lock` does.

    Made, for its owner alone, where it is missing; a link in its place is an error. `folder` as for
    `open_append`.
    """
    return _keep(open_append(path, follow=False, mode=0o600, folder=folder))


def lock_folder(path: str) -> int | None:
    """Keep others who ask from a folder's names; return what `unlock` takes, None if one has it.

    Unlike that of a file, this lock does not go away with a file that somebody renames. Never
    waits. Raises OSError, as it always does on Windows, which cannot lock a folder.
    """
    if process.WINDOWS:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), path)
    return _keep(os.open(path, os.O_RDONLY | os.O_DIRECTORY))


@contextlib.contextmanager
def lock_to_rename(path: str) -> Iterator[int | None]:
    """Keep all others who ask from a file and its name; yield the file's lock, None if one has it.

    The file's own lock goes with it when somebody renames it just now: then another could rotate
    the next one at the same time, and one would rename over what the other did. So the folder is
    locked too, where the system has such locks. Never waits. Raises OSError.
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
    """Let others have the file again."""
    with contextlib.suppress(OSError):  # closing does it too, but where a child has it as well
        if process.WINDOWS:
            import msvcrt

            windows: Any = msvcrt
            os.lseek(descriptor, _LOCK_AT, os.SEEK_SET)
            windows.locking(descriptor, windows.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_UN)
    _held.discard(descriptor)
    with contextlib.suppress(OSError):
        os.close(descriptor)


def file_to_rename(path: str) -> str | None:
    """Return where links lead from `path`, None for a process's descriptor, as /dev/stdout is."""
    for _ in range(_MAX_LINKS):
        folder = os.path.dirname(path)
        if not process.WINDOWS and os.path.realpath(folder).startswith("/proc/"):
            return None
        try:
            path = os.path.join(folder, os.readlink(path))
        except OSError:  # it is no link, or is not there
            return path
    return path


def replace(old: str, new: str, seconds: float = 0.0) -> None:
    """Rename a file, in place of another if need be, also while one of us has either open.

    What another program has locked is tried again for so many seconds. Raises OSError.
    """
    if process.WINDOWS and os.path.lexists(new):
        # What is open can be renamed, and then deleted: it goes when the last has let it go.
        aside = f"{new}.{os.getpid()}-{time.monotonic_ns()}"
        _patiently(lambda: os.replace(new, aside), seconds)
        with contextlib.suppress(OSError):
            os.remove(aside)
    _patiently(lambda: os.replace(old, new), seconds)


def attempts(seconds: float) -> Iterator[bool]:
    """Yield False until the time is over, then True once; waits a little in between."""
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
    """Call, and again for so many seconds while another program has the file."""
    for last in attempts(seconds):
        try:
            return call()
        except OSError as error:
            if last or not is_busy(error):
                raise
    raise AssertionError("there is always a last attempt")


def _keep(descriptor: int) -> int | None:
    """Lock what is open; return its descriptor, None and close it if another has the lock."""
    _held.add(descriptor)
    try:
        if process.WINDOWS:
            import msvcrt

            windows: Any = msvcrt
            os.lseek(descriptor, _LOCK_AT, os.SEEK_SET)
            windows.locking(descriptor, windows.LK_NBLCK, 1)
        else:
            import fcntl

            # Not lockf: that one is lost when anybody in this process closes the file.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        _held.discard(descriptor)
        os.close(descriptor)
        if error.errno in _HELD_BY_OTHERS:
            return None
        raise
    return descriptor


def _forget_locks() -> None:
    """Close in a forked child what its parent locked, or it would stay locked while both live."""
    while _held:
        with contextlib.suppress(OSError):
            os.close(_held.pop())


def _open_append_windows(path: str) -> int:
    import ctypes
    import msvcrt

    windows: Any = ctypes
    runtime: Any = msvcrt
    kernel32 = windows.WinDLL("kernel32", use_last_error=True)
    kernel32.CreateFileW.restype = ctypes.c_void_p
    kernel32.CreateFileW.argtypes = [
        ctypes.c_wchar_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32,
        ctypes.c_uint32, ctypes.c_void_p,
    ]  # fmt: skip
    kernel32.CloseHandle.argtypes = [ctypes.c_void_p]
    # Without FILE_WRITE_DATA the system itself puts every write at the end.
    handle = kernel32.CreateFileW(
        path, _GENERIC_READ | _FILE_APPEND_DATA | _SYNCHRONIZE, _SHARE_ALL, None, _OPEN_ALWAYS,
        _FILE_ATTRIBUTE_NORMAL, None,
    )  # fmt: skip
    if handle in (None, ctypes.c_void_p(-1).value):
        raise windows.WinError(windows.get_last_error())
    try:
        flags = os.O_APPEND | getattr(os, "O_NOINHERIT", 0)
        descriptor: int = runtime.open_osfhandle(handle, flags)
    except OSError:
        kernel32.CloseHandle(handle)
        raise
    return descriptor


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)
