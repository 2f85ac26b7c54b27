"""Finds the file or folder of the site at a decoded path, as Windows does, and opens it safely.

Reads folders and files. Must not know of requests, types or headers. Names are looked up in the
listing of their folder, and never opened as requested. So short names, streams, devices, and
trailing dots and blanks lead nowhere on any system, and case does not matter. No path leads out of
the site's folder, not even through links, and no path leads to web.config.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..http.url_paths import is_file_name, is_web_config, windows_name
from .windows_names import entry, folded

__all__ = ["Found", "exists_as", "find", "open_found", "physical_path"]


@dataclass(frozen=True)
class Found:
    """A file or folder of the site: its path without links, its name in the site, its stat data."""

    path: str
    name: str
    figures: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Return whether this is a folder."""
        return stat.S_ISDIR(self.figures.st_mode)


def find(site: Path, path: str) -> Found | None:
    """Return the file or folder at a decoded path, which begins with a slash; None if none exists.

    Also None for pipes, devices and the like, for links out of the site, for web.config, and for a
    file's path with a trailing slash. Raises PermissionError if a folder must not be read.
    """
    root = os.path.realpath(site)
    names = _spelled(root, path)
    if names is None:
        return None
    found = _look(root, names)
    if found is None:
        return None
    is_file = stat.S_ISREG(found.figures.st_mode) and not path.endswith("/")
    return found if found.is_folder or is_file else None


def _look(root: str, names: list[str]) -> Found | None:
    try:
        real = os.path.realpath(os.path.join(root, *names))
        if not _is_inside(real, root) or (names and is_web_config(os.path.basename(real))):
            return None
        return Found(real, names[-1] if names else "", os.stat(real))
    except PermissionError:
        raise
    except (OSError, ValueError):
        return None


def _spelled(root: str, path: str) -> list[str] | None:
    """Return the names of a path as spelled on disk, or None if one is missing or refused."""
    names: list[str] = []
    for segment in filter(None, path.split("/")):
        if not is_file_name(segment) or is_web_config(segment):
            return None
        there = entry(os.path.join(root, *names), segment)
        if there is None:
            return None
        names.append(there)
    return names


def open_found(found: Found) -> tuple[BinaryIO, os.stat_result]:
    """Open a file that was found; return it with its current stat data. The caller closes it.

    Raises OSError; FileNotFoundError also if another file has replaced it meanwhile.
    """
    flags = os.O_RDONLY
    for name in ("O_BINARY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOINHERIT"):
        flags |= getattr(os, name, 0)
    descriptor = os.open(found.path, flags)
    try:
        now = os.fstat(descriptor)
        if not os.path.samestat(now, found.figures) or not stat.S_ISREG(now.st_mode):
            raise FileNotFoundError(found.path)
        return os.fdopen(descriptor, "rb", buffering=0), now
    except BaseException:
        os.close(descriptor)
        raise


def physical_path(site: Path, path: str) -> str:
    """Return the file path of a decoded path, whether a file exists there or not.

    An existing file is spelled as on disk, others as requested. Rules see this path as
    `{REQUEST_FILENAME}`.
    """
    try:
        found = find(site, path)
    except OSError:
        found = None
    if found is not None:
        return found.path
    names = [windows_name(segment) for segment in path.split("/") if segment]
    return os.path.join(os.path.realpath(site), *[name for name in names if name])


def exists_as(site: Path) -> tuple[Callable[[str], bool], Callable[[str], bool]]:
    """Return the functions behind IsFile and IsDirectory of rules; both take a file path.

    Paths may have slashes of either kind. Outside the site nothing exists. web.config counts as a
    file, as in IIS: its existence is not a secret.
    """
    root = os.path.realpath(site)

    def look(physical: str) -> Found | None:
        path = os.path.normpath(physical.replace("\\", os.sep).replace("/", os.sep))
        # A rule may have changed the case of the whole path, as {ToLower:…} does.
        if not _is_inside(folded(path[: len(root)]) + path[len(root) :], folded(root)):
            return None
        try:
            return find(site, "/" + path[len(root) :].replace(os.sep, "/").lstrip("/"))
        except OSError:
            return None

    def is_file(physical: str) -> bool:
        found = look(physical)
        if found is not None:
            return not found.is_folder
        folder, _, name = physical.replace("\\", "/").rpartition("/")
        above = look(folder) if is_web_config(name) else None
        return above is not None and above.is_folder and entry(above.path, name) is not None

    def is_directory(physical: str) -> bool:
        found = look(physical)
        return found is not None and found.is_folder

    return is_file, is_directory


def _is_inside(path: str, root: str) -> bool:
    path, root = os.path.normcase(path), os.path.normcase(root)
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
