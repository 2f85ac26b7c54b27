"""Names in folders, found as Windows finds them, whatever their case.

`entry` reads the folder each time; `Folders` caches the names for lookups that every request needs
(is there a web.config on its way?). Must not know of requests.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

__all__ = ["Folders", "entry", "folded"]

_REMEMBERED = 1024


def folded(name: str) -> str:
    """Return a name or path as Windows and IIS compare it: without regard to case.

    A letter with an accent is one character or two, as on the disks of macOS.
    """
    return unicodedata.normalize("NFC", name).lower()


def entry(folder: str, name: str) -> str | None:
    """Return the name of a folder's entry: the exact one, else the first that differs in case.

    Return None if there is no such name, or no such folder. Raises PermissionError.
    """
    try:
        names = os.listdir(folder)
    except PermissionError:
        raise
    except (OSError, ValueError):  # it is not a folder, or was deleted
        return None
    if name in names:
        return name
    wanted = folded(name)
    return next((each for each in sorted(names) if folded(each) == wanted), None)


class Folders:
    """The names in folders, cached until a folder changes."""

    def __init__(self) -> None:
        self._names: dict[Path, tuple[int, frozenset[str], dict[str, str]]] = {}

    def child(self, folder: Path, name: str) -> Path | None:
        """Return the entry called `name` in a folder, the exact name first, or None.

        It is spelled as the folder lists it, also on disks that ignore case. Return None also for a
        name that no file can have on Windows or here.
        """
        if not name or name in (".", "..") or any(mark in name for mark in "/\\:\0"):
            return None
        try:
            exact, spellings = self._listing(folder)
            found = name if name in exact else spellings.get(folded(name))
            return None if found is None else folder / found
        except (OSError, ValueError):
            return None

    def _listing(self, folder: Path) -> tuple[frozenset[str], dict[str, str]]:
        """Return the names in a folder, and the same by their folded form."""
        changed = os.stat(folder).st_mtime_ns
        known = self._names.get(folder)
        if known is None or known[0] != changed:
            names = sorted(os.listdir(folder), reverse=True)
            # Of names that differ only in case, the first in sorted order is kept.
            known = (changed, frozenset(names), {folded(each): each for each in names})
            if len(self._names) >= _REMEMBERED:
                self._names.clear()
            self._names[folder] = known
        return known[1], known[2]

    def forget(self) -> None:
        """Drop the cache: a change within a clock tick may not have changed the folder's time."""
        self._names.clear()
