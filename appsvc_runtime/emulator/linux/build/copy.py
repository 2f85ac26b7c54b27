"""The copy of a site for a build: copies what has changed, removes what has vanished.

The site is only read. Files that a build has made in the copy stay; files of the site that it has
changed are copied again. Nothing outside the two folders is written or removed, whatever links
there are. Must not know of steps.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ....errors import ConfigError
from ....system.own_folder import NO_ROOM, OwnFolder, is_folder
from .listing import Listing, heaviest, list_site
from .progress import Progress
from .state import State

__all__ = ["Copied", "copy_changes"]

_BLOCK = 1 << 20
# In place of a size, for entries that are not files.
_LINK, _FOLDER = -1, -2
# The bytecode that Python left beside files that are gone.
_CACHES = "__pycache__"
_HINT = "Make it readable, or move it out of the site."
_HINTS = {
    errno.ENAMETOOLONG: "Move it out of the site.",
    errno.EMFILE: "Raise the limit of open files: ulimit -n 4096.",
    **dict.fromkeys(NO_ROOM, "Free space on that disk, or build on another: --output DIR."),
}


@dataclass
class Copied:
    """What a copy has done: numbers of files written and removed, and names of those left out.

    `folders`: number of folders made or removed. `lost`: links with a target in the site, but none
    in the copy.
    """

    written: int = 0
    removed: int = 0
    folders: int = 0
    left_out: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Return whether the copy has changed anything."""
        return bool(self.written or self.removed or self.folders)


def copy_changes(
    site: Path,
    output: OwnFolder,
    state: State,
    save: Callable[[], None] = lambda: None,
    progress: Progress | None = None,
) -> Copied:
    """Update `output` from `site`; `state.copied` is read, and updated to what is now there.

    `save` writes the state. It is called before anything is written, with all that may be there
    from then on, so that a killed copy is recognized. Raise ConfigError naming the file that cannot
    be read or written.
    """
    progress = progress or Progress()
    copied, known = Copied(), state.copied
    try:
        with OwnFolder.open(site) as source:
            listing = list_site(source, output.status(), copied.left_out, progress)
            keys = dict(_keys(listing))
            progress.expect(*_expected(keys, known), lambda: heaviest(listing))
            state.copied = {**known, **{name: _begun(known.get(name), keys[name]) for name in keys}}
            save()
            _narrow(output, listing.mode)
            copy = _Copy(known, copied, progress)
            copy.folder(listing, source, output)
        for name in sorted(known.keys() - copy.now.keys(), reverse=True):
            _remove_gone(output, name, known[name], copied)
        state.copied = copy.now
        copied.lost += copy.lost_links()
    except OSError as error:
        raise ConfigError(
            f"The site cannot be copied: {error.filename or site}: {error.strerror or error}.",
            hint=_HINTS.get(error.errno or 0, _HINT),
        ) from None
    return copied


class _Copy:
    """One running copy. `now` is what has been copied, by name.

    `links`: the target of each link, and its path in the site and in the copy.
    """

    def __init__(self, known: dict[str, list[int]], copied: Copied, progress: Progress) -> None:
        self.now: dict[str, list[int]] = {}
        self.links: dict[str, tuple[str, str, str]] = {}
        self._known = known
        self._copied = copied
        self._progress = progress

    def lost_links(self) -> list[str]:
        """Return the links that have a target in the site, but none in the copy."""
        return [
            f"{name} -> {leads_to}"
            for name, (leads_to, here, there) in sorted(self.links.items())
            if os.path.exists(here) and not os.path.exists(there)
        ]

    def folder(self, listing: Listing, source: OwnFolder, target: OwnFolder) -> None:
        for name, status in listing.files.items():
            full, key = listing.name + name, _file_key(status)
            if self._known.get(full) != key or not _is_same(target.status(name), status):
                try:
                    reading = source.open_file(name)
                except FileNotFoundError:
                    continue  # it has just been removed
                key = self._file(reading, target, name)
                self._copied.written += 1
                self._progress.add_file()
            else:
                self._progress.compare()
            self.now[full] = key
        for name, leads_to in listing.links.items():
            full = listing.name + name
            there = target.status(name)
            same = there is not None and stat.S_ISLNK(there.st_mode)
            if not same or target.read_link(name) != leads_to:
                target.remove(name)
                target.make_link(name, leads_to, to_folder=os.path.isdir(source.where(name)))
                self._copied.written += 1
            self.now[full] = _link_key(leads_to)
            self.links[full] = leads_to, source.where(name), target.where(name)
        for name, inner in listing.folders.items():
            self._inner(name, inner, source, target)

    def _inner(self, name: str, inner: Listing, source: OwnFolder, target: OwnFolder) -> None:
        full, key = inner.name[:-1], _folder_key(inner)
        there = target.status(name)
        if not is_folder(there):
            target.remove(name)
            self._copied.folders += 1
        with source.enter(name) as inside, target.enter(name, make=True) as made:
            if not is_folder(there) or self._known.get(full) != key:
                made.set_mode(_writable(inner.mode) | stat.S_IRWXU)
            self.now[full] = key
            self.folder(inner, inside, made)

    def _file(self, reading: int, target: OwnFolder, name: str) -> list[int]:
        """Copy an open file; return its key at that time."""
        with contextlib.ExitStack() as opened:
            opened.callback(os.close, reading)
            status = os.fstat(reading)
            target.remove(name)  # never write into it: it may be a link, or have other names
            writing = target.create(name)
            unfinished = opened.enter_context(contextlib.ExitStack())
            unfinished.callback(os.close, writing)
            while block := os.read(reading, _BLOCK):
                _write(writing, block, target.where(name))
                self._progress.add(len(block))
            unfinished.pop_all()
            # A build may change files that their owner may not, as on the platform, where root owns
            # all. The time is set last: without it, the copy counts as incomplete.
            mode = _writable(stat.S_IMODE(status.st_mode))
            target.finish(name, writing, mode, (status.st_atime_ns, status.st_mtime_ns))
        return _file_key(status)


def _write(descriptor: int, data: bytes, path: str) -> None:
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        error.filename = path  # not the site's file, which is readable
        raise


def _keys(listing: Listing) -> list[tuple[str, list[int]]]:
    """Return the keys of all entries of a listing."""
    found = [(listing.name + name, _file_key(status)) for name, status in listing.files.items()]
    found += [(listing.name + name, _link_key(to)) for name, to in listing.links.items()]
    for folder in listing.folders.values():
        found.append((folder.name[:-1], _folder_key(folder)))
        found += _keys(folder)
    return found


def _expected(keys: dict[str, list[int]], known: dict[str, list[int]]) -> tuple[int, int]:
    sizes = [key[0] for name, key in keys.items() if key[0] >= 0 and known.get(name) != key]
    return len(sizes), sum(sizes)


def _file_key(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, stat.S_IMODE(status.st_mode)]


def _link_key(leads_to: str) -> list[int]:
    return [_LINK, zlib.crc32(os.fsencode(leads_to)), 0]


def _folder_key(listing: Listing) -> list[int]:
    return [_FOLDER, listing.mode, 0]


def _begun(known: list[int] | None, key: list[int]) -> list[int]:
    """Return what is certain of an entry while the copy is running."""
    return known if known and min(known[0], 0) == min(key[0], 0) else []


def _is_same(there: os.stat_result | None, status: os.stat_result) -> bool:
    return (
        there is not None
        and stat.S_ISREG(there.st_mode)
        and there.st_size == status.st_size
        and there.st_mtime_ns == status.st_mtime_ns
    )


def _writable(mode: int) -> int:
    """Return a mode that lets the owner write, without setuid and the like."""
    return mode & 0o777 | stat.S_IWUSR


def _narrow(output: OwnFolder, mode: int) -> None:
    """Remove permissions from the copy that the site does not grant."""
    status = output.status()
    now = stat.S_IMODE(status.st_mode) if status else 0
    wanted = now & ~(0o077 & ~mode)
    if wanted != now:
        output.set_mode(wanted)


def _remove_gone(output: OwnFolder, name: str, key: list[int], copied: Copied) -> None:
    """Remove an entry that was copied before, unless another kind of entry has replaced it."""
    *above, last = name.split("/")
    with contextlib.ExitStack() as opened:
        folder = output
        for part in above:
            try:
                folder = opened.enter_context(folder.enter(part))
            except OSError:  # it is a link, a file, or gone
                return
        there = folder.status(last)
        if there is None:
            return
        if is_folder(there):
            if not key or key[0] == _FOLDER:
                with folder.enter(last) as inner:
                    inner.remove(_CACHES)
                copied.folders += folder.remove_empty(last)
        elif not key or key[0] != _FOLDER:
            folder.remove(last)
            copied.removed += 1
