"""This package's own files and folders, by path: for their owner alone, never through a link.

For names that no user has chosen: a link in such a place is replaced or removed, not followed. Must
not know what they are for.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from .own_folder import OwnFolder

__all__ = [
    "discard",
    "make_executable",
    "make_folders",
    "remove_path",
    "rewrite_inside",
    "write_file",
]


def make_folders(path: str | os.PathLike[str]) -> None:
    """Make a folder and its missing parents, for their owner alone."""
    path = os.path.abspath(path)
    try:
        os.mkdir(path, 0o700)
    except FileNotFoundError:
        parent = os.path.dirname(path)
        if parent == path:
            raise
        make_folders(parent)
        make_folders(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


@contextlib.contextmanager
def _beside(path: str | os.PathLike[str]) -> Iterator[tuple[OwnFolder, str]]:
    folder, name = os.path.split(os.path.abspath(path))
    with OwnFolder.open(folder) as opened:
        yield opened, name


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file of this package's own to a path, as `OwnFolder.write` does."""
    with _beside(path) as (folder, name):
        folder.write(name, data)


def remove_path(path: str | os.PathLike[str]) -> None:
    """Remove a file, a link or a folder, as `OwnFolder.remove` does; a missing one is no error."""
    with contextlib.suppress(FileNotFoundError), _beside(path) as (folder, name):
        folder.remove(name)


def discard(path: str | os.PathLike[str]) -> None:
    """Remove what is no longer needed; ignore errors."""
    with contextlib.suppress(OSError):
        remove_path(path)


def make_executable(root: str | os.PathLike[str], path: str | os.PathLike[str]) -> bool:
    """Make a file below `root` executable; return False for a file elsewhere."""
    found = _inside(root, path)
    if found is None or not hasattr(os, "fchmod"):
        return found is not None
    descriptor = _open_inside(root, found)
    try:
        os.fchmod(descriptor, os.fstat(descriptor).st_mode & 0o7777 | 0o111)
    finally:
        os.close(descriptor)
    return True


def rewrite_inside(
    root: str | os.PathLike[str], path: str | os.PathLike[str], change: Callable[[bytes], bytes]
) -> bool:
    """Rewrite a file below `root` with `change`, keeping its mode; return whether it changed.

    A file elsewhere, even if reached through a link, is left alone.
    """
    found = _inside(root, path)
    if found is None:
        return False
    descriptor = _open_inside(root, found)
    try:
        status = os.fstat(descriptor)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            before = file.read()
    finally:
        os.close(descriptor)
    after = change(before)
    if after == before:
        return False
    with _folder_inside(root, found[:-1]) as folder:
        folder.write(found[-1], after, status.st_mode & 0o777)
    return True


def _inside(root: str | os.PathLike[str], path: str | os.PathLike[str]) -> tuple[str, ...] | None:
    """Return the names from a root to a file, with links within the root followed, or None."""
    base, real = Path(os.path.realpath(root)), Path(os.path.realpath(path))
    return real.relative_to(base).parts or None if real.is_relative_to(base) else None


def _open_inside(root: str | os.PathLike[str], names: tuple[str, ...]) -> int:
    with _folder_inside(root, names[:-1]) as folder:
        return folder.open_file(names[-1])


@contextlib.contextmanager
def _folder_inside(root: str | os.PathLike[str], names: tuple[str, ...]) -> Iterator[OwnFolder]:
    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(OwnFolder.open(root))
        for name in names:
            folder = opened.enter_context(folder.enter(name))
        yield folder
