"""What a deployment with a build leaves in /home/site/wwwroot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.wwwroot import is_read_only, write_wwwroot

FILES = ["oryx-manifest.toml", "output.tar.zst"]


def test_an_archive_and_a_manifest(tmp_path: Path) -> None:
    """Nothing of the site is there; the manifest says where the archive is unpacked."""
    folder = tmp_path / "linux" / "wwwroot"
    write_wwwroot(folder, "/tmp/8df4f118deea625", "3.12", empty=True)
    assert sorted(os.listdir(folder)) == FILES
    lines = (folder / "oryx-manifest.toml").read_text().splitlines()
    assert 'SourceDirectoryInBuildContainer="/tmp/8df4f118deea625"' in lines
    assert 'PythonVersion="3.12"' in lines


def test_what_an_app_has_written(tmp_path: Path) -> None:
    """It stays until the next deployment."""
    write_wwwroot(tmp_path, "/tmp/1", "3.12", empty=True)
    (tmp_path / "app.db").touch()
    write_wwwroot(tmp_path, "/tmp/2", "3.12", empty=False)
    assert sorted(os.listdir(tmp_path)) == ["app.db", *FILES]
    assert "/tmp/2" in (tmp_path / FILES[0]).read_text()
    same = tmp_path.stat().st_ino
    (tmp_path / "uploads").mkdir()
    (tmp_path / "link").symlink_to(tmp_path.parent)
    write_wwwroot(tmp_path, "/tmp/3", "3.12", empty=True)
    assert sorted(os.listdir(tmp_path)) == FILES
    assert tmp_path.stat().st_ino == same  # another emulator may have mounted it


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("1", True, id="one"),
        pytest.param("https://store.example/site.zip?sig=x", True, id="address"),
        pytest.param("0", False, id="zero"),
        pytest.param("", False, id="empty"),
        pytest.param("true", False, id="word"),
        pytest.param(None, False, id="unset"),
    ],
)
def test_when_it_is_a_package(value: str | None, expected: bool) -> None:
    """The setting is 1 or an address; other values mean nothing to the platform."""
    settings = {} if value is None else {"WEBSITE_RUN_FROM_PACKAGE": value}
    assert is_read_only(settings) is expected
