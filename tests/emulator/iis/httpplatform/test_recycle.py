"""The files of <recycleOnFileChange>, and changes of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appsvc_runtime.emulator.iis.httpplatform.recycle import RecycleFiles
from appsvc_runtime.emulator.iis.webconfig.model import HttpPlatform
from appsvc_runtime.emulator.iis.windows_paths import PathMap


def files(site: Path, *written: str) -> RecycleFiles:
    """Return the files of an element with these paths."""
    settings = HttpPlatform("p", recycle_on_file_change=written)
    paths = PathMap(site, site.parent / "home", sys.executable)
    return RecycleFiles(settings, paths, {"NAME": "run"})


@pytest.mark.parametrize(
    ("written", "changed", "first"),
    [
        pytest.param("app.py", ["a.txt", "app.py"], "app.py", id="relative"),
        pytest.param(r".\app.py", ["app.py"], "app.py", id="dot"),
        pytest.param("APP.PY", ["App.py"], "App.py", id="case"),
        pytest.param(r"conf\app.ini", ["conf/app.ini"], "conf/app.ini", id="below"),
        pytest.param("conf/app.ini", ["conf/app.ini"], "conf/app.ini", id="slashes"),
        pytest.param(r"D:\home\site\wwwroot\app.py", ["app.py"], "app.py", id="absolute"),
        pytest.param("%NAME%.py", ["run.py"], "run.py", id="variable"),
        pytest.param("app.py", ["sub/app.py", "app.pyc"], "", id="others"),
        pytest.param("sub", ["sub/app.py"], "", id="folders-are-no-files"),
        pytest.param("*.py", ["app.py"], "", id="no-patterns"),
    ],
)
def test_which_changes_count(tmp_path: Path, written: str, changed: list[str], first: str) -> None:
    """Each path is one file, in any case; no folder and no pattern."""
    found = files(tmp_path / "site", "none.txt", written)
    assert found.first(changed) == first
    assert found.outside == []


def test_files_elsewhere(tmp_path: Path) -> None:
    """The emulator watches the site's folder only, and names the others."""
    found = files(tmp_path / "site", r"C:\data\x.ini", r"..\x.ini", "y.ini")
    assert found.outside == [r"C:\data\x.ini", r"..\x.ini"]
    assert found.first(["x.ini"]) == ""
    assert files(tmp_path / "site").first(["x.ini"]) == ""
