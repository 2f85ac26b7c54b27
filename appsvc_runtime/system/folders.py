"""Places that differ by operating system: caches, and a virtual environment's Python.

Must not know what is kept there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from . import process

__all__ = [
    "foreign_python_in",
    "has_one_writer",
    "other_systems",
    "python_in",
    "user_cache",
]

_WINDOWS, _POSIX = Path("Scripts", "python.exe"), Path("bin", "python")


def python_in(environment: Path) -> Path:
    """Return the path of a virtual environment's interpreter; on Windows, also of conda's."""
    made = environment / (_WINDOWS if process.WINDOWS else _POSIX)
    conda = environment / "python.exe"
    return conda if process.WINDOWS and not made.is_file() and conda.is_file() else made


def foreign_python_in(environment: Path) -> Path:
    """Return the interpreter's path in a virtual environment that was made on another system."""
    return environment / (_POSIX if process.WINDOWS else _WINDOWS)


def other_systems() -> str:
    """Return the names of the systems that use the path of `foreign_python_in`."""
    return "Linux or macOS" if process.WINDOWS else "Windows"


def user_cache(environ: Mapping[str, str], name: str) -> Path | None:
    """Return the current user's cache folder for the program `name`.

    It may not exist. Return None if the user is unknown. Source: platformdirs, which Poetry uses
    too.
    """
    # A relative path must be ignored (XDG Base Directory Specification).
    if os.path.isabs(environ.get("XDG_CACHE_HOME", "")):
        return Path(environ["XDG_CACHE_HOME"], name)
    if process.WINDOWS and environ.get("LOCALAPPDATA"):
        return Path(environ["LOCALAPPDATA"], name, "Cache")
    home = Path(environ.get("HOME", ""))
    if process.WINDOWS or not home.is_absolute():
        home = _account_home()
    if not home.is_absolute():
        return None
    if process.WINDOWS:
        return home / "AppData" / "Local" / name / "Cache"
    return home / ("Library/Caches" if process.MAC else ".cache") / name


def _account_home() -> Path:
    """Return the account's home folder, or a relative path if it is unknown."""
    if process.WINDOWS:
        return Path(os.path.expanduser("~"))
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path()


def has_one_writer(folder: os.stat_result, owner: os.stat_result) -> bool:
    """Return whether a folder is `owner`'s and others may not write to it, as far as is known.

    Windows' permissions are not read: there the result is True.
    """
    return process.WINDOWS or (folder.st_uid == owner.st_uid and not folder.st_mode & stat.S_IWOTH)
