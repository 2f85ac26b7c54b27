"""Where builds, the data of an emulated site, and caches are kept.

Makes folders, for their owner alone. Must not know what is put into them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ...errors import ConfigError
from ...system import folders, own_files, process
from ...system.own_folder import NO_ROOM, OwnFolder, is_link

__all__ = ["cache_folder", "default_output", "linux_folder", "own_folder", "own_path"]

_OURS = ".appsvc"
_IGNORE = ".gitignore"
_NAME = "appsvc-runtime"
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_FOREIGN = "it belongs to another user"


def own_path(site: Path, *parts: str) -> Path:
    """Return where this package keeps what belongs to a site: in `.appsvc/SITE` beside it."""
    return site.parent.joinpath(_OURS, site.name, *parts)


def own_folder(site: Path, *parts: str) -> Path:
    """Make and return the folder at `own_path`, which git ignores.

    `.appsvc` is open to its owner alone. Raise OSError if it cannot be made, or is another user's.
    """
    made = own_path(site, *parts)
    with OwnFolder.open(site.parent) as parent:
        there = parent.status(_OURS)
        if there is not None and is_link(there):  # the user's own link, to keep it elsewhere
            if process.is_foreign(site.parent / _OURS, site.parent):
                raise PermissionError(errno.EPERM, _FOREIGN, str(site.parent / _OURS))
        else:
            with parent.enter(_OURS, make=True) as ours:
                _make_private(parent, ours)
    own_files.make_folders(made)
    return made


def _make_private(parent: OwnFolder, ours: OwnFolder) -> None:
    """Close `.appsvc` to others; raise PermissionError if another user owns and so controls it."""
    above, status = parent.status(), ours.status()
    if above is None or status is None:
        return
    if hasattr(os, "geteuid") and status.st_uid not in (os.geteuid(), 0, above.st_uid):
        raise PermissionError(errno.EPERM, _FOREIGN, ours.path)
    if status.st_mode & _OTHERS:
        with contextlib.suppress(PermissionError):  # only the owner may do so
            ours.set_mode(stat.S_IMODE(status.st_mode) & ~_OTHERS)
    if ours.status(_IGNORE) is None:
        ours.write(_IGNORE, b"*\n")


def linux_folder(site: Path, environ: Mapping[str, str]) -> Path:
    """Make and return the folder of a site's emulated container: `.appsvc/SITE/linux` beside it.

    If nothing may be written beside the site, it is in the user's cache folder. Raise ConfigError
    if it cannot be made, or the site is not a folder.
    """
    if not site.is_dir():
        what = "is a file, not the site's folder" if site.exists() else "does not exist"
        raise ConfigError(
            f"The site folder {str(site)!r} {what}.", hint="Name the folder that holds your app."
        )
    made = own_path(site, "linux")
    try:
        try:
            own_folder(site, "linux")
        except OSError as error:
            if error.errno not in _NOT_ALLOWED:
                raise
            key = hashlib.sha256(os.fsencode(site)).hexdigest()[:12]
            made = cache_folder(environ) / "sites" / f"{site.name}-{key}" / "linux"
            own_files.make_folders(made)
    except OSError as error:
        hint = "Copy the site to a folder that you may write beside."
        raise ConfigError(
            f"The folder {made}, in which the site is built, cannot be made: {error.strerror}.",
            hint="Free space on that disk." if error.errno in NO_ROOM else hint,
        ) from None
    return made


def default_output(site: Path, environ: Mapping[str, str]) -> Path:
    """Return the folder in which a site is built unless another is named."""
    return linux_folder(site, environ) / "built"


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the user's cache folder for this package, at the place that the system defines.

    It may not exist. Raise ConfigError without a known home folder.
    """
    folder = folders.user_cache(environ, _NAME)
    if folder is None:
        raise ConfigError(
            "There is no home folder for the image's packages.",
            hint="Set XDG_CACHE_HOME to a folder.",
        )
    return folder
