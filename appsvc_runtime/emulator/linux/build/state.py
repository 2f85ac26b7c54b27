"""What a build saves in its output for the next build: what was copied, what was installed.

A JSON file, written before the files that it describes are changed: the state of a killed build
does not claim too much. Every value is checked when it is read, as anybody may have written it.
Must not know of sites or steps.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ....system.own_folder import OwnFolder

__all__ = ["FILE", "LOCK", "OURS", "State", "digest", "is_inside", "read_state", "write_state"]

FILE = ".appsvc-build.json"
# Locked while a build writes into the folder.
LOCK = ".appsvc-build.lock"
# All names that a build reserves for itself; the second is for a state that is being written.
OURS = frozenset({FILE, f"{FILE}.new", LOCK})
_FORMAT = 1
# A site of a million files has a state of about 100 MB.
_MAX_BYTES = 256_000_000
_FORBIDDEN = "\0\\:" if os.sep == "\\" else "\0"
_KEY_LENGTHS = (0, 3)
_MAX_NUMBER = 2**63


@dataclass
class State:
    """What is known of an output folder.

    `copied` maps each copied file's name, with slashes, to size, mtime in nanoseconds and mode of
    the source; the list is empty for a file that may be incomplete or missing. `installed` is a
    digest of the virtual environment's interpreter and packages, "" if these are incomplete;
    `sources` is a digest of folders elsewhere that packages were built from. `finished`: the last
    build succeeded; `steps` is a digest of all that it did after the copy. `deployed`: the folder
    is a copy without a build. `emptying`: all else in the folder was to be removed. `python`,
    `version`: the interpreter of the virtual environment. `interpreter`: where the link to it leads
    in the steps of a build, "" if it is not led elsewhere afterwards.
    """

    copied: dict[str, list[int]] = field(default_factory=dict)
    installed: str = ""
    sources: str = ""
    steps: str = ""
    finished: bool = False
    deployed: bool = False
    emptying: bool = False
    python: str = ""
    version: list[int] = field(default_factory=list)
    interpreter: str = ""


def digest(value: object) -> str:
    """Return a digest of a JSON value."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def is_inside(name: str) -> bool:
    """Return whether a name with slashes, joined to a folder, stays in it."""
    return not any(letter in name for letter in _FORBIDDEN) and all(
        part not in ("", ".", "..") for part in name.split("/")
    )


def read_state(folder: OwnFolder) -> tuple[State | None, str]:
    """Return the state of the last build, or None; and why a file is not a state, or ""."""
    try:
        if folder.status(FILE) is None:
            return None, ""
        told = json.loads(folder.read(FILE, _MAX_BYTES).decode("utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).rstrip(".")
        return None, f"it cannot be read ({reason})"
    except (ValueError, RecursionError):
        return None, "it is not JSON"
    if not isinstance(told, dict) or "format" not in told:
        return None, "it is not the state of a build"
    if told.pop("format") != _FORMAT:
        return None, "another version of appsvc-runtime wrote it"
    state = _state_of(told)
    return state, "" if state is not None else "it is not the state of a build"


def _state_of(told: dict[str, Any]) -> State | None:
    """Return the parsed state, or None if a value is not valid."""
    known = asdict(State())
    if not all(name in known and type(value) is type(known[name]) for name, value in told.items()):
        return None
    state = State(**told)
    return state if _is_copied(state.copied) and _is_version(state.version) else None


def write_state(folder: OwnFolder, state: State) -> None:
    """Write the state, completely or not at all. Raise OSError if that fails."""
    folder.write(FILE, json.dumps({"format": _FORMAT, **asdict(state)}).encode())


def _is_copied(copied: Mapping[str, object]) -> bool:
    return all(
        is_inside(name)
        and isinstance(key, list)
        and len(key) in _KEY_LENGTHS
        and all(type(number) is int and abs(number) < _MAX_NUMBER for number in key)
        for name, key in copied.items()
    )


def _is_version(version: Sequence[object]) -> bool:
    return len(version) in (0, 2) and all(type(number) is int for number in version)
