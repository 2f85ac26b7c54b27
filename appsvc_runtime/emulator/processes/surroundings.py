r"""The surroundings of a site: its interpreter, wfastcgi, its names, the folder for `D:\home`.

Looks at files and makes that folder. Must not know of web.config or of processes.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from ...errors import ConfigError
from . import workspace
from .interpreter import Interpreter, require

__all__ = [
    "find_wfastcgi",
    "make_home",
    "names",
    "resolve_interpreter",
]

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def resolve_interpreter(python: str) -> tuple[str, tuple[int, int]]:
    """Return an interpreter's own path and version; raise ConfigError if it is not Python 3.

    A name on the path may be a script, such as pyenv's, that chooses an interpreter by variables
    which a build does not have.
    """
    if python == sys.executable:
        return python, sys.version_info[:2]
    found = require(python, f"--python {python!r}")
    return found.path, found.minor


def find_wfastcgi(interpreter: Interpreter) -> str:
    """Return the wfastcgi file of the site's Python, else of this command's own.

    Raise ConfigError if neither has one.
    """
    if interpreter.wfastcgi:
        return interpreter.wfastcgi
    spec = importlib.util.find_spec("wfastcgi")
    if spec is None or not spec.origin:
        raise ConfigError(
            "wfastcgi, which implements FastCGI, is not installed.",
            hint="Install it beside this command: it is in appsvc-runtime[emulator].",
        )
    return spec.origin


def names(folder: Path, settings: Mapping[str, str], public: str) -> tuple[str, str, str]:
    """Return the site's name, its host name on the platform, and the one that clients use.

    `settings` are the app settings, which may set the first two; `public` is `--public-name`.
    """
    name = settings.get("WEBSITE_SITE_NAME") or re.sub("[^a-z0-9]+", "-", folder.name.lower())
    name = name.strip("-") or "site"
    default = settings.get("WEBSITE_HOSTNAME") or f"{name}.azurewebsites.net"
    for host in (default, public or default):
        if not _HOST_NAME.fullmatch(host.lower()):
            raise ConfigError(
                f"{host[:80]!r} is not a host name.", hint="Write --public-name as www.example.com."
            )
    return name, default.lower(), (public or default).lower()


def make_home(folder: Path, home: Path | None) -> Path:
    r"""Make and return the folder that becomes `D:\home`.

    `home` is a folder that the user names, in which only the necessary is made; without it, the
    folder is `.appsvc` beside the site, with a folder for each site, so that sites do not share
    logs.
    """
    made = home if home is not None else workspace.own_path(folder)
    try:
        if home is not None:
            (home / "LogFiles").mkdir(parents=True, exist_ok=True)
            return home
        for part in ("LogFiles", "site"):
            workspace.own_folder(folder, part)
    except OSError as error:
        raise ConfigError(
            f"The folder {made}, which becomes D:\\home, cannot be made: {error.strerror}.",
            hint=r"Name another with --map 'D:\home=DIR'.",
        ) from None
    link = made / "site" / "wwwroot"
    # Windows requires a right to make links; the paths in web.config work without this link.
    with contextlib.suppress(OSError):
        if not link.exists():
            link.unlink(missing_ok=True)  # if its target is gone
            link.symlink_to(folder, target_is_directory=True)
    return made
