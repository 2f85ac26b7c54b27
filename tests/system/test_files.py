"""One file to which many processes append, on this system; and what errors mean on both."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appsvc_runtime.system import files, process
from tests.support.servers import clean_environ

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="as it is on POSIX")


def os_error(number: int, windows: int | None = None) -> OSError:
    error = OSError(number, os.strerror(number))
    if windows is not None:
        error.winerror = windows  # type: ignore[attr-defined]
    return error


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    """Descriptors to close at the end."""
    found: list[int] = []
    yield found
    for descriptor in found:
        os.close(descriptor)


@posix_only
def test_writes_of_all_go_to_the_end(log: Path, descriptors: list[int]) -> None:
    """A missing file is made; no write overwrites another; children inherit no descriptor."""
    descriptors += [files.open_append(str(log)) for _ in range(2)]
    for turn in range(3):
        for number, descriptor in enumerate(descriptors):
            os.write(descriptor, b"%d-%d " % (turn, number))
    assert log.read_bytes() == b"0-0 0-1 1-0 1-1 2-0 2-1 "
    assert not any(os.get_inheritable(descriptor) for descriptor in descriptors)


@posix_only
@pytest.mark.parametrize(
    ("make", "number"),
    [
        pytest.param(lambda path: path.mkdir(), errno.EISDIR, id="folder"),
        pytest.param(lambda path: os.mkfifo(path), errno.ENXIO, id="pipe-without-reader"),
        pytest.param(
            lambda path: path.symlink_to(path / "x" / "y"), errno.ELOOP, id="endless-link"
        ),
    ],
)
def test_what_cannot_be_opened_is_an_error_at_once(
    log: Path, make: Callable[[Path], None], number: int
) -> None:
    """Only another program's lock is waited for."""
    make(log)
    with pytest.raises(OSError) as caught:
        files.open_append(str(log), seconds=600)
    assert caught.value.errno == number


@posix_only
def test_lock_keeps_others_out_until_unlocked(log: Path) -> None:
    """Not even this process can lock it again; no call waits."""
    locked = files.lock(str(log))
    assert locked is not None
    assert files.lock(str(log)) is None
    files.unlock(locked)
    again = files.lock(str(log))
    assert again is not None
    files.unlock(again)
    files.unlock(again)  # closed already: nothing happens


@posix_only
def test_lock_stays_when_somebody_here_closes_the_file(log: Path) -> None:
    """As any log handler closes it: locks of the other kind would be lost then."""
    locked = files.lock(str(log))
    assert locked is not None
    with log.open("ab"):
        pass
    assert files.lock(str(log)) is None
    files.unlock(locked)


@posix_only
def test_locking_leaves_no_descriptor(log: Path) -> None:
    """No descriptor is left, whether the lock was taken or not."""
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        locked = files.lock(str(log))
        assert locked is not None
        assert files.lock(str(log)) is None
        files.unlock(locked)
    assert len(os.listdir("/proc/self/fd")) == before


@posix_only
def test_lock_of_a_folder(log: Path) -> None:
    """It locks whatever becomes of the files in the folder, and leaves no descriptor."""
    before = files._held.copy()
    folder = files.lock_folder(str(log.parent))
    assert folder is not None
    log.touch()
    log.rename(log.parent / "other")
    assert files.lock_folder(str(log.parent)) is None
    files.unlock(folder)
    again = files.lock_folder(str(log.parent))
    assert again is not None
    files.unlock(again)
    assert files._held == before


@posix_only
def test_what_is_no_folder_cannot_be_locked_as_one(log: Path) -> None:
    """A missing folder is an error too."""
    log.touch()
    with pytest.raises(NotADirectoryError):
        files.lock_folder(str(log))
    with pytest.raises(FileNotFoundError):
        files.lock_folder(str(log.parent / "none"))


FORKED = """
import os, signal, sys
from appsvc_runtime.system import files as osfiles
locked = osfiles.lock(sys.argv[1])
if os.fork():
    os.kill(os.getpid(), signal.SIGKILL)
print("forked", os.getpid(), flush=True)
sys.stdin.read()
print("ended", flush=True)
"""


@posix_only
def test_lock_of_a_killed_process_is_not_kept_by_its_child(log: Path) -> None:
    """Although a forked child inherits all descriptors."""
    with subprocess.Popen(
        [sys.executable, "-c", FORKED, str(log)], env=clean_environ(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as parent:  # fmt: skip
        assert parent.stdout
        assert parent.stdin
        assert parent.stdout.readline().startswith("forked ")
        assert parent.wait(60) == -9
        locked = files.lock(str(log))
        assert locked is not None
        files.unlock(locked)
        parent.stdin.close()
        assert parent.stdout.readline() == "ended\n"  # it lived until now


@posix_only
@pytest.mark.parametrize(
    ("links", "start", "end"),
    [
        pytest.param({}, "app.log", "app.log", id="no-link"),
        pytest.param({"app.log": "there/a"}, "app.log", "there/a", id="relative"),
        pytest.param({"app.log": "b", "b": "there/c"}, "app.log", "there/c", id="two"),
        pytest.param({"up": "there"}, "up/a", "up/a", id="folder"),
        pytest.param({"app.log": "/dev/stdout"}, "app.log", None, id="to-a-descriptor"),
    ],
)
def test_links_are_followed(
    tmp_path: Path, links: dict[str, str], start: str, end: str | None
) -> None:
    """To the file that can be renamed, whether it exists or not."""
    (tmp_path / "there").mkdir()
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    expected = None if end is None else str(tmp_path / end)
    assert files.file_to_rename(str(tmp_path / start)) == expected


@posix_only
@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/dev/stderr"])
def test_descriptors_are_not_to_be_renamed(path: str) -> None:
    """Whatever file they lead to, it is not ours."""
    assert files.file_to_rename(path) is None


@posix_only
def test_endless_link_ends(log: Path) -> None:
    """A link to itself is returned as it is; opening it raises the error."""
    log.symlink_to(log)
    assert files.file_to_rename(str(log)) == str(log)


@pytest.mark.parametrize(
    ("error", "on_windows", "busy", "gone"),
    [
        pytest.param(os_error(errno.EAGAIN), False, True, False, id="full-pipe"),
        pytest.param(os_error(errno.EACCES), False, False, False, id="no-permission"),
        pytest.param(os_error(errno.ENOENT), False, False, True, id="not-there"),
        pytest.param(os_error(errno.ENOTDIR), False, False, True, id="folder-not-there"),
        pytest.param(os_error(errno.EIO), False, False, False, id="disk"),
        pytest.param(os_error(errno.EACCES, 32), True, True, True, id="windows-open-elsewhere"),
        pytest.param(os_error(errno.EACCES, 33), True, True, True, id="windows-locked"),
        pytest.param(os_error(errno.EACCES, 5), True, False, True, id="windows-being-deleted"),
        pytest.param(os_error(errno.EACCES), True, True, True, id="windows-writing-locked-part"),
        pytest.param(os_error(errno.ENOSPC, 112), True, False, False, id="windows-full"),
    ],
)
def test_what_errors_mean(
    monkeypatch: pytest.MonkeyPatch, error: OSError, on_windows: bool, busy: bool, gone: bool
) -> None:
    """Whether to try again, and whether the file is gone (access denied on Windows)."""
    monkeypatch.setattr(process, "WINDOWS", on_windows)
    assert files.is_busy(error) == busy
    assert files.is_gone(error) == gone


def test_attempts_end() -> None:
    """Without time there is one attempt; otherwise several, and only the last is marked."""
    assert list(files.attempts(0)) == [True]
    *before, last = files.attempts(0.02)
    assert last
    assert not any(before)
    long = files.attempts(600)
    assert [next(long) for _ in range(3)] == [False] * 3


@pytest.mark.parametrize("on_windows", [False, True], ids=["posix", "windows"])
def test_one_file_in_place_of_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, on_windows: bool
) -> None:
    """Only the new file is left, whether there was an old one or not."""
    monkeypatch.setattr(process, "WINDOWS", on_windows)
    for text in ("first", "second"):
        (tmp_path / "app.log").write_text(text)
        files.replace(str(tmp_path / "app.log"), str(tmp_path / "app.log.1"))
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"app.log.1": text}


def test_a_new_file_is_made_like_the_old_one(tmp_path: Path) -> None:
    """It gets the old mode; an existing file, and a planted link, are left alone."""
    old, new, other = tmp_path / "old", tmp_path / "new", tmp_path / "other"
    old.write_text("x")
    old.chmod(0o666)
    files.make_like(str(new), old.stat())
    assert new.stat().st_mode & 0o777 == 0o666
    other.write_text("y")
    other.chmod(0o600)
    files.make_like(str(other), old.stat())
    (tmp_path / "link").symlink_to(other)
    files.make_like(str(tmp_path / "link"), old.stat())
    assert other.stat().st_mode & 0o777 == 0o600
