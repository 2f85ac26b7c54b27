"""Find wsgi.py files that are too deep in a site's folder for the platform to find.

Reads names of folders and files, never a file. Must not know what the result is used for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..system import exact_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["deeper_wsgi_files", "is_searched"]

# Folders that contain no site. Only this search for hints skips them; the platform itself looks in
# every folder except the virtual environment.
_NOT_SEARCHED = frozenset({"node_modules", "__pycache__", "site-packages"})
# A hint is not worth reading a whole disk.
_MAX_FOLDERS_SEARCHED = 2_000


def deeper_wsgi_files(entries: Iterable[os.DirEntry[str]]) -> Iterator[Path]:
    """Yield up to three wsgi.py files two folders deep, where the platform does not look."""
    seen = found = 0
    for outer in entries:
        if seen >= _MAX_FOLDERS_SEARCHED:
            return
        if not outer.is_dir(follow_symlinks=False) or not is_searched(outer):
            continue
        seen += 1
        for inner in _folders_in(outer.path):
            seen += 1
            if seen > _MAX_FOLDERS_SEARCHED or found == 3:
                return
            if is_searched(inner) and exact_names.is_file(Path(inner.path), "wsgi.py"):
                found += 1
                yield Path(outer.name) / inner.name / "wsgi.py"


def is_searched(entry: os.DirEntry[str]) -> bool:
    """Return whether a folder may hold a site, not a virtual environment or the like."""
    return not (
        entry.name.startswith(".")
        or entry.name in _NOT_SEARCHED
        or os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))
    )


def _folders_in(path: str) -> list[os.DirEntry[str]]:
    try:
        return sorted(
            (entry for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)),
            key=lambda entry: os.fsencode(entry.name),
        )
    except OSError:
        return []
