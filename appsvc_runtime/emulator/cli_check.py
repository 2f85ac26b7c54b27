"""The option `--check [PATH]`: its value, and hints for a user who named a folder with it.

Must not know how a site is requested.
"""

from __future__ import annotations

import os

from ..errors import ConfigError

__all__ = ["find_folder_note", "read_check_path"]


def read_check_path(value: str | None, *, site_named: bool) -> str | None:
    """Return the path to request, or None without a check.

    `site_named`: the command line names a site as well. The value is a path of the site, never a
    folder of this machine. Raise ConfigError if it does not start with a slash.
    """
    if value is None or value.startswith("/"):
        return value
    if value and not site_named and (os.path.isdir(value) or value.startswith((".", "~"))):
        raise ConfigError(
            f"--check {value!r} is not a path of the site: it looks like the site's folder.",
            hint=f"Write the folder first: appsvc emulate {value} --check.",
        )
    raise ConfigError(
        f"--check {value!r} is not a path of the site.",
        hint="Write it with a slash, --check /health, or --check alone for /.",
    )


def find_folder_note(path: str, *, site_named: bool) -> str:
    """Return a note for a user whose path to request is also a folder on this machine, or "".

    A shell expands `~/shop` to `/home/ann/shop`. A short path, `/home`, is more likely the site's.
    """
    if site_named or path.count("/") < 2 or not os.path.isdir(path):
        return ""
    return (
        f"{path} is requested from the site in the current folder; to emulate the folder of that "
        f"name, write: appsvc emulate {path} --check."
    )
