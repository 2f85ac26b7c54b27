"""The list of what to copy from a site: folders, files and links, without what is never deployed.

Only reads. Must not know of the copy.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field

from ....azure import names
from ....system.own_folder import OwnFolder, is_folder, is_link
from .progress import Progress
from .state import LOCK, OURS

__all__ = ["Listing", "heaviest", "list_site"]

# Never deployed, or made again by each build (Oryx: PythonPlatform.cs, directories to exclude).
_CACHES = "__pycache__"
_LEFT_OUT = OURS | {names.VIRTUAL_ENVIRONMENT, "__oryx_packages__", _CACHES, ".git", ".appsvc"}
_NOT_TOLD = OURS | {_CACHES}
# Otherwise outputs of two builds inside the site would contain each other, and grow with each
# build.
_MARKS = {"pyvenv.cfg": "a virtual environment", LOCK: "a copy that a build has made"}
# No site is this deep; each level costs two open folders, and some of Python's stack.
_MOST_LEVELS = 200
_SHOWN = 200
# A folder is named in the report unless a folder inside has this share of its weight.
_MOST = 0.8


@dataclass
class Listing:
    """A folder of the site. `name` ends with a slash, or is "" for the site; other names are plain.

    `files` holds the status of each file, `links` the target of each link. `weight`: bytes of all
    files below.
    """

    name: str
    mode: int
    folders: dict[str, Listing] = field(default_factory=dict)
    files: dict[str, os.stat_result] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    weight: int = 0

    def add(self, name: str, below: Listing | None) -> None:
        """Add a folder inside this one; None is a folder that is left out."""
        if below is not None:
            self.folders[name] = below
            self.weight += below.weight


def list_site(
    site: OwnFolder, output: os.stat_result | None, left_out: list[str], progress: Progress
) -> Listing:
    """List a site without the folder `output`; append to `left_out` what is left out and why.

    Raise OSError for an entry that cannot be read, and for folders nested too deep.
    """
    return _list(site, "", output, left_out, progress)


def _list(
    folder: OwnFolder,
    inside: str,
    output: os.stat_result | None,
    left_out: list[str],
    progress: Progress,
) -> Listing:
    if inside.count("/") > _MOST_LEVELS:
        much = f"more than {_MOST_LEVELS} nested folders"
        raise OSError(errno.ENAMETOOLONG, much, _shortened(folder.path))
    made = Listing(inside, _mode(folder))
    for name, found in folder.entries():
        progress.look()
        full = f"{inside}{name}"
        if name in _LEFT_OUT:
            left_out += [full] if name not in _NOT_TOLD else []
        elif is_folder(found):
            if output is None or not os.path.samestat(found, output):
                made.add(name, _list_inner(folder, name, full, output, left_out, progress))
        elif stat.S_ISLNK(found.st_mode):
            made.links[name] = folder.read_link(name)
        elif stat.S_ISREG(found.st_mode):
            made.files[name] = found
            made.weight += found.st_size
        else:
            left_out.append(f"{full} ({_kind(found)})")
    return made


def _kind(found: os.stat_result) -> str:
    return "a junction" if is_link(found) else "not a file"


def _mode(folder: OwnFolder) -> int:
    status = folder.status()
    return stat.S_IMODE(status.st_mode) if status else 0o700


def _list_inner(
    folder: OwnFolder,
    name: str,
    full: str,
    output: os.stat_result | None,
    left_out: list[str],
    progress: Progress,
) -> Listing | None:
    """Return the content of a folder inside another, or None for a folder that a tool has made."""
    with folder.enter(name) as inner:
        if kind := _made_by_tool(inner):
            left_out.append(f"{full} ({kind})")
            return None
        return _list(inner, f"{full}/", output, left_out, progress)


def _made_by_tool(folder: OwnFolder) -> str:
    """Return the tool that made a folder, which is then left out of the site; else ""."""
    for mark, kind in _MARKS.items():
        found = folder.status(mark)
        if found is not None and stat.S_ISREG(found.st_mode):
            return kind
    return ""


def _shortened(path: str) -> str:
    return path if len(path) <= _SHOWN else f"{path[:_SHOWN]}…"


def heaviest(listing: Listing, count: int = 5) -> list[tuple[str, int]]:
    """Return the folders with the most bytes, heaviest first, with their weights in bytes.

    Each name goes down to the folder that holds most of the weight.
    """
    top = sorted(listing.folders.values(), key=lambda folder: -folder.weight)[:count]
    found = []
    for folder in top:
        closest = folder
        while closest.folders:
            most = max(closest.folders.values(), key=lambda inner: inner.weight)
            if most.weight < _MOST * closest.weight:
                break
            closest = most
        if closest.weight:
            found.append((closest.name.rstrip("/"), closest.weight))
    return found
