"""Whether a process runs, on every system: on Windows `os.kill(pid, 0)` would be Ctrl-C."""

from __future__ import annotations

import os

from appsvc_runtime.system import process, procfs

__all__ = ["exists", "is_running"]


def exists(pid: int) -> bool:
    """Return whether a process with this id exists; on POSIX one that was not waited for does."""
    if process.WINDOWS:
        return process.is_running(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_running(pid: int) -> bool:
    """Return whether a process has not ended; if /proc shows it, a zombie has."""
    found = procfs.look(pid)
    return exists(pid) and (found is None or found.running)
