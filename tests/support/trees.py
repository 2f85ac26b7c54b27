"""Trees of files, folders and links for tests, and their snapshots.

Must not import the package under test.
"""

from __future__ import annotations

import itertools
import os
import shutil
import stat
from pathlib import Path

__all__ = ["CONTENTS", "KINDS", "edit", "snapshot"]

CONTENTS = (b"", b"one", b"another")
# The kinds of things that an edit can create.
KINDS = (
    "file", "private", "script", "folder", "closed", "nothing", "moved", "to-sibling", "to-parent",
    "to-itself", "to-outside", "to-outside-file", "to-root", "to-nowhere",
)  # fmt: skip
_times = itertools.count(1)


def edit(root: Path, outside: Path, path: tuple[str, ...], kind: str, content: bytes) -> None:
    """Create something of a kind at a path below `root`; links may lead to the folder `outside`."""
    for depth in range(1, len(path)):
        parent = root.joinpath(*path[:depth])
        if parent.is_symlink() or not parent.is_dir():
            _clear(parent)
            parent.mkdir()
    place = root.joinpath(*path)
    if kind == "moved":
        if not os.path.lexists(place):
            return
        moved = outside / f"moved-{next(_times)}"
        os.rename(place, moved)
        place.symlink_to(moved)
        return
    _clear(place)
    links = {
        "to-sibling": "b", "to-parent": "..", "to-itself": place.name, "to-outside": str(outside),
        "to-outside-file": str(outside / "file"), "to-root": str(root), "to-nowhere": "/not/there",
    }  # fmt: skip
    if kind in links:
        place.symlink_to(links[kind])
    elif kind in ("folder", "closed"):
        place.mkdir()
        place.chmod(0o755 if kind == "folder" else 0o700)
    elif kind != "nothing":
        place.write_bytes(content)
        place.chmod({"file": 0o644, "private": 0o600, "script": 0o755}[kind])
        # Two writes may have the same time stamp; a copy that compares times could not distinguish
        # them.
        os.utime(place, ns=(0, next(_times) * 1_000_000))


def snapshot(root: Path, *but: str) -> dict[str, tuple[object, ...]]:
    """Return what is below a folder: kinds, modes, contents, and targets of links.

    The names `but`, and all below them, are left out.
    """
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, names in os.walk(root):
        for name in [*folders, *names]:
            path = Path(folder, name)
            key = path.relative_to(root).as_posix()
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                found[key] = ("link", os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                found[key] = ("folder", stat.S_IMODE(status.st_mode))
            else:
                found[key] = ("file", stat.S_IMODE(status.st_mode), path.read_bytes())
    return {name: what for name, what in found.items() if name.partition("/")[0] not in but}


def _clear(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)
