"""A folder of this package's own, in which files are written and removed without following links.

Uses directory descriptors if the system supports them: each name is looked up in the open
folder, and a link in its place is an error or is replaced, never followed, whatever happens to the
path meanwhile. Elsewhere (Windows) it uses paths, and checks each parent before each use. Must not
know what the folders are for.

A link above the root, or one by which a user names the root, is the user's and is followed once.

Sources: openat(2), open(2) for O_NOFOLLOW; "Reparse Point Tags" in the Windows API reference.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from types import TracebackType

from . import files

__all__ = ["BY_DESCRIPTOR", "NO_ROOM", "OwnFolder", "is_folder", "is_link"]

_BY_NAME = {os.open, os.mkdir, os.rmdir, os.unlink, os.readlink, os.symlink, os.rename, os.stat}
BY_DESCRIPTOR = os.supports_dir_fd >= _BY_NAME and os.scandir in os.supports_fd
_MODES_BY_DESCRIPTOR = {os.chmod, os.utime} <= os.supports_fd

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_COMMON = _NO_FOLLOW | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
_COMMON |= getattr(os, "O_BINARY", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _COMMON
# Never wait for a pipe that has replaced a file.
_READ = os.O_RDONLY | _COMMON | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _COMMON
# The flag of a reparse point for another folder: a link or a junction, not a file in a cloud.
_NAME_SURROGATE = 0x2000_0000
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
# The errors for a full disk and an exhausted quota.
NO_ROOM = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def is_link(status: os.stat_result) -> bool:
    """Return whether an `lstat` result is of a symbolic link or a junction."""
    tag = getattr(status, "st_reparse_tag", 0)
    return stat.S_ISLNK(status.st_mode) or bool(tag & _NAME_SURROGATE)


def is_folder(status: os.stat_result | None) -> bool:
    """Return whether an `lstat` result is of a real folder."""
    return status is not None and stat.S_ISDIR(status.st_mode) and not is_link(status)


class OwnFolder:
    """An open folder. Names are single components; `path` is for messages.

    Methods raise OSError with the whole path in it. A context manager, which closes the folder.
    """

    def __init__(self, path: str, descriptor: int | None, above: OwnFolder | None = None) -> None:
        self.path = path
        self._descriptor = descriptor
        self._above = above

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> OwnFolder:
        """Open the root; links that a user has made may lead to it."""
        real = os.path.realpath(path)
        try:
            descriptor = os.open(real, _FOLDER) if BY_DESCRIPTOR else None
        except OSError as error:
            raise _named(error, real) from None
        made = cls(real, descriptor)
        if descriptor is None:
            made._refuse_links()
        return made

    def __enter__(self) -> OwnFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            self._above = None

    def where(self, name: str) -> str:
        """Return the path of a name, for a message."""
        return os.path.join(self.path, name)

    def status(self, name: str = "") -> os.stat_result | None:
        """Return a name's status, without following it, or None; the folder's own for ""."""
        if not name:
            return os.lstat(self.path) if self._descriptor is None else os.fstat(self._descriptor)
        at = self._at(name)
        try:
            return os.stat(at, dir_fd=self._descriptor, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _named(error, self.where(name)) from None

    def entries(self) -> list[tuple[str, os.stat_result]]:
        """Return the folder's entries, by name; an entry that vanishes meanwhile is left out."""
        found = []
        try:
            if self._descriptor is None:
                self._refuse_links()
            with os.scandir(self.path if self._descriptor is None else self._descriptor) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        found.append((entry.name, self._full_status(entry)))
        except OSError as error:
            raise _named(error, self.path) from None
        return sorted(found, key=lambda item: item[0])

    def enter(self, name: str, *, make: bool = False) -> OwnFolder:
        """Open a folder in this one; with `make`, make a missing one for its owner alone."""
        path, at = self.where(name), self._at(name)
        try:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(at, _PRIVATE_FOLDER, dir_fd=self._descriptor)
            if self._descriptor is not None:
                return OwnFolder(path, os.open(at, _FOLDER, dir_fd=self._descriptor), self)
            made = OwnFolder(path, None, self)
            made._refuse_links()
        except OSError as error:
            raise _named(error, path) from None
        return made

    def read(self, name: str, limit: int) -> bytes:
        """Return a file's content; raise OSError for a link, a non-file, and one over `limit`."""
        descriptor = self.open_file(name)
        try:
            if os.fstat(descriptor).st_size > limit:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), self.where(name))
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(limit)
        finally:
            os.close(descriptor)

    def open_file(self, name: str) -> int:
        """Open a file for reading and return its descriptor; raise OSError if it is not a file."""
        path, at = self.where(name), self._at(name)
        try:
            if self._descriptor is None and is_link(os.lstat(at)):
                raise OSError(errno.ELOOP, "it is a link", path)
            descriptor = os.open(at, _READ, dir_fd=self._descriptor)
        except OSError as error:
            raise _named(error, path) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is not a file", path)
        return descriptor

    def create(self, name: str) -> int:
        """Make a new file that only its owner can read, and return its descriptor."""
        try:
            return os.open(self._at(name), _NEW, _PRIVATE_FILE, dir_fd=self._descriptor)
        except OSError as error:
            raise _named(error, self.where(name)) from None

    def write(self, name: str, data: bytes, mode: int = _PRIVATE_FILE) -> None:
        """Write a file in place of what is there, completely or not at all."""
        new = f"{name}.new"
        self.remove(new)
        try:
            with os.fdopen(self.create(new), "wb") as file:
                file.write(data)
                if _MODES_BY_DESCRIPTOR:
                    os.chmod(file.fileno(), mode)
        except OSError as error:
            with contextlib.suppress(OSError):
                self.remove(new)
            raise _named(error, self.where(name)) from None
        there = self.status(name)
        if is_folder(there):  # a rename cannot replace it
            self.remove(name)
        try:
            folder = self._descriptor
            os.replace(self._at(new), self._at(name), src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            raise _named(error, self.where(name)) from None

    def make_link(self, name: str, target: str, *, to_folder: bool) -> None:
        """Make a symbolic link; its target is not checked."""
        try:
            os.symlink(target, self._at(name), to_folder, dir_fd=self._descriptor)
        except OSError as error:
            raise _named(error, self.where(name)) from None

    def read_link(self, name: str) -> str:
        """Return the target of a link."""
        try:
            return os.readlink(self._at(name), dir_fd=self._descriptor)
        except OSError as error:
            raise _named(error, self.where(name)) from None

    def finish(self, name: str, descriptor: int, mode: int, times: tuple[int, int]) -> None:
        """Set mode and times (in ns) of a file that is open for writing, and close it."""
        try:
            if _MODES_BY_DESCRIPTOR:
                os.chmod(descriptor, mode)
                os.utime(descriptor, ns=times)
            os.close(descriptor)
            if not _MODES_BY_DESCRIPTOR:
                os.utime(self._at(name), ns=times)
                os.chmod(self._at(name), mode)
        except OSError as error:
            raise _named(error, self.where(name)) from None

    def set_mode(self, mode: int) -> None:
        """Set the mode of the folder itself."""
        try:
            os.chmod(self.path if self._descriptor is None else self._descriptor, mode)
        except OSError as error:
            raise _named(error, self.path) from None

    def lock(self, name: str) -> int | None:
        """Lock a file as `files.lock_own` does."""
        return files.lock_own(self._at(name), folder=self._descriptor)

    def remove(self, name: str) -> None:
        """Remove a file, a link or a whole folder; a missing one is no error."""
        found = self.status(name)
        if found is None:
            return
        try:
            if is_folder(found):
                self._open_up(name, found)
                with self.enter(name) as inner:
                    for inside, _ in inner.entries():
                        inner.remove(inside)
                os.rmdir(self._at(name), dir_fd=self._descriptor)
            else:
                self._unlink(name)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _named(error, self.where(name)) from None

    def remove_empty(self, name: str) -> bool:
        """Remove a folder if it is empty; return whether it was removed."""
        try:
            os.rmdir(self._at(name), dir_fd=self._descriptor)
        except OSError:
            return False
        return True

    def _unlink(self, name: str) -> None:
        try:
            os.unlink(self._at(name), dir_fd=self._descriptor)
        except PermissionError:
            if self._descriptor is not None:
                raise
            os.chmod(self._at(name), stat.S_IWRITE)  # the file is read-only on Windows
            os.unlink(self._at(name))

    def _open_up(self, name: str, found: os.stat_result) -> None:
        """Grant this user access to a folder that will be removed, if that needs no path."""
        path_only = getattr(os, "O_PATH", 0)
        closed = found.st_mode & stat.S_IRWXU != stat.S_IRWXU
        if not closed or not path_only or self._descriptor is None:
            return
        descriptor = os.open(name, _FOLDER | path_only, dir_fd=self._descriptor)
        try:
            with contextlib.suppress(OSError):
                os.chmod(f"/proc/self/fd/{descriptor}", _PRIVATE_FOLDER)
        finally:
            os.close(descriptor)

    def _at(self, name: str) -> str:
        """Return a name as system calls take it; raise OSError if it is not a single name."""
        if name in ("", os.curdir, os.pardir) or "/" in name or os.sep in name or "\0" in name:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)
        if self._descriptor is not None:
            return name
        self._refuse_links()
        return os.path.join(self.path, name)

    def _refuse_links(self) -> None:
        """Raise OSError if this folder, or one between it and the root, is no longer a folder."""
        if self._above is not None:
            self._above._refuse_links()
        if not is_folder(os.lstat(self.path)):
            raise NotADirectoryError(errno.ENOTDIR, "it is a link, or not a folder", self.path)

    def _full_status(self, entry: os.DirEntry[str]) -> os.stat_result:
        # On Windows an entry's own status lacks the numbers that identify folders.
        if self._descriptor is None:
            return os.lstat(entry)
        return entry.stat(follow_symlinks=False)


def _named(error: OSError, path: str) -> OSError:
    """Return the error with the whole path in it, and a text for a link that was refused."""
    if error.filename is None or not os.path.isabs(str(error.filename)):
        error.filename = path
    if error.errno == errno.ELOOP:
        error.strerror = "it is a link"
    return error
