"""Names in folders, found as Windows finds them, whatever their case.

`entry` reads the folder each time; `Folders` caches the names for lookups that every request needs
(is there a web.config on its way?). Must not know of requests.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

__all__ = ["Folders", "entry"]

_REMEMBERED = 1024


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
    wanted = _fold(name)
    return next((each for each in sorted(names) if _fold(each) == wanted), None)


class Folders:
    """The names in folders, cached until a folder changes."""

    def __init__(self) -> None:
        self._names: dict[Path, tuple[int, dict[str, str]]] = {}

    def child(self, folder: Path, name: str) -> Path | None:
        """Return the entry called `name` in a folder, the exact name first, or None.

        Return None also for a name that no file can have on Windows or here.
        """
        if not name or name in (".", "..") or any(mark in name for mark in "/\\:\0"):
            return None
        try:
            found = self._spellings(folder).get(_fold(name))
            if found is None:
                return None
            exact = folder / name
            return exact if found == name or exact.exists() else folder / found
        except (OSError, ValueError):
            return None

    def _spellings(self, folder: Path) -> dict[str, str]:
        """Return the names in a folder by their case-folded form."""
        changed = os.stat(folder).st_mtime_ns
        known = self._names.get(folder)
        if known is None or known[0] != changed:
            names = sorted(os.listdir(folder), reverse=True)
            # Of names that differ only in case, the first in sorted order is kept.
            known = (changed, {_fold(each): each for each in names})
            if len(self._names) >= _REMEMBERED:
                self._names.clear()
            self._names[folder] = known
        return known[1]

    def forget(self) -> None:
        """Drop the cache: a change within a clock tick may not have changed the folder's time."""
        self._names.clear()


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).lower()
