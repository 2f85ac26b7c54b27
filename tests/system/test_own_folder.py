"""Our own folders and files: never through a link, for their owner alone, in both ways."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from appsvc_runtime.system import files, own_files, own_folder
from appsvc_runtime.system.own_folder import OwnFolder
from tests.support.emulator import make_site
from tests.support.trees import snapshot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links ask for a right there")

PRECIOUS: dict[str, str | bytes] = {"precious/a": "x", "precious/b/c": "x"}


@pytest.fixture(params=[True, False], ids=["descriptors", "paths"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Use both ways of writing without following links."""
    monkeypatch.setattr(own_folder, "BY_DESCRIPTOR", request.param)
    return bool(request.param)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Calls that are refused for a name that is a link to a folder or a file.
REFUSED: list[Callable[[OwnFolder], object]] = [
    lambda folder: folder.enter("link"),
    lambda folder: folder.enter("link", make=True),
    lambda folder: folder.open_file("link-to-file"),
    lambda folder: folder.read("link-to-file", 10),
    lambda folder: folder.create("link-to-file"),
    lambda folder: folder.create("dangling"),
    lambda folder: folder.lock("link-to-file"),
    lambda folder: folder.lock("dangling"),
    lambda folder: folder.enter(".."),
    lambda folder: folder.remove("../precious/a"),
    lambda folder: folder.remove(".."),
    lambda folder: folder.remove("."),
    lambda folder: folder.create("a\0b"),
]


@pytest.mark.parametrize("call", REFUSED)
def test_links_are_refused(tmp_path: Path, call: Callable[[OwnFolder], object]) -> None:
    """The error has the whole path; nothing is made or changed."""
    make_site(tmp_path, PRECIOUS)
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "precious")
    (root / "link-to-file").symlink_to(tmp_path / "precious/a")
    (root / "dangling").symlink_to(tmp_path / "new")
    before = snapshot(tmp_path)
    with OwnFolder.open(root) as folder, pytest.raises(OSError):
        call(folder)
    assert snapshot(tmp_path) == before


def test_what_is_a_link_is_replaced_or_removed(tmp_path: Path) -> None:
    """The link itself, never its target."""
    make_site(tmp_path, PRECIOUS)
    root = make_site(tmp_path / "root", {"deep/x": ""})
    for place in (root, root / "deep"):
        (place / "link").symlink_to(tmp_path / "precious")
        (place / "file.new").symlink_to(tmp_path / "precious/a")
        (place / "file").symlink_to(tmp_path / "precious/a")
    before = snapshot(tmp_path / "precious")
    with OwnFolder.open(root) as folder:
        folder.write("file", b"mine")
        folder.remove("link")
        folder.remove("deep")
        folder.remove("deep")  # gone already
    assert snapshot(root) == {"file": ("file", 0o600, b"mine")}
    assert snapshot(tmp_path / "precious") == before


def test_a_link_swapped_in(tmp_path: Path, way: bool) -> None:
    """An open folder stays the one that was opened, or is refused."""
    make_site(tmp_path, PRECIOUS)
    root = make_site(tmp_path / "root", {"deep/a": "mine", "deep/b/c": "mine"})
    before = snapshot(tmp_path / "precious")
    with OwnFolder.open(root) as folder, folder.enter("deep") as deep:
        (root / "deep").rename(tmp_path / "moved")
        (root / "deep").symlink_to(tmp_path / "precious")
        for call in (
            lambda: deep.remove("a"),
            lambda: deep.remove("b"),
            lambda: deep.write("a", b""),
        ):
            if way:
                call()
            else:
                with pytest.raises(OSError, match="link"):
                    call()
    assert snapshot(tmp_path / "precious") == before


def test_the_root_may_be_named_by_a_link(tmp_path: Path) -> None:
    """That link is the user's, as are links above it."""
    make_site(tmp_path, {"real/own/x": ""})
    (tmp_path / "link").symlink_to("real")
    with OwnFolder.open(tmp_path / "link" / "own") as folder:
        folder.write("y", b"")
    assert (tmp_path / "real/own/y").exists()


def test_junctions_are_links() -> None:
    """Windows calls them folders; a file in a cloud is not one."""
    folder = {"st_mode": stat.S_IFDIR | 0o777}
    for tag, link in ((0xA000_0003, True), (0xA000_000C, True), (0x9000_001A, False), (0, False)):
        status = SimpleNamespace(**folder, st_reparse_tag=tag)
        assert own_folder.is_link(status) is link  # type: ignore[arg-type]
        assert own_folder.is_folder(status) is not link  # type: ignore[arg-type]


def test_all_is_the_owners_alone(tmp_path: Path) -> None:
    """From the first byte on, whatever the umask."""
    before = os.umask(0)
    try:
        with OwnFolder.open(tmp_path) as folder:
            descriptor = folder.create("key")
            assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o600
            folder.finish("key", descriptor, 0o640, (1, 2_000_000_000))
            folder.enter("made", make=True).close()
            lock = folder.lock("lock")
        own_files.make_folders(tmp_path / "a" / "b")
        own_files.write_file(tmp_path / "a" / "file", b"x")
    finally:
        os.umask(before)
    assert lock is not None
    files.unlock(lock)
    assert (mode(tmp_path / "key"), (tmp_path / "key").stat().st_mtime) == (0o640, 2)
    assert {mode(tmp_path / name) for name in ("made", "a", "a/b")} == {0o700}
    assert {mode(tmp_path / name) for name in ("lock", "a/file")} == {0o600}


def test_what_nobody_may_enter_is_removed(tmp_path: Path, way: bool) -> None:
    """A build can leave folders without access for itself."""
    make_site(tmp_path, {"closed/deep/x": ""})
    (tmp_path / "closed/deep").chmod(0o500)
    (tmp_path / "closed").chmod(0 if way else 0o700)
    if not way:
        (tmp_path / "closed/deep").chmod(0o700)
    own_files.remove_path(tmp_path / "closed")
    assert not (tmp_path / "closed").exists()


def test_files_of_the_copy(tmp_path: Path) -> None:
    """A script in the copy is changed, others are not, by whatever path."""
    root = make_site(tmp_path / "root", {"a.sh": "/home/x", "deep/b.sh": "/home/x"})
    other = make_site(tmp_path / "other", {"c.sh": "/home/x"}) / "c.sh"
    (root / "c.sh").symlink_to(other)
    (root / "d.sh").symlink_to("deep/b.sh")
    other.chmod(0o600)
    for name, inside in (("a.sh", True), ("d.sh", True), ("c.sh", False)):
        (root / name).chmod(0o640)
        assert own_files.make_executable(root, root / name) is inside
        changed = own_files.rewrite_inside(root, root / name, lambda data: data + b"!")
        assert changed is inside
        assert (root / name).read_text() == ("/home/x!" if inside else "/home/x")
        assert mode(root / name) == (0o751 if inside else 0o640)
    assert (root / "d.sh").is_symlink()
    assert not own_files.rewrite_inside(root, root / "a.sh", lambda data: data)
