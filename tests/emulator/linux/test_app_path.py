"""The folder below /tmp that a built site runs in."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.app_path import make_app_path, remove_app_path
from appsvc_runtime.emulator.processes.run_folder import remove_old_runs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths of Linux")


def make(run: Path, parent: Path) -> Path:
    run.mkdir(parents=True)
    made = make_app_path(run, parent)
    assert made is not None
    return made


def test_its_name_and_its_end(tmp_path: Path) -> None:
    """It is named as the platform names it, is its owner's alone, and goes with its run."""
    first, second = (make(tmp_path / run, tmp_path) for run in ("run-1", "run-2"))
    assert first != second
    assert re.fullmatch("8d[ef][0-9a-f]{12}", first.name)
    assert first.stat().st_mode & 0o777 == 0o700
    remove_app_path(tmp_path / "run-1")
    assert (first.exists(), second.exists()) == (False, True)
    remove_app_path(tmp_path / "run-1")  # again: nothing is left, and that is no error


def test_what_is_in_it_stays(tmp_path: Path) -> None:
    """Only an empty folder is removed: whatever is in it is not of this package."""
    made = make(tmp_path / "run-1", tmp_path)
    (made / "file").touch()
    remove_app_path(tmp_path / "run-1")
    assert (made / "file").exists()


def test_of_a_killed_run(tmp_path: Path) -> None:
    """The next run removes it with the rest; that of a running one stays."""
    gone = make(tmp_path / f"run-{2**22 + 1}", tmp_path)
    running = make(tmp_path / "run-1", tmp_path)
    remove_old_runs(tmp_path, remove_app_path)
    assert (gone.exists(), running.exists()) == (False, True)


def test_where_none_can_be_made(tmp_path: Path) -> None:
    """Without a folder for it there is none."""
    (tmp_path / "run-1").mkdir()
    assert make_app_path(tmp_path / "run-1", tmp_path / "missing") is None
    assert not list((tmp_path / "run-1").iterdir())
