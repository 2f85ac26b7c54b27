"""The folder that a build writes into: locked for one build, emptied, with a virtual environment.

Must not know of steps.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ....azure import names
from ....errors import ConfigError
from ....system import files, folders, own_files
from ....system.own_folder import NO_ROOM, OwnFolder, is_folder, is_link
from .state import FILE, LOCK, OURS, State, read_state, write_state

__all__ = ["activated", "empty", "is_own_environment", "locked", "python_of", "take_state"]

# The folders from a virtual environment to its packages; venv makes the second `lib` a link itself.
_LIBRARIES = re.compile(r"[Ll]ib|(?:python|pypy)[0-9.t]+|site-packages")
_SECOND_LIB = "lib64"


def python_of(folder: Path, name: str = names.VIRTUAL_ENVIRONMENT) -> Path:
    """Return the interpreter of the virtual environment `name` in a folder, or of the folder."""
    return folders.python_in(folder / name if name else folder)


def activated(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the variables with the virtual environment activated."""
    programs = str(python_of(folder).parent)
    return {
        **variables,
        "VIRTUAL_ENV": str(folder / names.VIRTUAL_ENVIRONMENT),
        "PATH": os.pathsep.join([programs, variables["PATH"]]),
    }


def is_own_environment(folder: OwnFolder) -> bool:
    """Return whether `antenv` is a real folder of this output, which pip may change.

    If it, or a folder in it, is a link to another place, it is not.
    """
    if not is_folder(folder.status(names.VIRTUAL_ENVIRONMENT)):
        return False
    try:
        with folder.enter(names.VIRTUAL_ENVIRONMENT) as antenv:
            return not any(
                name != _SECOND_LIB and (is_link(found) or _leads_out(antenv, name, found))
                for name, found in antenv.entries()
            )
    except OSError:
        return False


def _leads_out(folder: OwnFolder, name: str, found: os.stat_result) -> bool:
    """Return whether a folder on the way to the packages, or a package, is a link."""
    if not is_folder(found) or not _LIBRARIES.fullmatch(name):
        return False
    with folder.enter(name) as inner:
        return any(
            is_link(below) or _leads_out(inner, inside, below) for inside, below in inner.entries()
        )


@contextlib.contextmanager
def locked(site: Path, output: Path) -> Iterator[OwnFolder]:
    """Open the output folder, locked for one build; make it for its owner alone if it is missing.

    Raise ConfigError if it cannot be locked or written, or has files that are not of a build: a
    build replaces all in it.
    """
    _check_places(site, output)
    with _open(output.resolve(), output) as folder:
        lock = _lock(folder, site.resolve(), output)
        try:
            yield folder
        except OSError as error:
            if not str(error.filename or "").startswith(folder.path):
                raise
            raise _not_written(output, error) from None
        finally:
            files.unlock(lock)


def _check_places(site: Path, output: Path) -> None:
    if not site.resolve().is_dir():
        raise ConfigError(
            f"The site folder {str(site)!r} does not exist.",
            hint="Name the folder that holds your app.",
        )
    if output.resolve() in (site.resolve(), *site.resolve().parents):
        raise ConfigError(
            f"The output folder {str(output)!r} holds the site itself.",
            hint="Name another folder: a build replaces its content.",
        )


def _open(output: Path, named: Path) -> OwnFolder:
    """Open the folder, made if it is missing; `named` is the path as the user wrote it."""
    try:
        _make(output)
        return OwnFolder.open(output)
    except OSError as error:
        # A file of that name is in the way.
        raise _in_the_way(named) if output.is_file() else _not_written(named, error) from None


def _lock(folder: OwnFolder, site: Path, named: Path) -> int:
    """Return the lock of a folder that a build may write into."""
    try:
        is_site = os.path.samestat(os.stat(site), os.stat(folder.path))
        if is_site or not _is_ours(folder):
            raise _in_the_way(named)
        lock = folder.lock(LOCK)
    except OSError as error:
        raise _not_written(named, error) from None
    if lock is None:
        raise ConfigError(
            f"Another build is writing into {str(named)!r}.",
            hint="Wait until it is done, or name another folder with --output.",
        )
    return lock


def _make(output: Path) -> None:
    if not output.parent.is_dir():
        output.parent.mkdir(parents=True, exist_ok=True)
    own_files.make_folders(output)


def _in_the_way(output: Path) -> ConfigError:
    return ConfigError(
        f"The output folder {str(output)!r} is not empty, and was not made by a build.",
        hint="Name another folder, or empty this one.",
    )


def _not_written(output: Path, error: OSError) -> ConfigError:
    what = error.filename if error.filename and str(error.filename) != str(output) else ""
    return ConfigError(
        f"The output folder {str(output)!r} cannot be written"
        + (f" ({what})" if what else "")
        + f": {error.strerror}.",
        hint="Free space on that disk." if error.errno in NO_ROOM else "Name another by --output.",
    )


def _is_ours(folder: OwnFolder) -> bool:
    found = dict(folder.entries())
    # A build that was killed before it wrote anything leaves only the lock file.
    if found.keys() <= OURS or LOCK in found:
        return True
    state, _ = read_state(folder)
    return state is not None


def take_state(folder: OwnFolder, *, clean: bool) -> tuple[State | None, str]:
    """Return the state from which a build continues, and a message for the user or "".

    The state is None if the folder must be emptied first. Raise ConfigError for files of unknown
    origin.
    """
    state, problem = read_state(folder)
    if clean:
        return None, "All of the last build is removed (--clean)."
    if problem:
        where = folder.where(FILE)
        return None, f"Warning: {where} is ignored, because {problem}: all files are copied again."
    if state is None:
        if {name for name, _ in folder.entries()} - OURS:
            raise ConfigError(
                f"The output folder {folder.path!r} holds files, but the state of the build that "
                f"made them, {FILE}, is missing.",
                hint="Build with --clean, which empties the folder, or name another folder.",
            )
        return State(), ""
    if state.emptying:
        return None, "The last build ended while it emptied the folder: all files are copied again."
    return state, ""


def empty(folder: OwnFolder) -> None:
    """Remove everything in the folder except the lock; if killed, the next build does it again."""
    write_state(folder, State(emptying=True))
    for name, _ in folder.entries():
        if name not in OURS:
            folder.remove(name)
