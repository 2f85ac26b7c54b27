"""Reading a file in a folder of a user's: never waits for a pipe, never reads without end.

Must not know what is read.
"""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["read_plain"]

# Opening a pipe without a writer would wait forever; a terminal must not become this process's own.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_FLAGS |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
# More than any hand-written file has. A sparse file of gigabytes takes no space on disk, but would
# take all memory here.
_MAX_BYTES = 16 * 1024 * 1024


def read_plain(path: str | os.PathLike[str], limit: int = _MAX_BYTES) -> bytes:
    """Return the first bytes of a file, at most `limit`; links are followed.

    Raise OSError if it cannot be read, also for a pipe, a device and a folder. Raise ValueError for
    an invalid path.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a file", os.fspath(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)
