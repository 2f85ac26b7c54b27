"""Names in folders, found as Windows finds them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from appsvc_runtime.emulator.iis.windows_names import Folders, entry

COMPOSED = unicodedata.normalize("NFC", "é.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with names in capitals, and an accent as two characters, as on macOS."""
    for name in ("Sub", "a.TXT", unicodedata.normalize("NFD", COMPOSED)):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "there"),
    [
        pytest.param("Sub", True, id="same"),
        pytest.param("sUB", True, id="case"),
        pytest.param("A.txt", True, id="case-of-the-extension"),
        pytest.param(COMPOSED, True, id="one-character"),
        pytest.param(COMPOSED.upper(), True, id="one-character-and-case"),
        pytest.param("b.txt", False, id="other"),
    ],
)
def test_both_find_the_same(folder: Path, name: str, there: bool) -> None:
    """The uncached and the cached lookup fold names in the same way."""
    found = entry(str(folder), name)
    child = Folders().child(folder, name)
    assert (found is not None, child is not None) == (there, there)
    if found is not None and child is not None:
        assert (folder / found).samefile(child)


def test_the_exact_name_comes_first(tmp_path: Path) -> None:
    """If two names differ only in case, the exact one is found, else the first sorted one."""
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "B").write_bytes(b"")
    if len(os.listdir(tmp_path)) < 2:
        pytest.skip("a file system without case")
    remembered = Folders()
    for name in ("b", "B"):
        assert entry(str(tmp_path), name) == name
        assert remembered.child(tmp_path, name) == tmp_path / name


def test_what_is_no_folder_has_nothing(folder: Path) -> None:
    """A file has no entries, and neither has a missing folder."""
    for name in ("a.TXT", "none", "x\0"):
        assert entry(str(folder / name), "x") is None
        assert Folders().child(folder / name, "x") is None


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a:b", "\0"])
def test_names_that_are_none(folder: Path, name: str) -> None:
    """Names that no file can have lead nowhere."""
    assert Folders().child(folder, name) is None


@pytest.mark.parametrize("name", ["sub", "SUB", "Sub"])
def test_a_disk_that_ignores_case(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A name is spelled as listed, also where every other spelling exists too."""
    monkeypatch.setattr(Path, "exists", lambda _path, **_: True)
    found = Folders().child(folder, name)
    assert found is not None
    assert found.name == "Sub"
