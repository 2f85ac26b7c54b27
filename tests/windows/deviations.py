"""What the tests that start no server do otherwise on Windows, and why: a plugin of pytest.

`python -m tests.windows.pure` loads it in the Windows Python. Each entry of `DEVIATIONS` names
tests that fail there and the cause: the test's (it holds for another system), Wine's, or ours, a
fault of the package, of which none should be left. Such a test is expected to fail, and an entry
fails when a test of it passes. `NOT_RUN` names files and folders that are about another system.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest

from tests.windows.deviation_table import DEVIATIONS, NOT_RUN, WINE, Deviation

__all__ = ["DEVIATIONS", "NOT_RUN", "Deviation", "part_of"]

ROOT = Path(__file__).resolve().parents[2]


def part_of(items: Iterable[pytest.Item], number: int, of: int) -> list[pytest.Item]:
    """Return every `of`-th test of each file, from its `number`-th on."""
    seen: dict[Path, int] = {}
    chosen = []
    for item in items:
        at = seen[item.path] = seen.get(item.path, -1) + 1
        if at % of == number - 1:
            chosen.append(item)
    return chosen


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `python -m tests.windows.pure`."""
    parser.addoption("--part", default="1/1", help="N/M: every M-th test of a file, from its N-th")


@pytest.hookimpl(wrapper=True)  # what tests/conftest.py returns for a folder counts else
def pytest_ignore_collect(collection_path: Path) -> Generator[None, bool | None, bool | None]:
    """Leave out the files of `NOT_RUN`."""
    otherwise = yield
    if not collection_path.is_relative_to(ROOT):
        return otherwise
    return collection_path.relative_to(ROOT).as_posix() in NOT_RUN or otherwise


@pytest.hookimpl(trylast=True)  # after -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose the part, and expect the failures of the table."""
    number, _, of = config.getoption("part").partition("/")
    items[:] = part_of(items, int(number), int(of))
    for item in items:
        for one in DEVIATIONS:
            if one.covers(item.nodeid):
                reason = f"{one.cause}: {one.why}"
                # What Wine does otherwise, Windows itself may do right.
                strict = one.always and (one.cause != WINE or _under_wine())
                item.add_marker(pytest.mark.xfail(strict=strict, run=one.run, reason=reason))


def _under_wine() -> bool:
    if sys.platform != "win32":
        return False
    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
