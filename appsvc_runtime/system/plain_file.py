"""Reading a file that lies in a folder of somebody's: never waiting for a pipe, nor without end.

Must not know what is read.
"""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["read_plain"]

# Opening a pipe that nobody writes to would wait for ever; a terminal must not become this one's.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_FLAGS |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
# More than any file has that a person writes. A file of gigabytes takes no room on a disk that
# leaves out zeros, and would take all memory here.
_MAX_BYTES = 16 * 1024 * 1024


def read_plain(path: str | os.PathLike[str], limit: int = _MAX_BYTES) -> bytes:
    """Return the first bytes of a file, at most `limit`; links are followed.

    OSError where it cannot be read, also for a pipe, a device and a folder. ValueError for what can
    be no path.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a file", os.fspath(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)
