"""Ends the emulator's children, and all processes that they started, if the emulator is killed.

After SIGKILL the emulator cannot end them itself. On Linux the system then ends each child, but not
the children's children; the guard does, because all of them have the mark of the block's tree. On
Windows a job ends them, in which the emulator itself is; on other systems nothing does. Must not
know what is started.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

from ...system import process_one, spare_descriptors
from ...system.process_tree import Tree, can_find_by_mark
from ...system.tree_guard import TreeGuard, bound_to_this_process

__all__ = ["enclosing", "guarded", "mark_variables"]

_reviving = threading.Lock()
_guarding: ContextVar[tuple[TreeGuard, Tree] | None] = ContextVar("guarding", default=None)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """End what children start while the block runs, if this process is killed, and at its end."""
    process_one.step_aside()
    spare_descriptors.hold()
    if not can_find_by_mark():
        with bound_to_this_process():
            yield
        return
    guard, tree = TreeGuard(), Tree()
    guard.allow(tree.mark)
    token = _guarding.set((guard, tree))
    try:
        yield
    finally:
        _guarding.reset(token)
        guard.close()


def enclosing() -> Tree | None:
    """Return the tree of the enclosing block, if any, whose guard works if that is possible."""
    found = _guarding.get()
    if found is None:
        return None
    guard, tree = found
    with _reviving:
        guard.revive()
    return tree


def mark_variables(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables of a child with the mark of the enclosing block, if any."""
    found = _guarding.get()
    return environ if found is None else found[1].environ(environ)
