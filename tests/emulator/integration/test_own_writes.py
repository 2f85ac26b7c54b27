"""Files written beside a user's files, or in `.appsvc`: not through links, for the owner alone."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appsvc_runtime.emulator.frontend.certificates import Certificates
from appsvc_runtime.emulator.linux import mounts
from appsvc_runtime.emulator.processes import workspace
from appsvc_runtime.emulator.processes.output import ChildOutput
from appsvc_runtime.emulator.roles import folders
from appsvc_runtime.emulator.roles.definition import LocalStorage, Role
from appsvc_runtime.emulator.webjobs.copy import JobCopy
from appsvc_runtime.emulator.webjobs.log import JobLog, write_status
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.system.own_folder import OwnFolder
from tests.support.emulator import make_site
from tests.support.servers import run
from tests.support.trees import snapshot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links ask for a right there")


def log(path: Path) -> None:
    JobLog(path, limit=None, say=lambda text: None).system("a line")


def log_to_roll(path: Path) -> None:
    JobLog(path, limit=1, say=lambda text: None).system("a line")


def copy_output(path: Path) -> None:
    output = ChildOutput(lambda text: None)
    output.copy_to(str(path), follow=False)
    output.add(1, b"a line\n")
    output.end()


WRITERS: list[Callable[[Path], None]] = [
    log, log_to_roll, copy_output, lambda path: write_status(path, Status="x"),
    lambda path: Certificates("example.com").write_authority(path),
]  # fmt: skip


@pytest.mark.parametrize("leads_to", ["precious", "new"])
@pytest.mark.parametrize("write", WRITERS)
def test_no_file_through_a_link(
    tmp_path: Path, write: Callable[[Path], None], leads_to: str
) -> None:
    """Neither is an existing file written nor a new one made."""
    make_site(tmp_path, {"precious": "x", "own/y": ""})
    link = tmp_path / "own" / "file"
    link.symlink_to(tmp_path / leads_to)
    write(link)
    assert (tmp_path / "precious").read_text() == "x"
    assert not (tmp_path / "new").exists()


def test_the_launchers_lock(tmp_path: Path) -> None:
    """It is beside the platform's shutdown file, where somebody may have put a link."""
    worker = make_site(tmp_path, {"worker.py": "print('worked')\n"}) / "worker.py"
    shutdown = tmp_path / "shutdown"
    lock = tmp_path / "shutdown.launcher"
    arguments = ("-m", "appsvc_runtime.worker", "--restart", "never", str(worker))
    before = os.umask(0)
    try:
        done = run(*arguments, cwd=tmp_path, WEBJOBS_SHUTDOWN_FILE=str(shutdown))
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    lock.unlink()
    lock.symlink_to(tmp_path / "new")
    done = run(*arguments, cwd=tmp_path, WEBJOBS_SHUTDOWN_FILE=str(shutdown))
    assert done.returncode == 0, done.stderr
    assert "it is a link" in done.stdout + done.stderr
    assert not (tmp_path / "new").exists()


def test_the_copy_of_a_job(tmp_path: Path) -> None:
    """Targets of links are copied, but no folder into itself; modes are those of the site."""
    job = make_site(tmp_path / "job", {"run.py": "x", "keys/key.pem": "secret"})
    make_site(tmp_path / "shared", {"lib.py": "shared"})
    (job / "keys").chmod(0o700)
    (job / "keys/key.pem").chmod(0o600)
    (job / "shared").symlink_to(tmp_path / "shared")
    (job / "circle").symlink_to(".")
    (job / "keys/up").symlink_to("..")
    (job / "nowhere").symlink_to("not-there")
    os.mkfifo(job / "pipe")
    made = JobCopy(job, tmp_path / "temp" / "deep")
    copy = made.place()
    found = snapshot(copy)
    assert found.keys() == {"run.py", "keys", "keys/key.pem", "shared", "shared/lib.py"}
    assert found["keys"] == ("folder", 0o700)
    assert found["keys/key.pem"] == ("file", 0o600, b"secret")
    assert stat.S_IMODE((tmp_path / "temp").stat().st_mode) == 0o700
    assert made.place() == copy
    (tmp_path / "shared/lib.py").write_text("shared, changed")
    copy = made.place()
    assert (copy / "shared/lib.py").read_text() == "shared, changed"
    before = snapshot(tmp_path / "shared")
    (copy / "shared/lib.py").write_text("changed by the job")
    made.remove()
    assert not (tmp_path / "temp/deep").exists()
    assert snapshot(tmp_path / "shared") == before


def test_local_storage_that_was_moved_away(tmp_path: Path) -> None:
    """A link in its place is removed, and its target is unchanged."""
    root = make_site(tmp_path / "project", {"role/worker.py": ""}) / "role"
    role = Role("Worker", storage=(LocalStorage("Cache", 1, True),))
    made = folders.make_folders(tmp_path / "project", "Worker_0", root, role)
    storage = made / "LocalStorage/Cache"
    make_site(storage, {"x": "precious"})
    storage.rename(tmp_path / "moved")
    storage.symlink_to(tmp_path / "moved")
    folders.empty(storage)
    assert snapshot(tmp_path / "moved").keys() == {"x"}
    assert not any(storage.iterdir())
    (made / "emulator.lock").unlink()
    (made / "emulator.lock").symlink_to(tmp_path / "new")
    with pytest.raises(ConfigError, match="it is a link"):
        folders.make_folders(tmp_path / "project", "Worker_0", root, role)
    assert not (tmp_path / "new").exists()


def test_points_to_mount_on(tmp_path: Path) -> None:
    """No file is made through a link in the folder that becomes /home."""
    (tmp_path / "link").symlink_to(tmp_path / "new")
    assert not mounts._make_point(tmp_path / "link", is_folder=False)
    assert not mounts._make_point(tmp_path / "link", is_folder=True)
    assert not (tmp_path / "new").exists()
    assert mounts._make_point(tmp_path / "file", is_folder=False)
    assert mounts._make_point(tmp_path / "folder", is_folder=True)


def test_anothers_folder_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that all users may write to, another user's `.appsvc` is not used."""
    site = make_site(tmp_path / "shared" / "site", {"app.py": ""})
    (tmp_path / "shared/.appsvc").mkdir()
    real = OwnFolder.status

    def status(folder: OwnFolder, name: str = "") -> os.stat_result | None:
        found = real(folder, name)
        if name or found is None or not folder.path.endswith(".appsvc"):
            return found
        return os.stat_result((*found[:4], found.st_uid + 1, *found[5:10]))

    monkeypatch.setattr(OwnFolder, "status", status)
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    with pytest.raises(PermissionError, match="another user"):
        workspace.own_folder(site, "linux")
    made = workspace.linux_folder(site, environ)
    assert made.is_relative_to(tmp_path / "cache")
    assert stat.S_IMODE((tmp_path / "cache/appsvc-runtime").stat().st_mode) == 0o700
    assert not any((tmp_path / "shared/.appsvc").iterdir())


@pytest.mark.parametrize("foreign", ["link", "folder"])
def test_anothers_link_in_place_of_our_folder(
    foreign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would lead to another user's folder, with an interpreter that this user would run."""
    site = make_site(tmp_path / "shared" / "site", {"app.py": ""})
    (tmp_path / "theirs").mkdir()
    (tmp_path / "shared/.appsvc").symlink_to(tmp_path / "theirs")
    real = {"lstat": Path.lstat, "stat": Path.stat}

    def given_away(name: str, path: Path) -> os.stat_result:
        found = real[name](path)
        if path.name != ".appsvc" or (name == "lstat") is not (foreign == "link"):
            return found
        return os.stat_result((*found[:4], found.st_uid + 1, *found[5:10]))

    monkeypatch.setattr(Path, "lstat", lambda path: given_away("lstat", path))
    monkeypatch.setattr(Path, "stat", lambda path, **_: given_away("stat", path))
    with pytest.raises(PermissionError, match="another user"):
        workspace.own_folder(site, "linux")
    made = workspace.linux_folder(site, {"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert made.is_relative_to(tmp_path / "cache")
    assert not any((tmp_path / "theirs").iterdir())


def test_a_folder_of_ours_that_the_user_keeps_elsewhere(tmp_path: Path) -> None:
    """A link that the user made is followed, and its target keeps its mode."""
    site = make_site(tmp_path / "site", {"app.py": ""})
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk").chmod(0o755)
    (tmp_path / ".appsvc").symlink_to("disk")
    assert workspace.own_folder(site, "linux").is_dir()
    assert stat.S_IMODE((tmp_path / "disk").stat().st_mode) == 0o755
    assert snapshot(tmp_path / "disk") == {
        "site": ("folder", 0o700), "site/linux": ("folder", 0o700),
    }  # fmt: skip
