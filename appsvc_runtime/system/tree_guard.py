"""A process of its own that ends marked trees, whatever happens to the process that started it.

Processes run on when the process that started them is killed, stopped or swapped out. So another
process watches:

    guard = TreeGuard()
    guard.allow(tree.mark)         # it may run until this process is gone
    guard.allow(tree.mark, until)  # or, by `process.steady_time`, until then
    guard.revive()                 # now and then: a user may have killed or stopped it
    guard.close()

The guard reads its standard input, which the system closes with the process that started it: a line
for each change, with a time and the mark of what may run until then, if anything. At that time,
when another mark takes its place, and when the input ends, all processes with the mark are ended.

Only if a tree can be found by its mark (`process_tree.can_find_by_mark`). On Windows a job ends
with the process that made it (`bound_to_this_process`), but not when that process is suspended. If
a machine is suspended as a whole, so is all on it: what it runs is ended as soon as it continues.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import sys
from typing import TYPE_CHECKING

from . import process
from .process import set_nonblocking, steady_time
from .process_tree import Tree
from .spare_descriptors import released

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

__all__ = ["TreeGuard", "bound_to_this_process", "main"]

# Kill again after the first time, as a process may just have been starting.
_AGAIN_SECONDS, _AGAIN_TIMES = 0.5, 3
# Seconds between attempts to start a guard.
_RETRY_SECONDS = 1.0
# `python -m` would load the whole package, which takes three times the memory.
_PROGRAM = """
import sys, types
sys.modules["appsvc_runtime"] = package = types.ModuleType("appsvc_runtime")
package.__path__ = [{package!r}]
from {module} import main
sys.exit(main())
"""
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Seconds for a guard to end its tree when it is closed; then this process does it.
_CLOSE_SECONDS = 4.0


class TreeGuard:
    """A guard, started at once and again by `revive`. Use it from one thread at a time.

    Raises nothing if it cannot be started, because processes, files or memory are short.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._mark, self._until = "", math.inf
        self._tried = -math.inf
        self._closed = False
        self.revive()

    @property
    def pid(self) -> int:
        """The id of the guard's process; raise ProcessLookupError if it could not be started."""
        if self._process is None:
            raise ProcessLookupError("no guard could be started")
        return self._process.pid

    def lives(self) -> bool:
        """Return whether the guard works; a user may have killed or stopped it."""
        started = self._process
        if sys.platform == "win32" or started is None or started.poll() is not None:
            return False
        # A child can be asked for without a descriptor, unlike /proc.
        stopped = os.waitid(os.P_PID, started.pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG)
        return stopped is None

    def revive(self) -> bool:
        """Start the guard again if it does not work, once a second at most; return `lives()`.

        The new one gets the last mark and time.
        """
        if self._closed or self.lives():
            return not self._closed
        if steady_time() < self._tried + _RETRY_SECONDS:
            return False
        self._tried = steady_time()
        self._end_process()
        try:
            self._process = _start(self._line())
        except (OSError, MemoryError):
            return False
        return True

    def allow(self, mark: str, until: float = math.inf) -> None:
        """Let the tree with this mark, or nothing for "", run until a time; replaces earlier calls.

        Then all processes with the mark are killed; those of an earlier tree are killed now, except
        for "". Raise ValueError for a mark that is not a tree's.
        """
        self._mark, self._until = mark and Tree(mark).mark, until
        self._tell()

    def close(self) -> None:
        """End what may still run, and the guard: in a few seconds, even if it is stopped."""
        if self._closed:
            return
        works = self.lives()
        self._closed = True
        if works and self._process is not None:
            _close_input(self._process)
            works = _wait(self._process) == 0
        self._end_process()
        if self._mark and not works:
            Tree(self._mark).kill()

    def _tell(self) -> None:
        pipe = self._process.stdin if self._process is not None else None
        # It has ended, or it is stopped and its pipe full: see `lives`.
        with contextlib.suppress(OSError):
            if pipe is not None and not pipe.closed:
                os.write(pipe.fileno(), self._line().encode())

    def _line(self) -> str:
        return f"{self._until!r} {self._mark}\n"

    def _end_process(self) -> None:
        """Kill the guard, if it has not ended; it ends nothing then."""
        if self._process is not None:
            self._process.kill()
            _close_input(self._process)
            _wait(self._process)


@contextlib.contextmanager
def bound_to_this_process() -> Iterator[None]:
    """Let all that is started in the block end with this process, whatever ends that.

    Only on Windows, which has a job for that; does nothing elsewhere: see `TreeGuard`.
    """
    if not process.WINDOWS:
        yield
        return
    from .job_object import OwnJob

    job = OwnJob()
    try:
        yield
    finally:
        job.release()


def _start(line: str) -> subprocess.Popen[bytes]:
    """Start a guard with its first line, which it knows even if this process is killed now."""
    import subprocess  # the guard itself does not need it

    program = _PROGRAM.format(package=_PACKAGE, module=__name__)
    with released():
        started: subprocess.Popen[bytes] = subprocess.Popen(
            # -I -S: nothing of the user's runs in it.
            [sys.executable, "-I", "-S", "-c", program, line],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
    if started.stdin is not None:
        set_nonblocking(started.stdin.fileno())  # a stopped guard reads nothing
    return started


def _wait(started: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code of a guard, or None if it does not end in time."""
    import subprocess

    with contextlib.suppress(subprocess.TimeoutExpired):
        return started.wait(_CLOSE_SECONDS)
    return None


def _close_input(started: subprocess.Popen[bytes]) -> None:
    if started.stdin is not None:
        with contextlib.suppress(OSError):
            started.stdin.close()


def main() -> int:
    """Guard until the process that started this one is gone."""
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)  # the other process handles them
    source = sys.stdin.fileno()
    until, mark = _parsed(sys.argv[1])
    times, rest = 1 + _AGAIN_TIMES, b""
    while True:
        if not select.select([source], [], [], _patience(mark, until))[0]:
            Tree(mark).kill()
            until, times = steady_time() + _AGAIN_SECONDS, times - 1
            mark = mark if times else ""
            continue
        data = os.read(source, 4096)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            until, new = _parsed(line.decode())
            if mark and new and new != mark:
                Tree(mark).kill()
            mark, times = new, 1 + _AGAIN_TIMES
    if mark:
        Tree(mark).kill()
    return 0


def _parsed(line: str) -> tuple[float, str]:
    time, _, mark = line.strip().partition(" ")
    return float(time), mark


def _patience(mark: str, until: float) -> float | None:
    """Return how long to wait for the next line, or None for any time."""
    return max(0.0, until - steady_time()) if mark and until < math.inf else None
