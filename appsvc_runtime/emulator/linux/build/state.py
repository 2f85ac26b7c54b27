"""What a build leaves in its output for the next one: what was copied, what was installed.

A JSON file, written before anything that it speaks of is changed: a build that is killed leaves one
that does not claim too much. What is read back is checked to the last value, as anybody may have
put it there. Must not know of sites or steps.
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
# Held while a build writes into the folder.
LOCK = ".appsvc-build.lock"
# All names that a build keeps for itself, the second for a state that is being written.
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

    `copied` has for each copied file, by its name with slashes, size, mtime in nanoseconds and mode
    of the source; an empty list for what may be there in part or not at all. `installed` stands for
    the virtual environment's interpreter and packages, "" where these are not whole; `sources` for
    the folders elsewhere that packages were made from. `finished`: the last build came to its end;
    `steps` stands for all that it did after the copy. `deployed`: the folder is a copy without a
    build. `emptying`: all else in the folder was to be removed. `python`, `version`: of the
    virtual environment.
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


def digest(value: object) -> str:
    """Return what stands for a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def is_inside(name: str) -> bool:
    """Return whether a name with slashes, joined to a folder, stays in it."""
    return not any(letter in name for letter in _FORBIDDEN) and all(
        part not in ("", ".", "..") for part in name.split("/")
    )


def read_state(folder: OwnFolder) -> tuple[State | None, str]:
    """Return what the last build left, or None; and why what is there in its place is not that."""
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
        return None, "it is not of a build"
    if told.pop("format") != _FORMAT:
        return None, "another version of appsvc-runtime wrote it"
    state = _state_of(told)
    return state, "" if state is not None else "it is not of a build"


def _state_of(told: dict[str, Any]) -> State | None:
    """Return what was read as a state, None where it cannot be one."""
    known = asdict(State())
    if not all(name in known and type(value) is type(known[name]) for name, value in told.items()):
        return None
    state = State(**told)
    return state if _is_copied(state.copied) and _is_version(state.version) else None


def write_state(folder: OwnFolder, state: State) -> None:
    """Leave it for the next one, whole or not at all. OSError where that cannot be."""
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
