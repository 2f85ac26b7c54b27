"""A folder of the user's cache that all builds share, made once and completely.

Must not know what is put into it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from ....errors import ConfigError
from ....system import files, own_files
from .threads import in_thread

__all__ = ["make_once"]

# Seconds between checks whether another process has made it, and the most that may take.
_LOOK, _PATIENCE = 0.2, 300.0


async def make_once(
    folder: Path,
    mark: str,
    is_whole: Callable[[], bool],
    make: Callable[[], Awaitable[None]],
    tell: Callable[[str], None],
) -> None:
    """Call `make` to fill the folder, unless it is complete: then it has the file `mark`.

    Leftovers of a killed process are removed first. Raise OSError if the folder cannot be made.
    """

    def whole() -> bool:
        return (folder / mark).is_file() and is_whole()

    if whole():
        return
    own_files.make_folders(folder.parent)
    lock = await _wait_for_lock(f"{folder}.lock", tell)
    try:
        if not whole():  # otherwise another process has made it meanwhile
            await in_thread(lambda: own_files.remove_path(folder))
            await make()
            own_files.write_file(folder / mark, b"")
    finally:
        files.unlock(lock)


async def _wait_for_lock(path: str, tell: Callable[[str], None]) -> int:
    """Take the file's lock; another process may hold it for as long as pip takes."""
    told = False
    for _ in range(int(_PATIENCE / _LOOK)):
        lock = files.lock_own(path)
        if lock is not None:
            return lock
        if not told:
            told = True
            tell("Another process is making it: waiting for it.")
        await asyncio.sleep(_LOOK)
    raise ConfigError(
        f"Another program has held {path} for {_PATIENCE:.0f} s.", hint="End it, or wait for it."
    )
