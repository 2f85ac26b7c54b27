"""Each check finds the fault of its sites, and nothing in its sound ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from appsvc_runtime.doctor.check import HOSTS, SEVERITIES
from appsvc_runtime.doctor.given import GivenSettings
from appsvc_runtime.doctor.site import Site
from appsvc_runtime.doctor.table import all_checks, find_check, run_checks
from tests.support.programs import needs_git

from . import table
from .cases import CASES, Case

# Their sites need more than files: they have tests below.
_ELSEWHERE = {"SET-05"}


def make_site(case: Case, folder: Path) -> Site:
    """Write a case's files into a folder, and return the site."""
    for name, text in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    given = None
    if case.settings is not None:
        given = GivenSettings(case.settings, "settings.json", case.sticky)
    return Site(folder, given, case.command, case.python)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id}-{case.finds}")
def test_case(case: Case, tmp_path: Path) -> None:
    """The check finds something, or nothing, and is not skipped."""
    check = find_check(case.id)
    assert check is not None
    [result] = run_checks(make_site(case, tmp_path), [check], HOSTS)
    assert not result.skipped
    assert bool(result.found) == case.finds, result.found
    for found in result.found:
        assert found.message.endswith((".", "!")), found.message
        assert found.fix.endswith((".", "`")), found.fix
        assert not found.file or (tmp_path / found.file).exists()


def test_every_check_has_both_cases() -> None:
    """No check is without a site that has its fault, nor without one that does not."""
    for finds in (True, False):
        cases = {case.id for case in CASES if case.finds is finds}
        ids = {check.id for check in all_checks() if check.looks_at != ("run",)}
        assert ids - cases == _ELSEWHERE


def test_table() -> None:
    """Ids are unique; each row is whole."""
    ids = [check.id for check in all_checks()]
    assert len(set(ids)) == len(ids)
    for check in all_checks():
        assert check.severity in SEVERITIES
        assert check.host in HOSTS
        assert check.explanation.startswith("Report ")
        assert check.source
        assert set(check.looks_at) <= {"files", "settings", "command", "build", "run"}
        assert check.look.__name__ == check.id.lower().replace("-", "_")


@needs_git
def test_tracked_secrets(tmp_path: Path) -> None:
    """A `.env` that git has is found; one that it has not is none."""
    check = find_check("SET-05")
    assert check is not None
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / ".env").write_text("A=1\n")
    [result] = run_checks(Site(tmp_path), [check], HOSTS)
    assert not result.found
    subprocess.run([*git, "add", ".env"], check=True)
    [result] = run_checks(Site(tmp_path), [check], HOSTS)
    assert [found.file for found in result.found] == [".env"]


def test_the_page_has_the_table() -> None:
    """docs/reference/checks.md shows all checks as they are."""
    text = table.PAGE.read_text("utf-8")
    shown = text.partition(table.BEGIN)[2].partition(table.END)[0]
    assert shown == table.render(), "run `python -m tests.doctor.table`"
