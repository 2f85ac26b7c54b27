"""The copy of a site: complete, only what has changed, and never from the copy to the site."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.build.copy import Copied
from appsvc_runtime.emulator.linux.build.copy import copy_changes as copy_into
from appsvc_runtime.emulator.linux.build.output_folder import locked
from appsvc_runtime.emulator.linux.build.state import State, write_state
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.system.own_folder import OwnFolder
from tests.support.apps import digest
from tests.support.emulator import make_site

FILES: dict[str, str | bytes] = {"app.py": "app = 1\n", "static/a.css": "a", "static/b/c.css": "c"}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a site with some folders."""
    return make_site(tmp_path / "site", FILES)


def copy_changes(site: Path, output: Path, state: State) -> Copied:
    output.mkdir(parents=True, exist_ok=True)
    with OwnFolder.open(output) as folder:
        return copy_into(site, folder, state)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_all_and_then_nothing(site: Path, tmp_path: Path) -> None:
    """The first copy copies all, the second nothing; the site is unchanged."""
    before, state, output = digest(site), State(), tmp_path / "out"
    first = copy_changes(site, output, state)
    second = copy_changes(site, output, state)
    assert (first.written, second.changed) == (3, False)
    assert names(output) == set(FILES)
    assert digest(site) == before


def test_only_what_has_changed(site: Path, tmp_path: Path) -> None:
    """Changes of the site are copied; the build's own files stay; changed copies are restored."""
    state, output = State(), tmp_path / "out"
    copy_changes(site, output, state)
    (site / "app.py").write_text("app = 2\n")
    (site / "static/a.css").unlink()
    (site / "new.py").write_text("")
    make_site(output, {"made.txt": "by a build", "static/b/c.css": "changed by a build"})
    copied = copy_changes(site, output, state)
    assert (copied.written, copied.removed) == (3, 1)
    assert names(output) == {"app.py", "new.py", "static/b/c.css", "made.txt"}
    assert (output / "static/b/c.css").read_text() == "c"
    assert (output / "app.py").read_text() == "app = 2\n"


def test_a_folder_becomes_a_file(site: Path, tmp_path: Path) -> None:
    """A folder can become a file, and a file a folder."""
    state, output = State(), tmp_path / "out"
    copy_changes(site, output, state)
    for path in ("static/a.css", "static/b/c.css", "app.py"):
        (site / path).unlink()
    (site / "static/b").rmdir()
    (site / "static").rmdir()
    make_site(site, {"static": "a file now", "app.py/inside.py": ""})
    copy_changes(site, output, state)
    assert names(output) == {"static", "app.py/inside.py"}


def test_what_is_left_out(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are never deployed or made by each build, and non-files, are left out."""
    make_site(
        site,
        {
            "__pycache__/x.pyc": "", ".git/HEAD": "", ".appsvc/x": "", "antenv/x": "",
            "deep/venv/pyvenv.cfg": "", "deep/venv/lib/x.py": "", "deep/kept.py": "",
        },
    )  # fmt: skip
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(site)  # the path of a socket must be short
        listening.bind("socket")
    copied = copy_changes(site, tmp_path / "out", State())
    assert names(tmp_path / "out") == {*FILES, "deep/kept.py"}
    assert copied.left_out == [
        ".appsvc", ".git", "antenv", "deep/venv (a virtual environment)", "socket (not a file)",
    ]  # fmt: skip


def test_an_output_inside_the_site(site: Path) -> None:
    """An output folder inside the site is not copied into itself."""
    copy_changes(site, site / "out", State())
    copy_changes(site, site / "out", State())
    assert names(site / "out") == set(FILES)


def test_links_stay_links(site: Path, tmp_path: Path) -> None:
    """Broken links stay too; a link that gets another target is copied again."""
    (site / "link").symlink_to("app.py")
    (site / "nowhere").symlink_to("/not/there")
    (site / "folder").symlink_to("static", target_is_directory=True)
    state, output = State(), tmp_path / "out"
    copy_changes(site, output, state)
    links = {name: os.readlink(output / name) for name in ("link", "nowhere", "folder")}
    assert links == {"link": "app.py", "nowhere": "/not/there", "folder": "static"}
    (site / "link").unlink()
    (site / "link").symlink_to("static/a.css")
    assert copy_changes(site, output, state).written == 1
    assert os.readlink(output / "link") == "static/a.css"


def test_a_build_writes_through_no_link(site: Path, tmp_path: Path) -> None:
    """A link that has replaced a copied file is replaced again; its target is unchanged."""
    state, output, other = State(), tmp_path / "out", tmp_path / "precious"
    copy_changes(site, output, state)
    other.write_text("precious")
    (output / "app.py").unlink()
    (output / "app.py").symlink_to(other)
    copy_changes(site, output, state)
    assert (other.read_text(), (output / "app.py").read_text()) == ("precious", "app = 1\n")


def test_read_only_files(site: Path, tmp_path: Path) -> None:
    """The build can write to their copies, and the rest of their modes stays."""
    (site / "app.py").chmod(0o555)
    copy_changes(site, tmp_path / "out", State())
    assert (tmp_path / "out/app.py").stat().st_mode & 0o777 == 0o755


def test_what_cannot_be_copied(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence names the file; the state of the copy stays true."""
    state, output = State(), tmp_path / "out"
    copy_changes(site, output, state)
    make_site(site, {"app.py": "app = 2\n", "static/a.css": "changed"})
    create = OwnFolder.create

    def refuse(folder: OwnFolder, name: str) -> int:
        if name == "a.css":
            raise OSError(28, "No space left on device", folder.where(name))
        return create(folder, name)

    monkeypatch.setattr(OwnFolder, "create", refuse)
    with pytest.raises(ConfigError, match=r"out/static/a\.css: No space left"):
        copy_changes(site, output, state)
    assert state.copied.keys() == {"app.py", "static", "static/a.css", "static/b", "static/b/c.css"}
    monkeypatch.undo()
    copy_changes(site, output, state)
    assert digest(output) == digest(site)


def test_an_output_of_another_build_inside_the_site(site: Path) -> None:
    """Two outputs inside a site would contain each other, and grow with each build."""
    for name in ("one", "two", "one", "two"):
        with locked(site, site / name) as folder:
            copied = copy_into(site, folder, State())
        assert names(site / name) == {*FILES, ".appsvc-build.lock"}
    assert copied.left_out == ["one (a copy that a build has made)"]


def test_links_that_are_lost(site: Path, tmp_path: Path) -> None:
    """A relative link that leads out of the site has no such target from the copy."""
    make_site(tmp_path / "big", {"a.jpg": "a"})
    for name, leads_to in [
        ("media", "../big"),
        ("whole", str(tmp_path / "big")),
        ("inside", "static"),
        ("nowhere", "gone"),
    ]:
        (site / name).symlink_to(leads_to)
    copied = copy_changes(site, tmp_path / "deeper" / "out", State())
    assert copied.lost == ["media -> ../big"]
    assert copy_changes(site, tmp_path / "out", State()).lost == []


def make_deep(folder: Path, levels: int) -> None:
    """Make nested folders, even deeper than a path can be long; put a file into the last."""
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("leaf", os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)


def test_folders_in_folders(site: Path, tmp_path: Path) -> None:
    """Two hundred levels are copied, with the file in the last; more are a one-sentence error."""
    make_deep(site, 200)
    state = State()
    assert copy_changes(site, tmp_path / "out", state).written == 4
    assert tmp_path.joinpath("out", *["d"] * 200, "leaf").exists()
    shutil.rmtree(site / "d")
    assert copy_changes(site, tmp_path / "out", state).removed == 1
    assert names(tmp_path / "out") == set(FILES)


@pytest.mark.parametrize("levels", [201, 600])
def test_folders_in_too_many_folders(levels: int, site: Path, tmp_path: Path) -> None:
    """They are refused before anything is written, without a traceback."""
    make_deep(site, levels)
    with pytest.raises(ConfigError, match=r"more than 200 nested folders\. Move it"):
        copy_changes(site, tmp_path / "out", State())
    assert names(tmp_path / "out") == set()


def test_a_full_disk(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the file that cannot be written, not the site, and what helps."""
    real, big = os.write, b"x" * 5_000_000
    (site / "big.bin").write_bytes(big)

    def write(descriptor: int, data: bytes) -> int:
        if len(data) > 1000:  # only this file of the copy is so large
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(ConfigError, match=r"out/big\.bin: No space left on device\. Free space"):
        copy_changes(site, tmp_path / "out", State())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux")
def test_a_state_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is one sentence with the state file's name; no partial file is left."""
    output = tmp_path / "out"
    create = OwnFolder.create

    def full(folder: OwnFolder, name: str) -> int:
        os.close(create(folder, name))
        return os.open("/dev/full", os.O_WRONLY)

    def fill_disk(folder: OwnFolder) -> None:
        monkeypatch.setattr(OwnFolder, "create", full)
        monkeypatch.setattr(os, "chmod", lambda *_: None)
        write_state(folder, State())

    (tmp_path / "site").mkdir()
    with (
        pytest.raises(ConfigError, match=r"build\.json.*No space left on device\. Free space"),
        locked(tmp_path / "site", output) as folder,
    ):
        fill_disk(folder)
    assert names(output) == {".appsvc-build.lock"}


def test_a_copy_that_was_interrupted(site: Path, tmp_path: Path) -> None:
    """Its output is recognized as a build's; a folder that is not a build's stays refused."""
    output = make_site(tmp_path / "out", {"half.py": ""})
    with pytest.raises(ConfigError, match="was not made by a build"), locked(site, output):
        pass
    (output / "half.py").unlink()
    with locked(site, output):
        (output / "half.py").touch()
    with locked(site, output):
        assert (output / "half.py").exists()
