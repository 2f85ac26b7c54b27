"""Converts the Windows paths and `%VAR%` of a web.config to those of this machine.

Pure, except that it looks whether files exist. Must not know of web.config or of processes.
"""

from __future__ import annotations

import ntpath
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import ConfigError
from ...system.plain_file import read_plain
from ..processes.command_line import split_command_line
from .windows_names import entry

__all__ = ["PathMap", "expand", "is_home", "parse_map", "split_command_line"]

# Variables that hold lists of folders; their separator is this system's, not that of Windows.
_FOLDER_LISTS = frozenset({"PYTHONPATH", "PATH"})
_VARIABLE = re.compile("%([^%=]+)%")
# App Service has the site's home on either drive (facts: D:, and C: on newer workers).
_HOME = re.compile(r"[cd]:\\home(?=\\|$)", re.IGNORECASE)
_ABSOLUTE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_PYTHON = re.compile(r"python[w0-9.]*?(\.exe)?", re.IGNORECASE)


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace `%NAME%` by the variable, without regard to case; leave unknown names unchanged.

    ExpandEnvironmentStrings of Windows does the same.
    """
    if "%" not in text:
        return text
    names = {name.upper(): value for name, value in environ.items()}
    return _VARIABLE.sub(lambda found: names.get(found[1].upper(), found[0]), text)


def is_home(windows: str) -> bool:
    r"""Return whether a Windows path is the home of a site on App Service, `D:\home`."""
    found = _HOME.match(windows)
    return found is not None and not windows[found.end() :].strip("\\")


def parse_map(text: str) -> tuple[str, Path]:
    r"""Parse `D:\data=DIR`, a Windows path and its folder on this machine. Raises ConfigError."""
    if len(text) > 1 and text[0] == text[-1] == "'":  # cmd.exe passes these quotes on
        text = text[1:-1]
    windows, sign, folder = text.partition("=")
    if not sign or not _ABSOLUTE.match(windows) or not folder:
        raise ConfigError(
            f"--map {text!r} is not a Windows path, an equals sign and a folder.",
            hint=r"Write it as --map 'D:\data=DIR'.",
        )
    # Shells do not expand a ~ after an equals sign.
    return ntpath.normpath(windows), Path(os.path.expanduser(folder)).absolute()


class PathMap:
    r"""Maps the Windows paths of a site to paths of this machine.

    `site` is its folder (`D:\home\site\wwwroot`), `home` stands for the rest of `D:\home`, and
    `python` is the interpreter for every `python.exe`. `maps` (`--map`) take precedence over these,
    the longest path first. `folder` is that of one of its applications, by default the site's own:
    the current folder of its processes. `others` are the folders of applications beside the site's
    folder, by their names in `D:\home\site`.
    """

    def __init__(
        self,
        site: Path,
        home: Path,
        python: str,
        maps: Sequence[tuple[str, Path]] = (),
        *,
        folder: Path | None = None,
        others: Mapping[str, Path] | None = None,
    ) -> None:
        # The folder of the application, which is the site's own for most.
        self.site = site if folder is None else folder
        folders = {**(others or {}), "wwwroot": site}
        self._folders = {rf"site\{ntpath.normpath(name)}": at for name, at in folders.items()}
        self.home = home
        self.python = python
        self._maps = sorted(maps, key=lambda pair: len(pair[0]), reverse=True)

    def local(self, text: str) -> Path | None:
        """Return this machine's path for a path of web.config, or None if it has none here.

        A relative path is below the application's folder, the current one on the platform.
        """
        text = text[4:] if text.startswith("\\\\?\\") else text
        path = ntpath.normpath(text)
        # `%HOME%\site\wwwroot`, if the variable held a path of this machine.
        inside = _rest(path, ntpath.normpath(str(self.home)))
        found = None if inside is None else self._in_home(inside)
        if found is not None:
            return found
        if _ABSOLUTE.match(path):
            return self._mapped(text, path)
        if os.path.isabs(text):
            first, _, others = text.partition("\\")
            return _below(Path(first), others)
        return _below(self.site, path)

    def _in_home(self, path: str) -> Path | None:
        r"""Return the place of a path below `D:\home`, if it is in an application's folder."""
        for name, folder in self._folders.items():
            rest = _rest(path.lstrip("\\"), name)
            if rest is not None:
                return _below(folder, rest)
        return None

    def _mapped(self, text: str, path: str) -> Path | None:
        """Return the path for an absolute Windows path: by --map, else as on the platform."""
        for windows, folder in self._maps:
            rest = _rest(path, windows)
            if rest is not None:
                return _below(folder, rest)
        home = _HOME.match(path)
        if home:
            inside = path[home.end() :]
            return self._in_home(inside) or _below(self.home, inside)
        here = Path(text)
        return here if os.path.isabs(text) and _can_exist(here) else None

    def argument(self, word: str) -> str:
        r"""Return one argument of a program with its Windows path, if any, converted.

        A path is the whole argument, the part after an equals sign (`--config=D:\home\x.ini`), or a
        relative path with backslashes that exists in the site.
        """
        before, sign, after = word.rpartition("=")
        if "\\" not in after and not _ABSOLUTE.match(after):
            return word
        if _is_absolute(after):
            found = self.local(after)
        else:
            found = _below(self.site, ntpath.normpath(after))
            if not found.exists():
                found = None
        return f"{before}{sign}{found}" if found is not None else word

    def value(self, text: str) -> str:
        """Return a setting's value with its paths, separated by semicolons, converted."""
        parts = []
        for part in text.split(";"):
            found = self.local(part.strip()) if _is_absolute(part.strip()) else None
            parts.append(part if found is None else str(found))
        return ";".join(parts)

    def variable(self, name: str, text: str) -> str:
        """Return the value of the variable `name` with its paths and separators converted."""
        value = self.value(text)
        return value.replace(";", os.pathsep) if name.upper() in _FOLDER_LISTS else value

    def source(self, text: str) -> str | None:
        """Return the text of a script that web.config names, or None if it cannot be read."""
        found = self.local(text)
        try:
            return None if found is None else read_plain(found).decode("utf-8", "replace")
        except (OSError, ValueError):
            return None

    def program(self, text: str) -> str | None:
        r"""Return this machine's program for a processPath, or None if there is none.

        Every Python is `python`. Another program of a Python installation (`Scripts\flask.exe`) is
        the one beside `python`. Any other program must exist.
        """
        name = ntpath.basename(text.strip().strip('"'))
        if _PYTHON.fullmatch(name):
            return self.python
        stem = name[:-4] if name.lower().endswith(".exe") else name
        if ntpath.basename(ntpath.dirname(text)).lower() == "scripts" or name == text:
            for suffix in ("", ".exe"):
                beside = Path(self.python).parent / (stem + suffix)
                if beside.is_file():
                    return str(beside)
        found = self.local(text.strip().strip('"'))
        return str(found) if found is not None and found.is_file() else None


def _is_absolute(text: str) -> bool:
    """Return whether a text is a Windows path, or a path of this machine with backslashes in it."""
    return bool(_ABSOLUTE.match(text)) or (os.path.isabs(text) and "\\" in text)


def _rest(path: str, prefix: str) -> str | None:
    r"""Return the part of a path below a folder, or None if the path is not in it."""
    prefix = prefix.rstrip("\\")
    if path.lower() == prefix.lower():
        return ""
    if path.lower().startswith(prefix.lower() + "\\"):
        return path[len(prefix) :]
    return None


def _can_exist(path: Path) -> bool:
    """Return whether a path of this machine exists, or may be made in a folder that exists."""
    above = path.parent
    return path.exists() or (above.is_dir() and above != above.parent)


def _below(base: Path, rest: str) -> Path:
    """Return the path `rest` below a folder; existing names match in any case, as on Windows.

    `..` is resolved textually, as on Windows.
    """
    path = base
    for part in rest.replace("/", "\\").split("\\"):
        if part in ("", "."):
            continue
        if part == "..":
            path = path.parent
            continue
        path = _any_case(path, part)
    return path


def _any_case(folder: Path, name: str) -> Path:
    exact = folder / name
    if exact.exists():
        return exact
    try:
        found = entry(str(folder), name)
    except PermissionError:
        found = None
    return exact if found is None else folder / found
