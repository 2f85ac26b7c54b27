"""A mark that a process passes on to all that it starts, and that no usual way to hide removes.

A program can clear its variables, make a session of its own, lose its parent and change its name.
What Linux keeps in all of these is resource limits. One of them, RLIMIT_LOCKS, has had no effect
since Linux 2.4.25, and /proc shows it of every process. So the two numbers of that limit are the
mark: the soft limit is the innermost tree, the hard limit the outermost. Both are made of the
text of a tree's mark; the numbers of two random marks are the same once in 2**61 times.

PR_SET_CHILD_SUBREAPER was the alternative. It makes orphans children of the process that sets it,
but only as long as that process lives: when it is killed, nothing distinguishes its orphans from
others. And what they leave must be waited for, without taking an exit code that other code
waits for.

Must not know what the mark is for. Sources: setrlimit(2), proc(5) for /proc/PID/limits.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from . import procfs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["carries", "setter"]

# The number of RLIMIT_LOCKS, the same on all machines; Python has no name for it.
_RLIMIT_LOCKS = 10
_NAME = "Max file locks"
# A prime: a random text's remainder is a random number.
_MODULUS = 2**61 - 1
_INNER, _OUTER = 2**61, 2**62


def setter(mark: str, outer: str = "") -> Callable[[], None]:
    """Return what a child calls before it executes a program; all is loaded and made beforehand.

    `outer` is the mark of the outermost tree, `mark` itself by default. A process that has one from
    further outside keeps that. Where the limit cannot be set, nothing happens.
    """
    if sys.platform != "linux" or sys.maxsize < _OUTER:
        return lambda: None
    import resource

    hard = resource.getrlimit(_RLIMIT_LOCKS)[1]
    if hard == resource.RLIM_INFINITY:
        hard = _number(_OUTER, outer or mark)
    soft = _number(_INNER, mark)
    set_limit = resource.setrlimit

    def call() -> None:
        try:
            set_limit(_RLIMIT_LOCKS, (soft, hard))
        except (OSError, ValueError):  # the hard limit is a lower one, of someone else
            return

    return call


def carries(pid: int, mark: str) -> bool:
    """Return whether a process has a mark, as its innermost or its outermost one."""
    soft, hard = procfs.limit(pid, _NAME)
    return soft == str(_number(_INNER, mark)) or hard == str(_number(_OUTER, mark))


def _number(above: int, mark: str) -> int:
    return above + int.from_bytes(mark.encode(), "big") % _MODULUS
