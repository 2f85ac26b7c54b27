"""A site's folder and its web.config files: finds and reads them, and merges them for a path.

Reads files. Must not know of requests, processes or the network.
"""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import ConfigError
from ...findings import Finding
from ...system.plain_file import read_plain
from .webconfig.file import parse
from .webconfig.merge import Level, matching_scopes, resolve
from .webconfig.model import Config
from .windows_names import Folders

__all__ = ["Site", "find_config"]

_NAME = "web.config"
_CACHED = 2048
# More than IIS reads (250 KB), to distinguish a file that is too long from a truncated file.
_MAX_BYTES = 300_000


def find_config(folder: Path) -> Path | None:
    """Return the web.config of a folder, whatever the case of its name, or None if there is none.

    Raises ConfigError for two files that differ only in case: on Windows there can be only one, and
    which one a deployment keeps is chance.
    """
    try:
        found = sorted(name for name in os.listdir(folder) if name.lower() == _NAME)
    except OSError:
        return None
    if len(found) > 1:
        raise ConfigError(
            f"{folder} holds {' and '.join(found)}, which are one file on Windows.",
            hint="Keep the one with the right settings and delete the other.",
        )
    return folder / found[0] if found else None


# The folders with a web.config on the way to a path, and their scopes that apply to it. There are
# few such keys, while clients can request any number of paths.
_Key = tuple[tuple[str, ...], tuple[tuple[int, int], ...]]


class Site:
    """The web.config files of the site in `folder`; `root` is the file of the site itself.

    Nested files are read when a path below their folder is first requested, and again after
    `forget()`.
    """

    def __init__(self, folder: Path, root: Path, *, httpplatform_version: int = 1) -> None:
        self.folder = folder
        self.root = root
        self._folders = Folders()
        self._version = httpplatform_version
        self._levels: dict[str, Level | None] = {}
        self._merged: dict[_Key, tuple[Config, tuple[Finding, ...]]] = {}

    def forget(self) -> None:
        """Read every file again when it is next needed."""
        self._levels.clear()
        self._folders.forget()
        self._merged.clear()

    def config(self, path: str) -> tuple[Config, tuple[Finding, ...]]:
        """Return the configuration for a decoded path (`/a/b`), and its findings.

        With an error among the findings, IIS responds with 500.19 only. Raises ConfigError if a
        file cannot be read.
        """
        names, others = self._split(path)
        found = [self._level("/".join(names[:count])) for count in range(len(names) + 1)]
        levels = tuple(level for level in found if level is not None)
        # Existing folders as they are spelled on disk, all other segments as requested.
        path = "/".join(["/".join(names), *others])
        key = tuple(level.folder for level in levels), matching_scopes(levels, path)
        known = self._merged.get(key)
        if known is None:
            told = [finding for level in levels for finding in level.document.findings]
            merged = resolve(levels, path, httpplatform_version=self._version)
            if len(self._merged) >= _CACHED:
                self._merged.clear()
            known = self._merged[key] = merged.config, (*told, *merged.findings)
        return known

    def _split(self, path: str) -> tuple[list[str], list[str]]:
        """Split a path into the names of the site's folders on it, and the remaining segments."""
        folder, names = self.folder, []
        segments = [segment for segment in path.split("/") if segment]
        for segment in segments:
            found = self._folders.child(folder, segment)
            if found is None or not found.is_dir() or self._leads_out(found):
                break
            folder = found
            names.append(found.name)
        return names, segments[len(names) :]

    def _leads_out(self, folder: Path) -> bool:
        """Return whether a folder is a link to a folder outside the site, which is not served."""
        if not folder.is_symlink():
            return False
        return not folder.resolve().is_relative_to(self.folder.resolve())

    def _level(self, name: str) -> Level | None:
        if name in self._levels:
            return self._levels[name]
        file = find_config(self.folder / name) if name else self.root
        level = None
        if file is not None:
            document = parse(_read(file), self._shown(file), httpplatform_version=self._version)
            level = Level(name, document)
        self._levels[name] = level
        return level

    def _shown(self, file: Path) -> str:
        """Return a file's name for findings: relative to the site if it is inside."""
        try:
            return file.relative_to(self.folder).as_posix()
        except ValueError:
            return str(file)


def _read(file: Path) -> bytes:
    try:
        return read_plain(file, _MAX_BYTES)
    except OSError as error:
        hint = "Give your user the permission to read it."
        if isinstance(error, FileNotFoundError):
            hint = "IIS cannot start Python without it: put it back."
        raise ConfigError(f"{file} cannot be read: {error.strerror}.", hint=hint) from None
