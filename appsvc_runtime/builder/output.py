"""The folder that a build writes into: had for one build alone, emptied, its virtual environment.

Must not know of steps.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from .. import facts, osfiles, process
from ..errors import ConfigError
from .state import FILE, LOCK

__all__ = ["activated", "empty", "locked", "python_of", "remove_folder"]


def python_of(folder: Path, name: str = facts.VIRTUAL_ENVIRONMENT) -> Path:
    """Give the interpreter of the virtual environment `name` in a folder, or of the folder."""
    inside = ("Scripts", "python.exe") if process.WINDOWS else ("bin", "python")
    return folder.joinpath(*filter(None, [name]), *inside)


def activated(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Give the variables with the virtual environment in use."""
    programs = str(python_of(folder).parent)
    return {
        **variables,
        "VIRTUAL_ENV": str(folder / facts.VIRTUAL_ENVIRONMENT),
        "PATH": os.pathsep.join([programs, variables["PATH"]]),
    }


@contextlib.contextmanager
def locked(site: Path, output: Path) -> Iterator[None]:
    """Have the output folder for one build alone; ConfigError where it cannot be had.

    Or where it is in the way: what is in it is replaced.
    """
    named, (site, output) = (site, output), (site.resolve(), output.resolve())
    if not site.is_dir():
        raise ConfigError(
            f"The site folder {str(named[0])!r} is not there.",
            hint="Name the folder that holds your app.",
        )
    if output == site or output in site.parents:
        raise ConfigError(
            f"The output folder {str(named[1])!r} holds the site itself.",
            hint="Name another folder: what is in it is replaced.",
        )
    if output.exists() and not (output.is_dir() and _is_ours(output)):
        raise ConfigError(
            f"The output folder {str(named[1])!r} is not empty, and was not made by a build.",
            hint="Name another folder, or empty this one.",
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock = osfiles.lock(str(output / LOCK))
    except OSError as error:
        raise ConfigError(
            f"The output folder {str(named[1])!r} cannot be written: {error.strerror}.",
            hint="Name another with --output.",
        ) from None
    if lock is None:
        raise ConfigError(
            f"Another build is writing into {str(named[1])!r}.",
            hint="Wait until it is done, or name another folder with --output.",
        )
    try:
        yield
    finally:
        osfiles.unlock(lock)


def _is_ours(output: Path) -> bool:
    names = {entry.name for entry in os.scandir(output)}
    # A build that ended in the middle of its first copy leaves the lock's file only.
    return not names or not names.isdisjoint((FILE, LOCK))


def empty(folder: Path) -> None:
    """Remove all that is in the folder."""
    for entry in os.scandir(folder):
        if entry.name == LOCK:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def remove_folder(path: Path) -> None:
    """Remove a folder, or the link that stands for one; none is no error."""
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
