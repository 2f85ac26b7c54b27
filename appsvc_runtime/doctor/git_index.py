"""The names of the files that git has, read from its index. Starts no program.

A repository's own configuration names programs that `git` runs, and a folder from a stranger may
hold such a repository, or a program with the name `git`. Source: gitformat-index(5).
"""

from __future__ import annotations

import struct
from pathlib import Path

from ..system.plain_file import read_plain

__all__ = ["read_names"]

_MAX_BYTES = 64 * 1024 * 1024
_HEADER = 12
# An entry's times, sizes and the like; its hash follows, SHA-1 or SHA-256, and then its flags.
_STATUS = 40
_HASHES = (20, 32)
_EXTENDED, _LENGTH = 0x4000, 0x0FFF


def read_names(folder: Path) -> frozenset[str]:
    """Return the files that the repository of a folder has, by their names below it.

    Empty if the folder is not the top of a repository, or its index cannot be read.
    """
    try:
        data = read_plain(_git_folder(folder) / "index", _MAX_BYTES)
    except (OSError, ValueError):
        return frozenset()
    for size in _HASHES:
        names = _parse(data, size)
        if names is not None:
            return frozenset(name.decode("utf-8", "surrogateescape") for name in names)
    return frozenset()


def _git_folder(folder: Path) -> Path:
    """Return the repository's own folder; a worktree and a submodule name it in a file."""
    git = folder / ".git"
    if git.is_dir():
        return git
    label, _, name = read_plain(git, 4096).decode("utf-8", "replace").partition(":")
    if label != "gitdir":
        raise ValueError("not a repository")
    return folder / name.strip()


def _parse(data: bytes, hash_size: int) -> list[bytes] | None:
    """Return the names in an index whose hashes have this size, None if it is not one."""
    if data[:4] != b"DIRC" or len(data) < _HEADER:
        return None
    version, count = struct.unpack_from(">II", data, 4)
    names: list[bytes] = []
    at, name = _HEADER, b""
    for _ in range(count):
        start, at = at, at + _STATUS + hash_size
        if at + 4 > len(data):
            return None
        (flags,) = struct.unpack_from(">H", data, at)
        at += 4 if flags & _EXTENDED else 2
        kept = 0
        if version == 4:  # a name is what it shares with the one before, and a rest
            removed, at = _offset(data, at)
            kept = len(name) - removed
        end = data.find(b"\0", at)
        if end < 0 or kept < 0:
            return None
        name = name[:kept] + data[at:end]
        if min(len(name), _LENGTH) != flags & _LENGTH:
            return None
        names.append(name)
        at = end + 1
        if version != 4:  # padded to eight bytes
            at = start + (at - start + 7) // 8 * 8
    return names


def _offset(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of git's variable length, and where it ends."""
    byte = data[at] if at < len(data) else 0
    value, at = byte & 127, at + 1
    while byte & 128 and at < len(data) and value <= _MAX_BYTES:
        byte = data[at]
        value, at = (value + 1) << 7 | (byte & 127), at + 1
    return value, at
