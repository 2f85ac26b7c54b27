r"""What stands around a site: its interpreter, wfastcgi, its names, the folder that is `D:\home`.

Looks at files and makes that folder. Must not know of web.config or of processes.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from ..builder import places
from ..errors import ConfigError

__all__ = [
    "ask_interpreter",
    "find_interpreter",
    "find_wfastcgi",
    "make_home",
    "names",
    "resolve_interpreter",
]

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def find_interpreter(python: str) -> str:
    """Give the interpreter's path: `--python`, which may be a name or a virtual environment.

    Symbolic links stay: a virtual environment's interpreter is one.
    """
    if not python:
        return sys.executable
    path = Path(python)
    inside = [path / "bin" / "python", path / "Scripts" / "python.exe"] if path.is_dir() else []
    there = [c for c in [*inside, path] if c.is_file() and os.access(c, os.X_OK)]
    found = there[0] if there else None if path.parent.name else shutil.which(python)
    if found is None:
        raise ConfigError(
            f"--python {python!r} is no interpreter that can be run.",
            hint="Name a python, or the folder of a virtual environment.",
        )
    return os.path.abspath(found)


@lru_cache
def resolve_interpreter(python: str) -> tuple[str, tuple[int, int]]:
    """Have an interpreter say its own path and version.

    A name on the path may be a script that finds one by variables which a build does not have, as
    pyenv's are. ConfigError for what is no Python.
    """
    if python == sys.executable:
        return python, sys.version_info[:2]
    code = "import sys; print('Python', *sys.version_info[:2], sys.executable)"
    try:
        asked = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, timeout=30, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        words = asked.stdout.strip().split(maxsplit=3)
        if words[0] == "Python" and os.path.isfile(words[3]):
            return words[3], (int(words[1]), int(words[2]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        pass
    raise ConfigError(
        f"--python {python!r} does not run as Python.", hint="Name another interpreter."
    )


@lru_cache
def ask_interpreter(python: str) -> str:
    """Have an interpreter say where its wfastcgi is, "" where it has none.

    ConfigError for what is no Python.
    """
    code = (
        "import importlib.util; found = importlib.util.find_spec('wfastcgi'); "
        "print('Python:' + (found.origin if found else ''))"
    )
    try:
        asked = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, timeout=30, check=False
        )
        said = asked.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        said = ""
    if not said.startswith("Python:"):
        raise ConfigError(
            f"--python {python!r} does not run as Python.", hint="Name another interpreter."
        )
    return said.partition(":")[2]


def find_wfastcgi(python: str) -> str:
    """Give the wfastcgi that the site's interpreter has, else the one that this one has."""
    found = ask_interpreter(python) if python != sys.executable else ""
    if found:
        return found
    spec = importlib.util.find_spec("wfastcgi")
    if spec is None or not spec.origin:
        raise ConfigError(
            "wfastcgi, which answers for FastCGI, is not installed.",
            hint='Install it with `pip install "appsvc-runtime[emulator]"`.',
        )
    return spec.origin


def names(folder: Path, settings: Mapping[str, str], public: str) -> tuple[str, str, str]:
    """Give the site's name, its host name on the platform, and the one that visitors use.

    `settings` are the app settings, which may say the first two; `public` is `--public-name`.
    """
    name = settings.get("WEBSITE_SITE_NAME") or re.sub("[^a-z0-9]+", "-", folder.name.lower())
    name = name.strip("-") or "site"
    default = settings.get("WEBSITE_HOSTNAME") or f"{name}.azurewebsites.net"
    for host in (default, public or default):
        if not _HOST_NAME.fullmatch(host.lower()):
            raise ConfigError(
                f"{host[:80]!r} is no host name.", hint="Write --public-name as www.example.com."
            )
    return name, default.lower(), (public or default).lower()


def make_home(folder: Path, home: Path | None) -> Path:
    r"""Make the folder that stands for `D:\home`, and give it.

    `home` is the one that a user names, into which nothing is put that need not be; else it is
    `.appsvc` beside the site, with a folder for each site there, so that none finds another's logs.
    """
    made = home if home is not None else places.own_path(folder)
    try:
        if home is not None:
            (home / "LogFiles").mkdir(parents=True, exist_ok=True)
            return home
        for part in ("LogFiles", "site"):
            places.own_folder(folder, part)
    except OSError as error:
        raise ConfigError(
            f"The folder {made}, which stands for D:\\home, cannot be made: {error.strerror}.",
            hint=r"Name another with --map 'D:\home=DIR'.",
        ) from None
    link = made / "site" / "wwwroot"
    # Windows asks for a right to make links; the paths in web.config do without.
    with contextlib.suppress(OSError):
        if not link.exists():
            link.unlink(missing_ok=True)  # one that leads nowhere
            link.symlink_to(folder, target_is_directory=True)
    return made
