"""A site's folder and its web.config files: which there are, and what holds for a path.

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
# More than IIS reads (250 KB), so that a file that is too long is told from one that is cut.
_MAX_BYTES = 300_000


def find_config(folder: Path) -> Path | None:
    """Give the web.config of a folder, in whatever case its name is; None where there is none.

    ConfigError for two that differ in nothing but case: on Windows there can be only one, and which
    one a deployment keeps is chance.
    """
    try:
        found = sorted(name for name in os.listdir(folder) if name.lower() == _NAME)
    except OSError:
        return None
    if len(found) > 1:
        raise ConfigError(
            f"{folder} holds {' and '.join(found)}, which are one file on Windows.",
            hint="Keep the one that counts and delete the other.",
        )
    return folder / found[0] if found else None


# The folders with a web.config on the way to a path, and the scopes in these that hold for it: few,
# where visitors can make up as many paths as they like.
_Key = tuple[tuple[str, ...], tuple[tuple[int, int], ...]]


class Site:
    """The web.config files of the site in `folder`; `root` is the file of the site itself.

    Nested files are read when a path below their folder is first asked for, and again after
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
        """Read every file anew when it is next needed."""
        self._levels.clear()
        self._folders.forget()
        self._merged.clear()

    def config(self, path: str) -> tuple[Config, tuple[Finding, ...]]:
        """Return what holds for a decoded path (`/a/b`), and what is wrong with it.

        Where an error is among the findings, IIS answers 500.19 and nothing else. ConfigError where
        a file cannot be read.
        """
        names, others = self._split(path)
        found = [self._level("/".join(names[:count])) for count in range(len(names) + 1)]
        levels = tuple(level for level in found if level is not None)
        # As the folders are spelled, and what is no folder as it was asked for.
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
        """Split a path into the folders of the site that it leads through, and what follows."""
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
        """Return whether a folder is a link to one outside of the site, which is not the site's."""
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
        """Give a file's name as findings show it: relative to the site where it is in there."""
        try:
            return file.relative_to(self.folder).as_posix()
        except ValueError:
            return str(file)


def _read(file: Path) -> bytes:
    try:
        return read_plain(file, _MAX_BYTES)
    except OSError as error:
        hint = "Give yourself the right to read it."
        if isinstance(error, FileNotFoundError):
            hint = "IIS cannot start Python without it: put it back."
        raise ConfigError(f"{file} cannot be read: {error.strerror}.", hint=hint) from None
