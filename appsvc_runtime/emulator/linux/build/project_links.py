"""Refuses links through which setuptools and other backends would write outside of the copy.

pip builds a project in its own folder. Must not know how packages are installed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ....azure import names as azure_names
from ....errors import ConfigError

__all__ = ["refuse_links"]

_PROJECT = {"setup.py", "setup.cfg", "pyproject.toml"}
# setuptools keeps its metadata beside the packages, often in src.
_WRITTEN = re.compile(r"build|dist|.+\.egg-info")
_PACKAGES = "src"


def refuse_links(folder: Path) -> None:
    """Raise ConfigError for a link in the copy `folder` by which an installation would leave it."""
    base = os.path.realpath(folder)
    for above, folders, files in os.walk(base):
        if above == base:
            folders[:] = [name for name in folders if name != azure_names.VIRTUAL_ENVIRONMENT]
        if not _PROJECT.intersection(files):
            continue
        for path in _written(above):
            if os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(base):
                raise ConfigError(
                    f"{os.path.relpath(path, base)} of the site is a link to "
                    f"{os.path.realpath(path)}, and installing the project would write there.",
                    hint="Remove the link, or put a folder in its place.",
                )


def _written(project: str) -> list[str]:
    """Return the paths below a project's folder that a backend may write to."""
    found = []
    for folder in (project, os.path.join(project, _PACKAGES)):
        if os.path.isdir(folder) and not os.path.islink(folder):
            names = filter(_WRITTEN.fullmatch, sorted(os.listdir(folder)))
            found += [os.path.join(folder, name) for name in names]
    return found
