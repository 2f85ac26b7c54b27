"""Folders never to be copied or written to as a whole: a disk, a home folder, a folder above one.

Looks at folders. Must not know what a command does with a site. Only commands that copy or write
use this: an app that is only served may be in the home folder, as in many containers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

from ...errors import ConfigError

__all__ = ["check_output", "check_site", "describe_whole", "home_folders"]

_SAME, _HOLDS = "is", "holds"


def check_site(named: str | os.PathLike[str], environ: Mapping[str, str], command: str) -> None:
    """Raise ConfigError if the site `named` by the user is a disk, a home folder or holds one.

    Links and `..` are followed. `command` is what the user ran, for the message; `environ` holds
    this process's own variables.
    """
    what = describe_whole(named, environ)
    if what:
        raise ConfigError(
            f"The site {_shown(named)} {what}, and {command} copies or watches the whole site and "
            "writes beside it.",
            hint=f"Name the folder of your app: {command} FOLDER.",
        )


def check_output(
    named: str | os.PathLike[str],
    environ: Mapping[str, str],
    option: str,
    site: Path,
    *,
    may_hold_site: bool = False,
) -> None:
    """Raise ConfigError if a folder to write into is a disk, a home folder, the site or holds one.

    `option` is the command-line option that names it. `may_hold_site`: it may be above the site.
    """
    what = describe_whole(named, environ)
    relation = _relation(named, [site])
    if not what and relation and not (may_hold_site and relation == _HOLDS):
        what = "holds the site itself"
    if what:
        raise ConfigError(
            f"{option} {_shown(named)} {what}, and its files would be replaced or mixed with "
            "those of the build.",
            hint="Name a folder that holds nothing else.",
        )


def home_folders(environ: Mapping[str, str]) -> list[Path]:
    """Return the user's home folders from `environ`, and under sudo that of the real user."""
    found = [environ.get("HOME", ""), environ.get("USERPROFILE", "")]
    if not any(found):
        found.append(os.path.expanduser("~"))  # from the account database
    if environ.get("SUDO_USER"):
        found.append(os.path.expanduser(f"~{environ['SUDO_USER']}"))
    return [Path(each) for each in found if os.path.isabs(each)]


def describe_whole(named: str | os.PathLike[str], environ: Mapping[str, str]) -> str:
    """Return why a folder must not be used as a whole, or ""."""
    if any(_is_root(path) for path in _forms(named)):
        return "is the root of a disk"
    relation = _relation(named, home_folders(environ))
    return relation and f"{relation} your home folder"


def _relation(named: str | os.PathLike[str], places: Iterable[Path]) -> str:
    """Return `_SAME` if a folder is one of `places`, `_HOLDS` if it holds one, else ""."""
    found = ""
    forms = _forms(named)
    for place in places:
        for end in _forms(place):
            if any(_is_same(path, end) for path in forms):
                return _SAME
            if any(_is_same(path, above) for path in forms for above in end.parents):
                found = _HOLDS
    return found


def _forms(named: str | os.PathLike[str]) -> list[Path]:
    """Return a path as commands use it, and as the system resolves its links.

    They differ if `..` comes after a link.
    """
    used = os.path.abspath(named)
    forms = (used, os.path.realpath(used), os.path.realpath(named))
    return [Path(each) for each in dict.fromkeys(forms)]


def _is_root(path: PurePath) -> bool:
    """Return whether a path is the root of a file system, a Windows drive or a network share."""
    return path.parent == path


def _is_same(one: Path, other: Path) -> bool:
    """Return whether two paths are one folder, even if the disk ignores case or is mounted twice.

    A path that does not exist is compared by its name.
    """
    if os.path.normcase(one) == os.path.normcase(other):
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _shown(named: str | os.PathLike[str]) -> str:
    text, real = os.fspath(named), os.path.realpath(named)
    return repr(text) if text == real else f"{text!r} ({real!r})"
