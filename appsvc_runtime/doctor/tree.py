"""The files of a site, listed once: names only, no content, no links followed.

Folders that hold no source of the site's own are listed by name and not entered. Must not know what
the names mean.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["MAX_FILES", "Tree", "list_tree"]

# Enough for any site; a whole disk that was named by mistake must not take minutes.
MAX_FILES = 100_000
_NOT_ENTERED = frozenset(
    {"node_modules", "__pycache__", "site-packages", ".git", ".hg", ".svn", ".tox", ".mypy_cache"}
    | {".pytest_cache", ".ruff_cache", ".appsvc"}
)


@dataclass(frozen=True)
class Tree:
    """Names in a site, with `/`: `files`, and the `left_out` folders that were not entered.

    `environments` are the virtual environments among these. `is_whole` is False if there were too
    many files to list.
    """

    files: frozenset[str]
    left_out: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    is_whole: bool = True
    by_name: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def ending(self, *endings: str) -> Iterator[str]:
        """Yield the files whose names end so, those of upper folders first."""
        found = [name for name in self.files if name.endswith(endings)]
        yield from sorted(found, key=lambda name: (name.count("/"), name))

    def named(self, name: str) -> list[str]:
        """Return the files with this last part, those of upper folders first."""
        return sorted(self.by_name.get(name, ()), key=lambda one: (one.count("/"), one))


def list_tree(folder: Path) -> Tree:
    """Return the files of a folder; what cannot be read is left out. Raise no OSError."""
    files: list[str] = []
    left_out: list[str] = []
    environments: list[str] = []
    waiting = [""]
    while waiting and len(files) < MAX_FILES:
        prefix = waiting.pop()
        try:
            with os.scandir(folder / prefix) as entries:
                inner = list(entries)
        except OSError:
            continue
        if prefix and any(entry.name == "pyvenv.cfg" for entry in inner):
            environments.append(prefix.rstrip("/"))
            left_out.append(prefix.rstrip("/"))
            continue
        for entry in inner:
            name = prefix + entry.name
            if _is_folder(entry):
                if entry.name in _NOT_ENTERED:
                    left_out.append(name)
                else:
                    waiting.append(f"{name}/")
            elif _is_file(entry):
                files.append(name)
    by_name: dict[str, list[str]] = {}
    for name in files:
        by_name.setdefault(name.rpartition("/")[2], []).append(name)
    whole = len(files) < MAX_FILES
    return Tree(
        frozenset(files), tuple(sorted(left_out)), tuple(sorted(environments)), whole, by_name
    )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:
        return False
