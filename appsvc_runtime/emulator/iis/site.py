"""A site's folder and its web.config files: finds and reads them, and merges them for a path.

Reads files. Must not know of requests, processes or the network.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ...errors import ConfigError
from ...findings import Finding
from ...system.plain_file import read_plain
from .applications import Application, Applications, Located
from .webconfig.file import parse
from .webconfig.merge import Level, matching_scopes, resolve
from .webconfig.model import Config
from .windows_names import Folders, folded

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
        found = sorted(name for name in os.listdir(folder) if folded(name) == _NAME)
    except OSError:
        return None
    if len(found) > 1:
        raise ConfigError(
            f"{folder} holds {' and '.join(found)}, which are one file on Windows.",
            hint="Keep the one with the right settings and delete the other.",
        )
    return folder / found[0] if found else None


# The application of a path, the folders with a web.config on the way to it, and their scopes that
# apply to it. There are few such keys, while clients can request any number of paths.
_Key = tuple[str, tuple[str, ...], tuple[tuple[int, int], ...]]


class Site:
    """The web.config files of the site in `folder`; `root` is the file of the site itself.

    None is the one in its folder, if any. `applications` are others than the site's own. Nested
    files are read when a path below their folder is first requested, and again after `forget()`.
    """

    def __init__(
        self,
        folder: Path,
        root: Path | None,
        *,
        httpplatform_version: int = 1,
        applications: Iterable[Application] = (),
    ) -> None:
        self.folder = folder
        self.root = root
        self.applications = Applications(Application("", folder, root), applications)
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
        names, folders, others = self._split(path)
        found = [self._level("/".join(names[:count]), each) for count, each in enumerate(folders)]
        levels = tuple(level for level in found if level is not None)
        # Existing folders as they are spelled on disk, all other segments as requested.
        path = "/".join(["/".join(names), *others])
        application = self.applications.locate(f"/{path.lstrip('/')}").application.path
        scopes = matching_scopes(levels, path, application)
        key = application, tuple(level.folder for level in levels), scopes
        known = self._merged.get(key)
        if known is None:
            told = [finding for level in levels for finding in level.document.findings]
            merged = resolve(
                levels, path, application=application, httpplatform_version=self._version
            )
            if len(self._merged) >= _CACHED:
                self._merged.clear()
            known = self._merged[key] = merged.config, (*told, *merged.findings)
        return known

    def own_config(self, application: Application) -> Config:
        """Return the configuration that an application's own web.config alone sets."""
        level = self._level(application.path.strip("/"), application.folder)
        levels = () if level is None else (level,)
        path = application.path
        version = self._version
        return resolve(levels, path, application=path, httpplatform_version=version).config

    def locate(self, path: str) -> Located:
        """Return the application of a decoded path, and the part of the path below it."""
        return self.applications.locate(path)

    def _split(self, path: str) -> tuple[list[str], list[Path | None], list[str]]:
        """Split a path into the names of the folders on it, and the remaining segments.

        The folders come between the two, the site's own first, so that there is one more than
        names. They are None where only an application further below is.
        """
        place: Application = self.applications.own
        folder: Path | None = place.folder
        folders, names = [folder], list[str]()
        segments = [segment for segment in path.split("/") if segment]
        for segment in segments:
            application = self.applications.at([*names, segment])
            found = None if folder is None else self._folders.child(folder, segment)
            if application is not None:
                place, folder = application, application.folder
                name = application.path.rpartition("/")[2]
            elif found is not None and found.is_dir() and not _leads_out(found, place.folder):
                folder, name = found, found.name
            elif self.applications.is_above([*names, segment]):
                folder, name = None, folded(segment)
            else:
                break
            folders.append(folder)
            names.append(name)
        return names, folders, segments[len(names) :]

    def _level(self, name: str, folder: Path | None) -> Level | None:
        """Return the web.config of the folder at the path `name`, as a level; None without one."""
        if name in self._levels:
            return self._levels[name]
        application = self.applications.at(name.split("/") if name else ())
        if application is not None and application.root is not None:
            file: Path | None = _respelled(application.root)
        else:
            file = None if folder is None else find_config(folder)
        level = None
        if file is not None:
            document = parse(_read(file), self._shown(file), httpplatform_version=self._version)
            level = Level(name, document)
        self._levels[name] = level
        return level

    def _shown(self, file: Path) -> str:
        """Return a file's name for findings: relative to the site if it is inside.

        A file of another application begins with that folder, as the user has named it.
        """
        owner = self.applications.owner(file)
        if owner is None:
            return str(file)
        inside = file.relative_to(owner.folder).as_posix()
        return f"{Path(owner.shown).as_posix()}/{inside}" if owner.shown else inside


def _leads_out(folder: Path, application: Path) -> bool:
    """Return whether a folder is a link out of the application, which is not served."""
    if not folder.is_symlink():
        return False
    return not folder.resolve().is_relative_to(application.resolve())


def _respelled(file: Path) -> Path:
    """Return a web.config as it is spelled now: on Windows all spellings are one file."""
    if file.exists() or folded(file.name) != _NAME:
        return file
    return find_config(file.parent) or file


def _read(file: Path) -> bytes:
    try:
        return read_plain(file, _MAX_BYTES)
    except OSError as error:
        hint = "Give your user the permission to read it."
        if isinstance(error, FileNotFoundError):
            hint = "IIS cannot start Python without it: put it back."
        raise ConfigError(f"{file} cannot be read: {error.strerror}.", hint=hint) from None
