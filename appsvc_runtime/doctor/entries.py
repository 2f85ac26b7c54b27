"""The entries of a folder, as the platform's start script sorts them."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["entries_of"]


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """Return a folder's entries in byte order, none if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError:
        return []
