"""Files by their exact names, also on a disk that ignores case, as Windows' and macOS's do.

The platform's container has Linux's disk, where `App.PY` is not app.py: what it will find has to be
compared with the names as a folder lists them. Must not know what the names mean.
"""

from __future__ import annotations

import os
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_file", "is_folder", "is_listed"]


def is_file(folder: Path, name: str) -> bool:
    """Return whether a folder has a file of exactly this name; False if that cannot be read.

    The name may have folders in it: these are compared too.
    """
    try:
        return (folder / name).is_file() and is_listed(folder, name)
    except (OSError, ValueError):
        return False


def is_folder(folder: Path, name: str) -> bool:
    """Return whether a folder has a folder of exactly this name, as `is_file` does."""
    try:
        return (folder / name).is_dir() and is_listed(folder, name)
    except (OSError, ValueError):
        return False


def is_listed(folder: Path, name: str) -> bool:
    """Return whether the parts of a path that exists are spelled as their folders list them.

    Only those below `folder`, so an absolute name always is. A folder that may be entered but not
    read counts as listing everything.
    """
    path = folder / name
    if not path.is_relative_to(folder):
        return True
    here = folder
    for part in path.relative_to(folder).parts:
        try:
            names = [] if part == ".." else os.listdir(here)
        except PermissionError:
            names = [part]
        if part not in ("..", *names) and not _is_composed_otherwise(part, names):
            return False
        here /= part
    return True


def _is_composed_otherwise(name: str, names: list[str]) -> bool:
    """Return whether macOS lists the name with its accents as characters of their own."""
    if name.isascii():
        return False
    composed = unicodedata.normalize("NFC", name)
    return any(unicodedata.normalize("NFC", each) == composed for each in names)
