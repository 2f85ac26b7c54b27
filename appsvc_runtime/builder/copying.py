"""The copy of a site that is built: what has changed is copied, what has vanished is removed.

The site is only read. What a build has made in the copy stays, what it has changed is copied again.
Must not know of steps.
"""

from __future__ import annotations

import os
import shutil
import stat
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from .. import facts
from ..errors import ConfigError
from .state import FILE, LOCK, State

__all__ = ["Copied", "copy_changes"]

# Never deployed, or made anew by each build (Oryx: PythonPlatform.cs, directories to exclude).
_LEFT_OUT = frozenset(
    {facts.VIRTUAL_ENVIRONMENT, "__oryx_packages__", "__pycache__", ".git", ".appsvc", FILE, LOCK}
)
_MARK_OF_ENVIRONMENT = "pyvenv.cfg"


@dataclass
class Copied:
    """What a copy has done: how many files were written and removed, and which were left out."""

    written: int = 0
    removed: int = 0
    left_out: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Say whether anything was done at all."""
        return bool(self.written or self.removed)


def copy_changes(site: Path, output: Path, state: State) -> Copied:
    """Make `output` hold what `site` does; `state.copied` is what was known, and is what is now.

    ConfigError names what cannot be read or written.
    """
    copied, known = Copied(), state.copied
    state.copied = {}
    try:
        _copy_folder(site, output, "", known, state.copied, copied, output.resolve())
        for name in known.keys() - state.copied.keys():
            gone = output / name
            if not gone.is_dir() or gone.is_symlink():  # else a folder has taken its place
                _remove(gone)
            copied.removed += 1
    except OSError as error:
        state.copied = {**known, **state.copied}
        raise ConfigError(
            f"The site cannot be copied: {error.filename or site}: {error.strerror or error}.",
            hint="Make the file readable, or name another output folder that has room.",
        ) from None
    return copied


def _copy_folder(
    source: Path,
    target: Path,
    inside: str,
    known: dict[str, list[int]],
    now: dict[str, list[int]],
    copied: Copied,
    output: Path,
) -> None:
    target_mode = _mode(target)
    if target_mode is not None and not stat.S_ISDIR(target_mode):
        _remove(target)
        target_mode = None
    if target_mode is None:
        target.mkdir(parents=True)
    with os.scandir(source) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        name = f"{inside}{entry.name}"
        if entry.name in _LEFT_OUT:
            if entry.name not in ("__pycache__", FILE, LOCK):
                copied.left_out.append(name)
        elif entry.is_dir(follow_symlinks=False):
            path = Path(entry.path)
            if (path / _MARK_OF_ENVIRONMENT).is_file():
                copied.left_out.append(f"{name} (a virtual environment)")
            elif path.resolve() != output:
                _copy_folder(path, target / entry.name, f"{name}/", known, now, copied, output)
        elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            key = _key(entry, status)
            if known.get(name) != key or not _is_same(target / entry.name, status):
                _copy_file(entry, target / entry.name)
                copied.written += 1
            now[name] = key
        else:
            copied.left_out.append(f"{name} (no file)")


def _key(entry: os.DirEntry[str], status: os.stat_result) -> list[int]:
    if entry.is_symlink():
        return [-1, zlib.crc32(os.fsencode(os.readlink(entry.path))), 0]
    return [status.st_size, status.st_mtime_ns, stat.S_IMODE(status.st_mode)]


def _is_same(target: Path, status: os.stat_result) -> bool:
    try:
        there = target.lstat()
    except OSError:
        return False
    if stat.S_ISLNK(status.st_mode):
        return stat.S_ISLNK(there.st_mode)
    return (
        stat.S_ISREG(there.st_mode)
        and there.st_size == status.st_size
        and there.st_mtime_ns == status.st_mtime_ns
    )


def _copy_file(entry: os.DirEntry[str], target: Path) -> None:
    _remove(target)  # a link there would be written through, a folder be in the way
    shutil.copy2(entry.path, target, follow_symlinks=False)
    if not entry.is_symlink():
        # A build may change what its owner may not, as on the platform, where all of it is root's.
        status = target.stat()
        if not status.st_mode & stat.S_IWUSR:
            target.chmod(stat.S_IMODE(status.st_mode) | stat.S_IWUSR)


def _remove(path: Path) -> None:
    mode = _mode(path)
    if mode is None:
        return
    if stat.S_ISDIR(mode):
        shutil.rmtree(path)
    else:
        path.unlink()


def _mode(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except OSError:
        return None
