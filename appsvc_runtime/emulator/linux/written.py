"""Which files a running container has written into the folder of its site.

Reads a container's own view of its folders. Must not know how they are mounted there.

Source: proc_pid_root(5).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["describe_written"]

_MAX_SHOWN, _MAX_SEEN = 5, 1_000
# What Python itself writes, and no user misses.
_CACHES = ("__pycache__",)


def describe_written(pid: int, layer: Path) -> str:
    """Return the names of files that were written to `layer`, in the view of a process; "" if none.

    It is also "" if that view cannot be read.
    """
    root = Path(f"/proc/{pid}/root") / layer.relative_to("/")
    found = sorted(_names(root))
    shown = ", ".join(found[:_MAX_SHOWN])
    return f"{shown}, …" if len(found) > _MAX_SHOWN else shown


def _names(root: Path) -> Iterator[str]:
    seen = 0
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _CACHES]
        for name in files:
            seen += 1
            if seen > _MAX_SEEN:
                return
            yield os.path.relpath(os.path.join(folder, name), root)
