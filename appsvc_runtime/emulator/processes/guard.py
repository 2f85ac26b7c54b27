"""What ends the emulator's children, and all that they have started, when the emulator is killed.

Killed by SIGKILL it ends nothing itself. On Linux the system then ends each child, but not what
that has started; the guard does, as all of it has a mark. What has removed the mark from its own
variables and outlives its parent is not found. On Windows a job does it, elsewhere nothing does.
Must not know what is started.
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
    """Have what children start while the block runs ended, should this process be killed.

    Where no guard can be had, as there are too many processes, the block runs without.
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
    """Return the variables of a child with the mark of the block that it is started in, if any."""
    tree = _tree.get()
    return environ if tree is None else tree.environ(environ)
