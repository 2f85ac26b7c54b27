"""Which applications of a site a changed file concerns.

Pure. Must not know what a change leads to. A changed web.config concerns the application that it is
in, and those below its URL path, which inherit from it; any other file the applications whose
folders hold it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .windows_names import folded

if TYPE_CHECKING:
    from .site import Site

__all__ = ["Change", "changed_for", "watched_folders"]

_CONFIG = "web.config"


@dataclass
class Change:
    """What has changed for an application.

    `configs` are web.config files, as they are shown to the user; `files` are all files below the
    application's folder, relative to it.
    """

    configs: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def watched_folders(site: Site) -> list[tuple[Path, bool]]:
    """Return the folders to watch, and whether with the folders below them.

    Those that another one of them holds are left out.
    """
    folders = {each.folder for each in site.applications.all}
    found = [
        (folder, True)
        for folder in sorted(folders)
        if not any(other in folder.parents for other in folders)
    ]
    for each in site.applications.all:
        if each.root is not None and not any(each.root.is_relative_to(at) for at, _ in found):
            found.append((each.root.parent, False))
    return found


def changed_for(site: Site, folder: Path, names: list[str]) -> dict[str, Change]:
    """Return the changes for each application that they concern, by its path.

    `names` are relative to the watched `folder`.
    """
    found: dict[str, Change] = {}
    applications = site.applications
    for name in names:
        file = folder / name
        for each in applications.all:
            if file.is_relative_to(each.folder):
                inside = file.relative_to(each.folder).as_posix()
                found.setdefault(each.path, Change()).files.append(inside)
        for path in _configured(site, file):
            found.setdefault(path, Change()).configs.append(name)
    return found


def _configured(site: Site, file: Path) -> list[str]:
    """Return the paths of the applications that a changed file configures."""
    for each in site.applications.all:
        if each.root == file:
            return [other.path for other in site.applications.below(each.path)]
    owner = site.applications.owner(file)
    if owner is None or folded(file.name) not in _names(site):
        return []
    inside = file.relative_to(owner.folder).parent
    below = site.applications.below("/".join((owner.path, *inside.parts)))
    return list(dict.fromkeys([owner.path, *(each.path for each in below)]))


def _names(site: Site) -> set[str]:
    roots = [each.root for each in site.applications.all if each.root is not None]
    return {_CONFIG, *(folded(root.name) for root in roots)}
