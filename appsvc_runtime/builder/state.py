"""What a build leaves in its output for the next one: what was copied, what was installed.

A JSON file. Must not know of sites or steps.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

__all__ = ["FILE", "LOCK", "State", "digest", "read_state", "write_state"]

FILE = ".appsvc-build.json"
# Held while a build writes into the folder.
LOCK = ".appsvc-build.lock"
_FORMAT = 1


@dataclass
class State:
    """What is known of an output folder.

    `copied` has for each copied file, by its name with slashes, size, mtime in nanoseconds and mode
    of the source. `installed` stands for the virtual environment's interpreter and packages, ""
    where these are not whole. `finished`: the last build came to its end; `steps` stands for all
    that the last build did after the copy. `python`, `version`: of the virtual environment.
    """

    copied: dict[str, list[int]] = field(default_factory=dict)
    installed: str = ""
    steps: str = ""
    finished: bool = False
    python: str = ""
    version: list[int] = field(default_factory=list)


def digest(value: object) -> str:
    """Give what stands for a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def read_state(folder: Path) -> State | None:
    """Give what the last build left, None where there was none or it cannot be read."""
    try:
        told = json.loads((folder / FILE).read_text("utf-8"))
        if told.pop("format") != _FORMAT:
            return None
        return State(**told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_state(folder: Path, state: State) -> None:
    """Leave it for the next one, whole or not at all. OSError where that cannot be."""
    path = folder / FILE
    unfinished = folder / f"{FILE}.new"
    unfinished.write_text(json.dumps({"format": _FORMAT, **asdict(state)}), "utf-8")
    os.replace(unfinished, path)
