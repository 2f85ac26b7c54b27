"""A cloud project's files on this disk, and the folders that the fabric makes for an instance.

Finds and makes. Must not know what is in the files.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ...azure import dotnet_text
from ...errors import ConfigError
from ...system import capabilities, files, own_files
from ...system.plain_file import read_plain
from ..processes import workspace
from .model import Role

__all__ = ["empty", "find", "make_folders", "read", "read_text"]


def make_folders(site: Path, name: str, root: Path, role: Role) -> Path:
    """Make and return an instance's folder as the fabric does, in `.appsvc` beside the project."""
    made = workspace.own_path(site, "roles", name)
    try:
        for folder in ("DiagnosticStore/LogFiles", "temp", "LocalStorage"):
            workspace.own_folder(site, "roles", name, folder)
        _lock(made)
        for storage in role.storage:
            place = made / "LocalStorage" / storage.name
            own_files.make_folders(place)
            if storage.clean:
                empty(place)
        link = made / "approot"
        if capabilities.links_freely():  # Windows requires a right for that
            link.unlink(missing_ok=True)  # it may lead to an earlier role root
            link.symlink_to(root, target_is_directory=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {made}, for the role's instance, cannot be made: {error.strerror}.",
            hint="Copy the project to a folder that you may write beside.",
        ) from None
    return made


def empty(folder: Path) -> None:
    """Remove the content of a folder, as the fabric does with local storage."""
    own_files.discard(folder)
    with contextlib.suppress(OSError):
        folder.mkdir(0o700)


def _lock(made: Path) -> None:
    """Lock an instance's folders for this emulator, as long as its process runs."""
    if files.lock_own(str(made / "emulator.lock")) is None:
        raise ConfigError(
            f"Another emulator runs this project already: {made} is in use.", hint="Stop that one."
        )


def find(folder: Path, name: str) -> Path | None:
    """Find a file in any letter case, as Windows does."""
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    exact = name if name in names else None
    found = exact or next((one for one in sorted(names) if one.lower() == name.lower()), None)
    return folder / found if found else None


def read(file: Path) -> bytes:
    """Return the content of a file; raise ConfigError if it cannot be read."""
    try:
        return read_plain(file)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}.", hint="Let this user read it."
        ) from None


def read_text(file: Path) -> str:
    """Return the text of a script, by its byte-order mark; raise ConfigError as `read` does.

    Null characters are left out: no argument and no variable can have one.
    """
    return dotnet_text.decode(read(file)).replace("\0", "")
