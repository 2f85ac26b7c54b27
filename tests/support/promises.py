"""The table in docs/servers.md: which server promises what, by release.

Tests read it: where it says "no", they have nothing to show.
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


# The columns' names, and for each promise the words in them.
COLUMNS, PROMISES = _read()


def release(package: str) -> tuple[int, ...]:
    """Return the numbers of an installed release."""
    return tuple(int(part) for part in re.findall(r"\d+", importlib.metadata.version(package))[:3])


def column(server: str, version: tuple[int, ...]) -> int:
    """Return the index of the column that a release of a server is in."""
    found = -1
    for index, name in enumerate(COLUMNS):
        words = name.split()
        first = tuple(int(part) for part in words[1].split("."))
        if words[0] == server and first <= version:
            found = index
    assert found >= 0, f"docs/servers.md has no column for {server} {version}"
    return found


def need(server: str, promise: str) -> None:
    """Skip the test where the table says that the installed release does not keep a promise."""
    if PROMISES[promise][column(server, release(server))] == "no":
        pytest.skip(f"docs/servers.md: this release of {server} does not promise it")
