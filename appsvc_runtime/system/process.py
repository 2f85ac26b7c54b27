"""This process and others: replacing one, return codes, cores, clocks, standard streams.

Only this package checks which operating system this is.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "MAC",
    "WINDOWS",
    "cpu_count",
    "describe_end",
    "exit_code",
    "is_foreign",
    "is_running",
    "memory_folder",
    "open_standard_streams",
    "replace_process",
    "set_nonblocking",
    "steady_time",
]

WINDOWS = sys.platform == "win32"
MAC = sys.platform == "darwin"


def is_foreign(path: Path, folder: Path) -> bool:
    """Return whether a file is another user's: neither root's, nor ours, nor the folder's owner's.

    For a link, both the link and its target count. Always False on Windows. Raise OSError.
    """
    if WINDOWS:
        return False
    known = {0, os.geteuid()}
    with contextlib.suppress(OSError):  # it may be missing
        known.add(folder.stat().st_uid)
    return not {path.lstat().st_uid, path.stat().st_uid} <= known


def cpu_count() -> int:
    """Return the number of cores that this process may use, at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def memory_folder() -> str | None:
    """Return a folder that is in memory, if a writable one exists."""
    return "/dev/shm" if not WINDOWS and os.access("/dev/shm", os.W_OK | os.X_OK) else None


def open_standard_streams() -> None:
    """Open closed standard streams on the null device.

    Otherwise the next file or pipe that is opened would get the number of a closed stream, and
    receive its output.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:  # not the lowest free number
                os.dup2(opened, descriptor)
                os.close(opened)


def set_nonblocking(descriptor: int) -> None:
    """Make reading and writing of a pipe's descriptor fail instead of wait. Not on Windows."""
    if not WINDOWS:
        os.set_blocking(descriptor, False)


def replace_process(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run `argv` in place of this process, so that signals sent to its id reach the new program.

    Its variables are `environ`.

    Windows cannot do that: there the program is run and waited for, and its exit code returned.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it was closed before we started
            stream.flush()
    if WINDOWS:
        import subprocess

        return exit_code(subprocess.run(argv, env=environ, check=False).returncode)
    os.execve(argv[0], list(argv), environ)
    raise AssertionError("execve returned")  # it never does; this tells the type checker


def is_running(pid: int) -> bool:
    """Return whether a process with that id exists; True if that is unknown."""
    if WINDOWS:
        from . import windows_process

        return windows_process.is_running(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def steady_time() -> float:
    """Return seconds on a monotonic clock, the same for all processes of this machine.

    If the system has such a clock, it includes the time that the machine slept.
    """
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    if WINDOWS or boot_time is None:
        return time.monotonic()
    return time.clock_gettime(boot_time)


def exit_code(code: int) -> int:
    """Return the exit code for a child's return code, as a shell does: 128+n for a signal.

    On Windows it is the same code as a signed number: of a larger one SystemExit makes -1.
    """
    if WINDOWS:
        return code - 2**32 if code >= 2**31 else code
    return 128 - code if code < 0 else code


def describe_end(code: int) -> str:
    """Return a child's return code in words: `exit code 3`, `signal 9`.

    On Windows the code of a crash is also shown as Windows itself names it, such as 0xC0000005.
    """
    if WINDOWS and code >= 2**31:
        return f"exit code {exit_code(code)} (0x{code:08X})"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
