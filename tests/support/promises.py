"""The table in docs/servers.md: which server promises what, by release.

Tests read it, and skip what a cell with "no" excludes.
"""

from __future__ import annotations

import importlib.metadata
import re

import pytest

from tests.support.servers import ROOT

__all__ = ["COLUMNS", "PROMISES", "column", "need", "release"]

_HEADING = "## What each release promises"


def _read() -> tuple[list[str], dict[str, list[str]]]:
    section = (ROOT / "docs" / "servers.md").read_text("utf-8").partition(_HEADING)[2]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return rows[0][1:], {row[0]: row[1:] for row in rows[2:]}


# The columns' names, and the cells of each promise's row.
COLUMNS, PROMISES = _read()


def release(package: str) -> tuple[int, ...]:
    """Return the version of an installed package as numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", importlib.metadata.version(package))[:3])


def column(server: str, version: tuple[int, ...]) -> int:
    """Return the index of the column for a release of a server."""
    found = -1
    for index, name in enumerate(COLUMNS):
        words = name.split()
        first = tuple(int(part) for part in words[1].split("."))
        if words[0] == server and first <= version:
            found = index
    assert found >= 0, f"docs/servers.md has no column for {server} {version}"
    return found


def need(server: str, promise: str) -> None:
    """Skip the test if the table says "no" to a promise for the installed release."""
    if PROMISES[promise][column(server, release(server))] == "no":
        pytest.skip(f"docs/servers.md: this release of {server} does not promise it")
