"""Find apps in files where the platform does not look: other names, or a folder below the site.

Reads files, and imports or runs nothing. Must not know what the result is used for.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..azure import names as azure_names
from ..system.exact_names import is_file
from . import python_files
from .wsgi_search import is_searched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["AppFile", "entries_of", "misplaced_apps", "spelled_otherwise"]

# A hint is not worth reading a whole disk.
_MAX_FILES_READ = 200
_MAX_FOUND = 3
# Where projects keep their packages, so that none is imported by accident.
_SOURCES = "src"
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
    """Yield up to three apps in other files of a site, in its folders, or in packages of `src`."""
    found = 0
    for path, site, prefix in itertools.islice(_files(entries), _MAX_FILES_READ):
        names = python_files.read_names(path)
        apps = names.made_apps()
        if not apps:
            continue
        module = prefix.rstrip(".") if path.name == "__init__.py" else f"{prefix}{path.stem}"
        folders = [part for part in (site, prefix.rstrip(".")) if part]
        yield AppFile(
            Path(*folders) / path.name, site, f"{module}:{apps[0]}", names.is_asgi(apps[0])
        )
        found += 1
        if found == _MAX_FOUND:
            return


def spelled_otherwise(entries: Iterable[os.DirEntry[str]]) -> Iterator[str]:
    """Yield a sentence for each file that has the name of a Flask app in another case."""
    for entry in entries:
        name = entry.name.lower()
        if name in azure_names.FLASK_FILES and name != entry.name:
            yield (
                f"{entry.name} is not {name} for the platform's Linux, where upper and lower case "
                f"differ: rename the file to {name}."
            )


def _files(entries: Iterable[os.DirEntry[str]]) -> Iterator[tuple[Path, str, str]]:
    """Yield files that may have an app, each with the folder to start in and its package's name.

    In the site itself each file is read, in a folder those with a usual name. The folder is "" for
    the site's own, the package's name has a dot behind it or is "".
    """
    listed = list(entries)
    own = [Path(entry.path) for entry in listed if entry.name.endswith(".py")]
    for path in sorted(
        own, key=lambda path: _USUAL.index(path.name) if path.name in _USUAL else 99
    ):
        if is_file(path.parent, path.name) and path.stem.isidentifier():
            yield path, "", ""
    for folder in _searched(listed):
        yield from _in_folder(folder, "")
        if folder.name == _SOURCES:
            for inner in _searched(entries_of(folder.path)):
                if _is_package(inner):
                    yield from _in_folder(inner, _SOURCES)


def _in_folder(folder: os.DirEntry[str], site: str) -> Iterator[tuple[Path, str, str]]:
    is_package = _is_package(folder)
    for name in _USUAL:
        if (is_package or name != "__init__.py") and is_file(Path(folder.path), name):
            path = Path(folder.path) / name
            yield path, site if is_package else folder.name, f"{folder.name}." if is_package else ""


def _is_package(folder: os.DirEntry[str]) -> bool:
    return is_file(Path(folder.path), "__init__.py") and folder.name.isidentifier()


def _searched(entries: Iterable[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
    return (one for one in entries if one.is_dir(follow_symlinks=False) and is_searched(one))


def entries_of(path: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """Return a folder's entries in byte order, none if it cannot be read."""
    try:
        return sorted(os.scandir(path), key=lambda entry: os.fsencode(entry.name))
    except OSError:
        return []
