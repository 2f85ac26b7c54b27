"""The option `--check [PATH]`: what its value means, and what a user meant who named a folder.

Must not know how a site is requested.
"""

from __future__ import annotations

import os

from ..errors import ConfigError

__all__ = ["find_folder_note", "read_check_path"]


def read_check_path(value: str | None, *, site_named: bool) -> str | None:
    """Return the path to request, None where nothing is to be checked.

    `site_named`: the command line names a site as well. The value is a path of the site, never a
    folder of this machine. ConfigError for one that does not begin with a slash.
    """
    if value is None or value.startswith("/"):
        return value
    if value and not site_named and (os.path.isdir(value) or value.startswith((".", "~"))):
        raise ConfigError(
            f"--check {value!r} is no path of the site: it looks like the site's folder.",
            hint=f"Write the folder first: appsvc emulate {value} --check.",
        )
    raise ConfigError(
        f"--check {value!r} is no path of the site.",
        hint="Write it with a slash, --check /health, or --check alone for /.",
    )


def find_folder_note(path: str, *, site_named: bool) -> str:
    """Return what to tell a user whose path to request is a folder on this machine as well, or "".

    A shell makes `/home/ann/shop` of `~/shop`. Short paths, `/home`, are as likely the site's.
    """
    if site_named or path.count("/") < 2 or not os.path.isdir(path):
        return ""
    return (
        f"{path} is requested from the site in the current folder; to emulate the folder of that "
        f"name, write: appsvc emulate {path} --check."
    )
