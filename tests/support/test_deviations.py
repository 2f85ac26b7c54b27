"""The table of deviations on Windows names tests that exist, and the parts are a whole."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.windows.deviation_table import DEVIATIONS, NOT_RUN, TEST, WINE
from tests.windows.deviations import ROOT, part_of

PATTERNS = [one for entry in DEVIATIONS for one in entry.tests]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_entry_names_tests_that_exist(pattern: str) -> None:
    """Otherwise it would stay in the table after its test is gone."""
    path, _, name = pattern.partition("::")
    wanted = re.escape(name.partition("[")[0]).replace(r"\*", r"\w*")
    assert re.search(rf"^(async )?def {wanted}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)


def test_each_entry_is_needed_once() -> None:
    """Each has a cause and a reason, and none is ours: such a fault is fixed."""
    assert len(PATTERNS) == len(set(PATTERNS))
    assert {entry.cause for entry in DEVIATIONS} <= {TEST, WINE}
    assert all(entry.why for entry in DEVIATIONS)


@pytest.mark.parametrize("path", NOT_RUN)
def test_what_is_not_run_exists(path: str) -> None:
    """A file or folder, with a reason."""
    assert (ROOT / path).exists()
    assert NOT_RUN[path]


@pytest.mark.parametrize(
    ("pattern", "nodeid", "covers"),
    [
        ("a.py::t", "a.py::t", True),
        ("a.py::t", "a.py::t[x]", False),
        ("a.py::t", "a.py::test", False),
        ("a.py::t*", "a.py::t[x]", True),
        ("a.py::t[*-x]", "a.py::t[y-x]", True),
        ("a.py::t[*-x]", "a.py::t[y-z]", False),
        ("a.py::t[.]", "a.py::t[x]", False),
    ],
)
def test_patterns(pattern: str, nodeid: str, covers: bool) -> None:
    """Only a star has a meaning of its own, as ids have brackets and dots."""
    entry = type(DEVIATIONS[0])((pattern,), WINE, "")
    assert entry.covers(nodeid) is covers


@pytest.mark.parametrize("of", [1, 2, 3, 8, 100])
def test_the_parts_are_the_whole(of: int) -> None:
    """Each test is in one part, and the first part has a test of each file."""
    items: list[Any] = [
        SimpleNamespace(path=Path(file), number=number)
        for file, count in (("a", 1), ("b", 7), ("c", 30))
        for number in range(count)
    ]
    parts = [part_of(items, number, of) for number in range(1, of + 1)]
    assert sorted(id(item) for part in parts for item in part) == sorted(map(id, items))
    assert {item.path.name for item in parts[0]} == {"a", "b", "c"}
