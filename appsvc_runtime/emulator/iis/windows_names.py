"""Names in folders, found as Windows finds them, whatever their case.

`entry` looks each time anew; `Folders` remembers, for what every request asks (is there a
web.config on its way?). Must not know of requests.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

__all__ = ["Folders", "entry"]

_REMEMBERED = 1024


def entry(folder: str, name: str) -> str | None:
    """Give the name of a folder's entry: the very same, else the first that differs in case.

    None where nothing is called so, or the folder is none. Raises PermissionError.
    """
    try:
        names = os.listdir(folder)
    except PermissionError:
        raise
    except (OSError, ValueError):  # it is no folder, or has gone
        return None
    if name in names:
        return name
    wanted = _fold(name)
    return next((each for each in sorted(names) if _fold(each) == wanted), None)


class Folders:
    """What stands in folders, until they change."""

    def __init__(self) -> None:
        self._names: dict[Path, tuple[int, dict[str, str]]] = {}

    def child(self, folder: Path, name: str) -> Path | None:
        """Return what is called `name` in a folder, the exact name first; None where nothing is.

        A name that cannot be one of a file on Windows or here is that of nothing.
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
        """Return the names in a folder by what they are without case."""
        changed = os.stat(folder).st_mtime_ns
        known = self._names.get(folder)
        if known is None or known[0] != changed:
            names = sorted(os.listdir(folder), reverse=True)
            # Where two differ in case alone, the one that sorts first is it.
            known = (changed, {_fold(each): each for each in names})
            if len(self._names) >= _REMEMBERED:
                self._names.clear()
            self._names[folder] = known
        return known[1]

    def forget(self) -> None:
        """Look anew: within a clock's tick, a change may not have changed the folder's time."""
        self._names.clear()


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).lower()
