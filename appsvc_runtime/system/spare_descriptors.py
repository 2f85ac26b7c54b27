"""Descriptors held back for what must work when no others are left, such as ending processes.

`hold` takes them, once and early, so that their numbers are low: a limit that is lowered later
leaves them. A block of `released` gives them to the process while it runs. Must not know what
needs them.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["hold", "released"]

# Starting a program with a pipe takes five.
_WANTED = 6

_held: list[int] = []
_wanted = 0
_lock = threading.RLock()
_inside = 0


def hold() -> None:
    """Hold descriptors back from now on, as many as there are."""
    global _wanted
    with _lock:
        _wanted = _WANTED
        _take()


@contextlib.contextmanager
def released() -> Iterator[None]:
    """Release what is held for the block, one thread at a time; without `hold`, do nothing."""
    global _inside
    if not _wanted:
        yield
        return
    with _lock:
        while _held:
            os.close(_held.pop())
        _inside += 1
        try:
            yield
        finally:
            _inside -= 1
            _take()


def _take() -> None:
    """Take what is missing; another thread may have taken some meanwhile."""
    with contextlib.suppress(OSError):
        while not _inside and len(_held) < _wanted:
            _held.append(os.open(os.devnull, os.O_RDONLY))
