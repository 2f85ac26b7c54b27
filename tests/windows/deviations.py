"""What the tests that start no server do otherwise on Windows, and why: a plugin of pytest.

`python -m tests.windows.pure` loads it in the Windows Python. Each entry of `DEVIATIONS` names
tests that fail there and the cause: the test's (it holds for another system), Wine's, or ours, a
fault of the package, of which none should be left. Such a test is expected to fail, and an entry
fails when a test of it passes. `NOT_RUN` names files and folders that are about another system.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["DEVIATIONS", "NOT_RUN", "Deviation", "part_of"]

ROOT = Path(__file__).resolve().parents[2]
OURS, TEST, WINE = "ours", "the test's", "Wine's"


@dataclass(frozen=True)
class Deviation:
    """Tests, by node ids in which `*` stands for any text, with the cause of their failure.

    `always` is False for a failure that depends on the order of things; `run` is False for a test
    that would wait for minutes.
    """

    tests: tuple[str, ...]
    cause: str
    why: str
    always: bool = True
    run: bool = True

    def covers(self, nodeid: str) -> bool:
        """Return whether a test is one of them."""
        return any(_pattern(one).fullmatch(nodeid) for one in self.tests)


NOT_RUN = {
    "tests/docs": "documentation is the same on every system",
    "tests/emulator/linux/build": "appsvc build refuses to run on Windows",
    "tests/logs/test_file_forks.py": "Windows has no fork",
    "tests/serving/gunicorn": "gunicorn does not run on Windows",
    "tests/system/test_process_one.py": "process 1 of a Linux container",
    "tests/system/test_process_tree.py": "signals, groups and /proc; test_process_tree_windows.py",
    "tests/system/test_procfs.py": "/proc",
    "tests/system/test_tree_guard.py": "Windows has jobs instead",
    "tests/windows": "driven from Linux",
}
DEVIATIONS: tuple[Deviation, ...] = ()


def part_of(items: Iterable[pytest.Item], number: int, of: int) -> list[pytest.Item]:
    """Return every `of`-th test of each file, from its `number`-th on."""
    seen: dict[Path, int] = {}
    chosen = []
    for item in items:
        at = seen[item.path] = seen.get(item.path, -1) + 1
        if at % of == number - 1:
            chosen.append(item)
    return chosen


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `python -m tests.windows.pure`."""
    parser.addoption("--part", default="1/1", help="N/M: every M-th test of a file, from its N-th")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the files of `NOT_RUN`."""
    if not collection_path.is_relative_to(ROOT):
        return None
    return True if collection_path.relative_to(ROOT).as_posix() in NOT_RUN else None


@pytest.hookimpl(trylast=True)  # after -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose the part, and expect the failures of the table."""
    number, _, of = config.getoption("part").partition("/")
    items[:] = part_of(items, int(number), int(of))
    for item in items:
        for one in DEVIATIONS:
            if one.covers(item.nodeid):
                reason = f"{one.cause}: {one.why}"
                item.add_marker(pytest.mark.xfail(strict=one.always, run=one.run, reason=reason))
