"""What a deployment with a build leaves in /home/site/wwwroot: an archive and a manifest.

The archive is a stand-in: the container that is emulated gets the build itself. Must not know where
the build is, nor what a container sees.

Sources: Oryx's start script generator (main.go and scriptgenerator.go: which archives are looked
for, and the manifest's names); for read-only folders AD, deploy-run-package.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ...azure import names
from ...system import own_files

__all__ = ["is_read_only", "write_wwwroot"]

_ARCHIVE = "output.tar.zst"
_MANIFEST = "oryx-manifest.toml"
_RUN_FROM_PACKAGE = "WEBSITE_RUN_FROM_PACKAGE"
_STANDS_FOR = b"appsvc emulate: on the platform this is the archive of the built site.\n"


def is_read_only(settings: Mapping[str, str]) -> bool:
    """Return whether /home/site/wwwroot is a package, which nothing can be written into.

    The setting is 1, or the address of a package.
    """
    value = settings.get(_RUN_FROM_PACKAGE, "").strip()
    return value == "1" or value.lower().startswith(("http://", "https://"))


def write_wwwroot(folder: Path, app_path: str, version: str, *, empty: bool) -> None:
    """Make `folder` what /home/site/wwwroot is for a site that was built.

    `app_path` is the folder that the archive is unpacked to, `version` that of Python. `empty`
    removes what an app has written there, as a deployment may do.
    """
    own_files.make_folders(folder)
    if empty:
        # Not the folder itself: another emulator of the site may have it in its container.
        for name in os.listdir(folder):
            own_files.remove_path(folder / name)
    told = {
        "CompressDestinationDir": "true",
        "PlatformName": "python",
        "PythonVersion": version,
        "SourceDirectoryInBuildContainer": app_path,
        "virtualEnvName": names.VIRTUAL_ENVIRONMENT,
    }
    lines = "".join(f'{name}="{value}"\n' for name, value in told.items())
    own_files.write_file(folder / _MANIFEST, lines.encode())
    own_files.write_file(folder / _ARCHIVE, _STANDS_FOR)
