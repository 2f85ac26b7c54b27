"""Names in folders, found as Windows finds them, whatever their case, and remembered.

For what every request asks (is there a web.config on its way?); what is served is looked up in
`sitefiles`, each time anew. Must not know of requests.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["Folders"]

_REMEMBERED = 1024


class Folders:
    """What stands in folders, until they change."""

    def __init__(self) -> None:
        self._names: dict[Path, tuple[int, dict[str, str]]] = {}

    def child(self, folder: Path, name: str) -> Path | None:
        """Give what is called `name` in a folder, the exact name first; None where nothing is.

        A name that cannot be one of a file on Windows or here is that of nothing.
        """
        if not name or name in (".", "..") or any(mark in name for mark in "/\\:\0"):
            return None
        try:
            changed = os.stat(folder).st_mtime_ns
            known = self._names.get(folder)
            if known is None or known[0] != changed:
                names = sorted(os.listdir(folder), reverse=True)
                # Where two differ in case alone, the one that sorts first is it.
                known = (changed, {entry.lower(): entry for entry in names})
                if len(self._names) >= _REMEMBERED:
                    self._names.clear()
                self._names[folder] = known
            found = known[1].get(name.lower())
            if found is None:
                return None
            exact = folder / name
            return exact if found == name or exact.exists() else folder / found
        except (OSError, ValueError):
            return None

    def forget(self) -> None:
        """Look anew: within a clock's tick, a change may not have changed the folder's time."""
        self._names.clear()
