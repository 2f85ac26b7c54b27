"""Find apps in files where the platform does not look: other names, or a folder below the site.

Reads files, and imports or runs nothing. Must not know what the result is used for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..azure import names as azure_names
from . import python_files
from .wsgi_search import is_file, is_searched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["AppFile", "misplaced_apps"]

# A hint is not worth reading a whole disk.
_MAX_FILES_READ = 200
_MAX_FOUND = 3
_USUAL = ("main.py", *azure_names.FLASK_FILES, "__init__.py")


@dataclass(frozen=True)
class AppFile:
    """A file with an app: `path` in the site, and how `appsvc serve` is told of it.

    `site` is the folder to start in, "" for the site's own; `app` is module:attr; `is_asgi` if the
    app is of an ASGI framework.
    """

    path: Path
    site: str
    app: str
    is_asgi: bool


def misplaced_apps(entries: Iterable[os.DirEntry[str]]) -> Iterator[AppFile]:
    """Yield up to three apps in other files of a site, or in folders directly in it."""
    found = 0
    for path, is_package in _files(entries):
        names = python_files.read_names(path)
        apps = names.made_apps()
        if not apps:
            continue
        folder = path.parent.name if is_package is not None else ""
        inside = f"{folder}." if is_package else ""
        module = folder if path.name == "__init__.py" else f"{inside}{path.stem}"
        yield AppFile(
            Path(folder) / path.name,
            "" if is_package else folder,
            f"{module}:{apps[0]}",
            names.is_asgi(apps[0]),
        )
        found += 1
        if found == _MAX_FOUND:
            return


def _files(entries: Iterable[os.DirEntry[str]]) -> Iterator[tuple[Path, bool | None]]:
    """Yield files that may have an app, and whether their folder is a package; None for the site.

    In the site itself each file is read, in a folder those with a usual name.
    """
    listed = list(entries)
    own = [Path(entry.path) for entry in listed if entry.name.endswith(".py")]
    count = 0
    for path in sorted(
        own, key=lambda path: _USUAL.index(path.name) if path.name in _USUAL else 99
    ):
        if is_file(path) and path.stem.isidentifier() and count < _MAX_FILES_READ:
            count += 1
            yield path, None
    for folder in (entry for entry in listed if entry.is_dir(follow_symlinks=False)):
        if not is_searched(folder):
            continue
        is_package = is_file(Path(folder.path) / "__init__.py") and folder.name.isidentifier()
        for name in _USUAL:
            path = Path(folder.path) / name
            if (is_package or name != "__init__.py") and count < _MAX_FILES_READ and is_file(path):
                count += 1
                yield path, is_package
