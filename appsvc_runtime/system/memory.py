"""How much memory this machine has, or the control group that this process is limited to.

Must not know what it is for. Sources: sysconf(3); the kernel's documentation of control groups v2.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import process

__all__ = ["total_bytes"]

_LIMIT = Path("/sys/fs/cgroup/memory.max")


def total_bytes() -> int | None:
    """Return the number of bytes, or None if the system does not report it."""
    if process.WINDOWS:
        return None
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
    try:
        limit = _LIMIT.read_text("ascii").strip()
    except (OSError, ValueError):
        limit = ""
    return min(total, int(limit)) if limit.isdigit() else total
