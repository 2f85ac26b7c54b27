"""Digests of the content of files and folders: equal content has an equal digest.

Only reads. Must not know what the digests are for.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ....system.plain_file import read_plain
from .local_sources import ARCHIVES, LocalSources

__all__ = ["Counted", "count"]

_BLOCK = 1 << 20
# A folder of sources with more than this cannot cheaply be compared.
_MAX_FILES = 20_000
_MAX_BYTES = 2_000_000_000
# Files that are not sources, or that a build itself leaves beside the sources.
_NO_SOURCE = re.compile(r"__pycache__|\.git|\.hg|\.svn|\.tox|\.venv|.*\.egg-info|.*\.pyc")
_BUILD = re.compile(r"lib.*|bdist.*|temp.*|scripts.*")
# A name for which pip caches the wheel by name alone (wheel_builder.py: _contains_egg_info).
_CACHED = re.compile(r"[a-z0-9_.]+-[a-z0-9_.!+-]+", re.IGNORECASE)
_HREF = re.compile(rb"href\s*=\s*[\"']?([^\"'\s>#?]+)", re.IGNORECASE)
# An index has a folder for each project.
_DEPTH = 1
_MAX_PAGE = 10_000_000


@dataclass(frozen=True)
class Counted:
    """The content of what requirements name on this disk.

    `archives` is the digest of wheels and other archives, `sources` that of folders of sources
    outside the folder that is built. `uncached`: for the same name, pip would take an old wheel
    from its cache; `uncached_by_uv`: uv would.
    """

    archives: str
    sources: str
    uncached: bool
    uncached_by_uv: bool


def count(local: LocalSources, folder: Path) -> Counted:
    """Read what the requirements name, for a build in `folder`."""
    placed, archives = _places_digest(local.places)
    named = [*archives, *local.files, *local.folders]
    return Counted(
        archives=f"{_files_digest(local.files)} {placed}",
        sources=_trees_digest(local.folders - local.inside(folder)),
        # uv caches what it finds in folders of `--find-links` by name alone, wheels too.
        uncached_by_uv=bool(archives),
        uncached=any(path.suffix != ".whl" and _CACHED.search(path.name) for path in named),
    )


def _files_digest(paths: Iterable[Path]) -> str:
    """Return the digest of files and their names; a file that cannot be read has a digest too.

    Beyond the first gigabytes, size and times stand for the content: rewriting a file changes them.
    """
    total = hashlib.sha256()
    left = _MAX_BYTES
    for path in sorted(paths):
        left -= _size(path)
        what = _file(path) if left >= 0 else _times(path)
        total.update(f"{path}\0{what}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _places_digest(paths: Iterable[Path]) -> tuple[str, list[Path]]:
    """Return the digest of archives in folders or linked from pages, and the archives' paths."""
    found: set[Path] = set()
    pages: set[Path] = set()
    for path in paths:
        inside = _files_in(path) if path.is_dir() else []
        found.update(filter(_is_archive, inside))
        pages.update(file for file in inside if file.suffix in (".html", ".htm"))
        if not path.is_dir():
            pages.add(path)
    for page in pages:
        found.update(filter(_is_archive, _linked_from(page)))
    return _files_digest(found | pages), sorted(found)


def _files_in(path: Path) -> list[Path]:
    files: list[Path] = []
    for folder, folders, names in os.walk(path):
        if len(Path(folder).relative_to(path).parts) >= _DEPTH:
            folders.clear()
        files += [Path(folder, name) for name in names]
    return files


def _linked_from(page: Path) -> list[Path]:
    try:
        links = _HREF.findall(read_plain(page, _MAX_PAGE))
    except OSError:
        return []
    return [page.parent / unquote(os.fsdecode(link).removeprefix("file://")) for link in links]


def _trees_digest(paths: Iterable[Path]) -> str:
    """Return the digest of folders of sources; a random digest if they are too large."""
    total = hashlib.sha256()
    left = [_MAX_FILES, _MAX_BYTES]
    for path in sorted(paths):
        total.update(os.fsencode(path) + b"\n")
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not _is_left_out(folder, name))
            for name in sorted(names):
                if _NO_SOURCE.fullmatch(name):
                    continue
                file = Path(folder, name)
                left[0] -= 1
                left[1] -= _size(file)
                if min(left) < 0:
                    return secrets.token_hex()
                shown = f"{file.relative_to(path)}\0{_file(file)}\n"
                total.update(shown.encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _is_left_out(folder: str, name: str) -> bool:
    path = Path(folder, name)
    if _NO_SOURCE.fullmatch(name) or (path / "pyvenv.cfg").is_file():
        return True
    return name == "build" and _only(path, _BUILD.fullmatch)


def _only(folder: Path, is_wanted: Callable[[str], object]) -> bool:
    try:
        return all(is_wanted(name) for name in os.listdir(folder))
    except OSError:
        return False


def _is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVES)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _times(path: Path) -> str:
    try:
        found = path.stat()
    except OSError as error:
        return type(error).__name__
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def _file(path: Path) -> str:
    """Return the digest of a file's content, or why it cannot be read."""
    digest = hashlib.sha256()
    try:
        # Do not wait for a pipe.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return "no file"
            while block := file.read(_BLOCK):
                digest.update(block)
    except (OSError, ValueError) as error:
        return type(error).__name__
    return digest.hexdigest()
