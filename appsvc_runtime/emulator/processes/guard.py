"""Ends the emulator's children, and all processes that they started, if the emulator is killed.

After SIGKILL the emulator cannot end them itself. On Linux the system then ends each child, but not
the children's children; the guard does, because all of them have a mark in their variables. A
process that has removed the mark and outlives its parent is not found. On Windows a job object ends
them, on other systems nothing does. Must not know what is started.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

from ...system.process_tree import Tree, can_find_by_mark
from ...system.tree_guard import TreeGuard

__all__ = ["guarded", "mark_variables"]

_tree: ContextVar[Tree | None] = ContextVar("guarded_tree", default=None)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """End what children start while the block runs, if this process is killed.

    If the guard cannot be started, because there are too many processes, the block runs without it.
    """
    guard = None
    with contextlib.suppress(OSError):
        guard = TreeGuard() if can_find_by_mark() else None
    if guard is None:
        yield
        return
    tree = Tree()
    guard.allow(tree.mark)
    token = _tree.set(tree)
    try:
        yield
    finally:
        _tree.reset(token)
        guard.close()


def mark_variables(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables of a child with the mark of the enclosing block, if any."""
    tree = _tree.get()
    return environ if tree is None else tree.environ(environ)
