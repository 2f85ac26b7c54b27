"""Which checks count, and which findings are known already: options, pyproject.toml, a baseline.

Options of the command come before those in `[tool.appsvc.doctor]`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..system.plain_file import read_plain
from .check import SEVERITIES, Check, Found, Result
from .table import all_checks

__all__ = [
    "Selection",
    "fingerprint",
    "read_baseline",
    "read_selection",
    "without_known",
    "write_baseline",
]

_VERSION = 1


@dataclass(frozen=True)
class Selection:
    """Ids or groups (`DB`) to look at, all if empty, and to leave out; the level that fails."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: str = "error"

    def takes(self, check: Check) -> bool:
        """Return whether a check is selected and not ignored."""
        if self.select and not _names(self.select, check):
            return False
        return not _names(self.ignore, check)


def read_selection(project: dict[str, Any], given: Selection, fail_on: str | None) -> Selection:
    """Return the command's selection over the project's. Raise ConfigError for unknown ids."""
    tool = project.get("tool")
    table: Any = tool.get("appsvc") if isinstance(tool, dict) else None
    table = table.get("doctor") if isinstance(table, dict) else None
    table = table if isinstance(table, dict) else {}
    where = "[tool.appsvc.doctor] in pyproject.toml"
    unknown = sorted(set(table) - {"select", "ignore", "fail-on"})
    if unknown:
        raise ConfigError(
            f"{where} has {unknown[0]!r}, which does not exist.",
            hint="It may have select, ignore and fail-on.",
        )
    found = Selection(
        given.select or _listed(table, "select", where),
        (*given.ignore, *_listed(table, "ignore", where)),
        fail_on or str(table.get("fail-on", "error")),
    )
    if found.fail_on not in (*SEVERITIES, "never"):
        raise ConfigError(
            f"fail-on in {where} is not a level.", hint="Write error, warning, note or never."
        )
    known = {check.id for check in all_checks()} | {check.group for check in all_checks()}
    for name in (*found.select, *found.ignore):
        if name.upper() not in known:
            raise ConfigError(
                f"There is no check {name!r}.", hint="`appsvc doctor --list` shows them."
            )
    return found


def read_baseline(path: Path) -> frozenset[str]:
    """Return the fingerprints in a baseline file. Raise ConfigError if it cannot be read."""
    try:
        read = json.loads(read_plain(path).decode("utf-8"))
        if read["version"] != _VERSION:
            raise ConfigError(f"The baseline {path} is of another version.", hint="Write it again.")
        return frozenset(str(one["fingerprint"]) for one in read["known"])
    except OSError as error:
        raise ConfigError(
            f"The baseline {path} cannot be read: {error.strerror or error}.",
            hint="Make it with --write-baseline FILE.",
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError(
            f"{path} is not a baseline.", hint="Make it with --write-baseline FILE."
        ) from None


def write_baseline(path: Path, results: Iterable[Result]) -> int:
    """Write what was found as known, and return how many. Raise ConfigError if that fails."""
    known = [
        {"id": result.check.id, "file": found.file, "fingerprint": fingerprint(result.check, found)}
        for result in results
        for found in result.found
    ]
    try:
        with open(path, "x", encoding="utf-8") as file:
            json.dump({"version": _VERSION, "known": known}, file, indent=2)
            file.write("\n")
    except OSError as error:
        raise ConfigError(
            f"The baseline {path} cannot be written: {error.strerror or error}.",
            hint="Remove an old one first.",
        ) from None
    return len(known)


def without_known(results: Iterable[Result], known: frozenset[str]) -> list[Result]:
    """Return the results without the findings of a baseline."""
    return [
        replace(
            one,
            found=tuple(each for each in one.found if fingerprint(one.check, each) not in known),
        )
        for one in results
    ]


def fingerprint(check: Check, found: Found) -> str:
    """Return what stays the same when lines move: id, file and message."""
    text = "\0".join((check.id, found.file, found.message))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _names(names: Sequence[str], check: Check) -> bool:
    wanted = {name.upper() for name in names}
    return check.id in wanted or check.group in wanted


def _listed(table: dict[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ConfigError(f"{name} in {where} is not a list of ids.", hint='Write ["DB-04"].')
    return tuple(value)
