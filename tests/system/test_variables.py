"""The variables of a child: on Windows, names that differ only in case are one."""

from __future__ import annotations

import pytest

from appsvc_runtime.system import process, variables

GIVEN = {"DEBUG": "0", "Path": "a", "debug": "1", "PATH": "b", "Other": "c"}


@pytest.mark.parametrize(
    ("windows", "made"),
    [(False, GIVEN), (True, {"debug": "1", "PATH": "b", "Other": "c"})],
    ids=["linux", "windows"],
)
def test_names_that_differ_in_case(
    monkeypatch: pytest.MonkeyPatch, *, windows: bool, made: dict[str, str]
) -> None:
    """On Windows the last is kept, with its spelling; elsewhere all are."""
    monkeypatch.setattr(process, "WINDOWS", windows)
    assert variables.for_child(GIVEN) == made
