r"""What stands around a site: its interpreter, wfastcgi, its names, the folder that is `D:\home`.

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
    """Return an interpreter's own path and version; ConfigError for what is no Python.

    A name on the path may be a script that finds one by variables which a build does not have, as
    pyenv's are.
    """
    if python == sys.executable:
        return python, sys.version_info[:2]
    found = require(python, f"--python {python!r}")
    return found.path, found.minor


def find_wfastcgi(interpreter: Interpreter) -> str:
    """Return the file of the wfastcgi that the site's Python has, else of this command's own.

    ConfigError where neither has one.
    """
    if interpreter.wfastcgi:
        return interpreter.wfastcgi
    spec = importlib.util.find_spec("wfastcgi")
    if spec is None or not spec.origin:
        raise ConfigError(
            "wfastcgi, which answers for FastCGI, is not installed.",
            hint="Install it beside this command: it is in appsvc-runtime[emulator].",
        )
    return spec.origin


def names(folder: Path, settings: Mapping[str, str], public: str) -> tuple[str, str, str]:
    """Return the site's name, its host name on the platform, and the one that clients use.

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
    made = home if home is not None else workspace.own_path(folder)
    try:
        if home is not None:
            (home / "LogFiles").mkdir(parents=True, exist_ok=True)
            return home
        for part in ("LogFiles", "site"):
            workspace.own_folder(folder, part)
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
