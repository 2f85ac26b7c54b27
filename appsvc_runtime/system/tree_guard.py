"""A process of its own that ends marked trees, whatever happens to the process that started it.

Processes run on when the process that started them is killed, stopped or swapped out. So another
process watches:

    guard = TreeGuard()
    guard.allow(tree.mark)         # it may run until this process is gone
    guard.allow(tree.mark, until)  # or, by `process.steady_time`, until then
    guard.close()

The guard reads its standard input, which the system closes with the process that started it: a line
for each change, with a time and the mark of what may run until then, if anything. At that time, and
when its input ends, all processes with the mark are ended.

Only if a tree can be found by its mark (`process_tree.can_find_by_mark`). On Windows a job ends
with the process that made it, but not when that process is suspended. If a machine is suspended as
a whole, so is all on it: what it runs is ended as soon as it continues.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import signal
import subprocess
import sys
import threading

from .process import steady_time
from .process_tree import Tree

__all__ = ["TreeGuard", "main"]

# Kill again after the first time, as a process may just have been starting.
_AGAIN_SECONDS, _AGAIN_TIMES = 0.5, 3


class TreeGuard:
    """A started guard. Use it from one thread at a time; raise OSError if it cannot be started."""

    def __init__(self) -> None:
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        paths = [package, os.environ.get("PYTHONPATH", "")]
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            cwd=package,  # python -m searches the current folder first: not one of the user's
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The id of the guard's process."""
        return self._process.pid

    def lives(self) -> bool:
        """Return whether the guard still runs; another program or a user may have killed it."""
        return self._process.poll() is None

    def allow(self, mark: str, until: float = math.inf) -> None:
        """Let the tree with this mark, or nothing for "", run until a time; replaces earlier calls.

        Then all processes with the mark are killed. Raise ValueError for a mark that is not a
        tree's.
        """
        mark = mark and Tree(mark).mark
        pipe = self._process.stdin
        with contextlib.suppress(OSError):  # it has ended, as `lives` reports
            if pipe is not None and not pipe.closed:
                pipe.write(f"{until!r} {mark}\n".encode())
                pipe.flush()

    def close(self) -> None:
        """End what may still run, and wait until the guard has ended."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process.wait()


def main() -> int:
    """Guard until the process that started this one is gone."""
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)  # the other process handles them
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    mark, until, times = "", math.inf, 0
    while True:
        try:
            line = lines.get(timeout=_patience(mark, until))
        except queue.Empty:
            Tree(mark).kill()
            until, times = steady_time() + _AGAIN_SECONDS, times - 1
            mark = mark if times else ""
            continue
        if line is None:
            break
        time, _, mark = line.strip().partition(" ")
        until, times = float(time), 1 + _AGAIN_TIMES
    if mark:
        Tree(mark).kill()
    return 0


def _patience(mark: str, until: float) -> float | None:
    """Return how long to wait for the next line, or None for any time."""
    return max(0.0, until - steady_time()) if mark and until < math.inf else None


def _read(lines: queue.SimpleQueue[str | None]) -> None:
    for line in sys.stdin:
        lines.put(line)
    lines.put(None)


if __name__ == "__main__":
    raise SystemExit(main())
