"""Paths as a container sees them, and texts with the platform's paths, changed to fit.

Must not know how a container gets its folders, nor what runs in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...azure import names as azure_names
from ...system import own_files

__all__ = ["HOME", "OWN_IN_HOME", "OWN_IN_OPT", "Space", "rewrite_file"]

HOME = azure_names.SITE_FOLDER.partition("/site/")[0]
# The platform's own names in /home, whether they exist already or an app creates them; and in /opt.
OWN_IN_HOME = ("LogFiles", "data", "site")
OWN_IN_OPT = tuple(
    path.removeprefix("/opt/")
    for path in (azure_names.DEFAULT_SITE_FOLDER, azure_names.IMAGE_FOLDER)
)
_KNOWN = (
    azure_names.SITE_FOLDER,
    *(f"{HOME}/{name}" for name in OWN_IN_HOME),
    *(f"/opt/{name}" for name in OWN_IN_OPT),
)
# A path of the platform in a text: at the start, or after a character that no path contains
# unescaped, or in a URL where the path is absolute (SQLAlchemy's sqlite:////home); the name must
# end there.
_PATHS = re.compile(
    rf"(?:(?<![\w./~-])|(?<=\w:///))(?P<path>{'|'.join(map(re.escape, _KNOWN))})(?![\w.-])"
)
_MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class Space:
    """Where a container finds its folders.

    `site` is the path of the site inside, `home` that of /home, `moved` the paths of the platform
    that are others inside. `prefix` stands before a program's own arguments. `fresh`: at each start
    the site is as it was built, and what it writes is dropped. `read_only`: nothing can be written
    to /home/site/wwwroot. `notes`: what differs from the platform, and why.
    """

    site: str
    home: str = HOME
    prefix: tuple[str, ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False
    read_only: bool = False
    notes: tuple[str, ...] = ()

    def inside(self, text: str) -> str:
        """Return a text in which the platform's paths are replaced by the paths inside."""
        if not self.moved:
            return text
        return _PATHS.sub(lambda match: self.moved.get(match["path"], match["path"]), text)


def rewrite_file(path: Path, folder: Path, space: Space) -> bool:
    """Rewrite a text file of the copy `folder` with the paths inside; return whether it changed.

    The file's mode stays. A binary file, a file over a million bytes and a file outside the copy,
    even if reached through a link, are left alone: the latter is the user's own.
    """
    if not space.moved:
        return False

    def change(data: bytes) -> bytes:
        if len(data) > _MAX_BYTES or b"\0" in data:
            return data
        text = space.inside(data.decode("utf-8", "surrogateescape"))
        return text.encode("utf-8", "surrogateescape")

    return own_files.rewrite_inside(folder, path, change)
