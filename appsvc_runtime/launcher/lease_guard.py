"""Ends a worker whose lease has run out, whatever has become of its launcher.

A process of its own, started by `singleton`: while the launcher is stopped, swapped out or gone,
the worker that it started would go on, and another instance takes the lease. It is told on standard
input, a line for each change: a time by `process.steady_time`, and the mark of what may run until
then, if anything. At that time, and when the launcher is gone, all that has the mark is ended.

Only where a tree can be found by its mark; Windows ends a job with the launcher, but not when that
is held up. A machine that is stopped as a whole has everything on it held up at once: what it runs
is ended as soon as it goes on.
"""

from __future__ import annotations

import queue
import signal
import sys
import threading

from ..system.process import steady_time
from ..system.process_tree import Tree

__all__ = ["main"]

# After the first time, as a start may have been on its way.
_AGAIN_SECONDS, _AGAIN_TIMES = 0.5, 3


def main() -> int:
    """Guard until the launcher is gone."""
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)  # for the launcher to act on
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    mark, until, times = "", 0.0, 0
    while True:
        patience = max(0.0, until - steady_time()) if mark else None
        try:
            line = lines.get(timeout=patience)
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


def _read(lines: queue.SimpleQueue[str | None]) -> None:
    for line in sys.stdin:
        lines.put(line)
    lines.put(None)


if __name__ == "__main__":
    raise SystemExit(main())
