"""If the shared log file cannot be opened, written or rotated, the app continues."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appsvc_runtime.logs import file
from appsvc_runtime.logs.file import SharedFileHandler
from appsvc_runtime.system import files as system_files

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="as it is on POSIX")
Make = Callable[..., SharedFileHandler]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry failures with the next line, and wait for nothing."""
    for name in ("_WAIT_SECONDS", "_RETRY_SECONDS", "_LOCKED_SECONDS"):
        monkeypatch.setattr(file, name, 0.0)


def write(handler: logging.Handler, *messages: str) -> None:
    for message in messages:
        handler.handle(logging.makeLogRecord({"msg": message, "levelname": "INFO"}))


class Broken(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        """Raise the error of a broken pipe."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        pytest.param("folder", "Is a directory", id="folder"),
        pytest.param("missing/app.log", "No such file", id="missing-folder"),
        pytest.param("file/app.log", "Not a directory", id="below-a-file"),
        pytest.param("x" * 300, "File name too long", id="name-too-long"),
        pytest.param("nu\0l", "embedded null", id="no-path-at-all"),
        pytest.param("link", "No such file", id="link-to-nowhere"),
        pytest.param("pipe", "No such device", id="pipe-without-reader"),
    ],
)
@posix_only
def test_lines_go_to_standard_error(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, reason: str
) -> None:
    """The reason is reported once, before the first line; no line is lost, and nothing raised."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("missing/app.log")
    os.mkfifo(tmp_path / "pipe")
    handler = make(tmp_path / place, max_bytes=10, backups=2)
    write(handler, "one", "two \ud800", "three")
    said, *lines = capsys.readouterr().err.splitlines()
    assert said.startswith(f"The log file {tmp_path / place} cannot be opened: ")
    assert reason in said
    assert lines == ["one", "two \\ud800", "three"]
    assert handler.lost == 0


def test_it_is_said_again_after_it_was_mended(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], impatient: None
) -> None:
    """Each new fault is reported once; lines go to the file as soon as it can be opened."""
    folder = tmp_path / "logs"
    handler = make(folder / "app.log")
    write(handler, "1", "2")
    folder.mkdir()
    write(handler, "3")
    (folder / "app.log").unlink()
    folder.rmdir()
    write(handler, "4", "5")
    said = capsys.readouterr().err.splitlines()
    assert [line if line.isdigit() else "said" for line in said] == [
        "said",
        "1",
        "2",
        "said",
        "4",
        "5",
    ]
    folder.mkdir()
    write(handler, "6")
    assert (folder / "app.log").read_text() == "6\n"


def test_opening_is_not_tried_with_each_line(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening may be slow: it is tried once, and again only after a while."""
    asked: list[float] = []

    def open_append(path: str, seconds: float) -> int:
        asked.append(seconds)
        raise failure(errno.EACCES)

    monkeypatch.setattr(system_files, "open_append", open_append)
    handler = make()
    write(handler, *"123456")
    assert asked == [file._WAIT_SECONDS]
    handler._retry_at -= 3600
    write(handler, *"123456")
    assert asked[1:] == [0]  # waited for a lock once: not again and again


@pytest.mark.parametrize("kind", ["none", "closed", "broken"])
def test_no_standard_error(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch, impatient: None, kind: str
) -> None:
    """Under pythonw or in a service, lines are counted, and the count is written later."""
    closed = io.StringIO()
    closed.close()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", {"none": None, "closed": closed, "broken": Broken()}[kind])
        handler = make()
        log.mkdir()
        write(handler, "one", "two")
        assert handler.lost == 2  # and not what would have been said about it
        log.rmdir()
        write(handler, "three")
        told = "2 log lines could not be written and are missing here."
        assert log.read_text() == f"{told}\nthree\n"


def test_standard_error_of_few_characters(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Characters that its encoding lacks are escaped."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii"))
    log.mkdir()
    write(make(), "Grüße")
    assert raw.getvalue().splitlines()[-1] == rb"Gr\xfc\xdfe"


def test_standard_error_that_leads_to_the_log(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    """If an app redirects standard error to the log, there is no endless loop."""
    handler = make()
    printed: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            """Log the text."""
            printed.append(text)
            write(handler, text.rstrip())
            return len(text)

    monkeypatch.setattr(sys, "stderr", Stream())
    log.mkdir()
    write(handler, "one")
    log.rmdir()
    write(handler, "two")
    assert log.read_text().splitlines()[-1] == "two"
    assert len(printed) == 2  # why, and the line


@posix_only
@pytest.mark.parametrize("backups", [1, 3])
def test_what_cannot_be_renamed_is_gone_on_with(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    impatient: None, backups: int,
) -> None:  # fmt: skip
    """The fault is reported once; no line is lost, and retries delete no older file."""
    real = system_files.replace

    def replace(old: str, new: str, seconds: float) -> None:
        if old == str(log):
            raise failure(errno.EPERM)
        real(old, new, seconds)

    for number in range(1, backups + 1):
        Path(f"{log}.{number}").write_text(f"older {number}")
    handler = make(max_bytes=10, backups=backups)
    with monkeypatch.context() as patched:
        patched.setattr(system_files, "replace", replace)
        write(handler, *[f"line {number}" for number in range(10)])
    assert log.read_text() == "".join(f"line {number}\n" for number in range(10))
    said = capsys.readouterr().err
    assert said == f"The log file {log} cannot be rotated: {os.strerror(errno.EPERM)}.\n"
    for number in range(2, backups + 1):
        assert Path(f"{log}.{number}").read_text() == f"older {number - 1}"
    write(handler, "after")
    assert log.read_text() == "after\n"
    assert len(list(log.parent.iterdir())) == backups + 1


def test_a_new_file_is_rotated_at_once(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new file is rotated, whatever failed with the one before."""
    handler = make(max_bytes=10, backups=2)
    with monkeypatch.context() as patched:
        patched.setattr(system_files, "lock", lambda path: None)
        write(handler, "one", "x" * 20, "three")
    assert handler._rotate_at
    log.unlink()
    handler._rotate_at += 3600
    write(handler, "four", "x" * 20, "six")
    assert log.read_text() == "six\n"


@posix_only
def test_renamed_while_one_rotates_and_another_wants_to(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock on a renamed file does not cover the next file; the lock on the folder does."""
    one, other = (make(max_bytes=10, backups=5) for _ in range(2))
    write(one, "first")
    real = system_files.replace

    def replace(old: str, new: str, seconds: float = 0.0) -> None:
        monkeypatch.setattr(system_files, "replace", real)
        log.rename(log.parent / "kept")
        write(other, "second", "third", "fourth")
        real(old, new, seconds)

    monkeypatch.setattr(system_files, "replace", replace)
    write(one, "fifth")
    files = [log.parent / "kept", *(Path(f"{log}.{n}") for n in (4, 3, 2, 1)), log]
    lines = [line for path in files if path.exists() for line in path.read_text().split()]
    assert lines == ["first", "second", "third", "fourth", "fifth"]


@posix_only
def test_folder_that_cannot_be_locked(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is rotated without the folder's lock, as on Windows."""

    def lock_folder(path: str) -> int:
        raise failure(errno.ENOTSUP)

    monkeypatch.setattr(system_files, "lock_folder", lock_folder)
    write(make(max_bytes=10, backups=2), "one", "x" * 20)
    assert Path(f"{log}.1").read_text() == "one\n"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_name_that_cannot_be_looked_at(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """If the name cannot be checked, the open file is used further."""
    handler = make()
    write(handler, "one")
    real = os.stat

    def stat(path: str, **options: bool) -> os.stat_result:
        if path == str(log):
            raise failure(number)
        return real(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", stat)
        write(handler, "two", "three")
    assert log.read_text() == "one\ntwo\nthree\n"


def test_rotating_that_fails_is_tried_ever_more_seldom(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rotation may be slow: it is retried less and less often, but never given up."""
    tried: list[str] = []

    def lock(path: str) -> int:
        tried.append(path)
        raise failure(errno.ENOLCK)

    monkeypatch.setattr(system_files, "lock", lock)
    handler = make(max_bytes=10, backups=2)
    pauses = []
    for _ in range(9):
        write(handler, *["line"] * 10)
        pauses.append(handler._rotate_pause)
        handler._rotate_at = 0.0
    assert len(tried) == 9
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60, 60]


@posix_only
@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [
        pytest.param(["rotated"], ["x" * 9, "after"], id="rotated"),
        pytest.param(["rotated", "filled"], ["x" * 9, "y" * 9, "after"], id="rotated-and-full"),
        pytest.param(["emptied"], ["after"], id="emptied"),
        pytest.param(["deleted"], ["after"], id="deleted"),
    ],
)
@pytest.mark.parametrize("moment", ["before-opening", "before-locking"])
def test_another_was_faster(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch,
    meanwhile: list[str], expected: list[str], moment: str,
) -> None:  # fmt: skip
    """No file is renamed twice, or without the lock on that very file."""
    import fcntl

    handler = make(max_bytes=10, backups=5)
    write(handler, "x" * 9)
    real_lock, real_flock, real_replace, todo = (
        system_files.lock,
        fcntl.flock,
        os.replace,
        meanwhile[:],
    )
    does: dict[str, Callable[[], object]] = {
        "rotated": lambda: real_replace(log, f"{log}.1"),
        "filled": lambda: log.write_text("y" * 9 + "\n"),
        "emptied": lambda: log.write_text(""),
        "deleted": lambda: log.unlink(),
    }

    def others() -> None:
        while todo:
            does[todo.pop(0)]()

    def lock(path: str) -> int | None:
        others()
        return real_lock(path)

    def flock(descriptor: int, flags: int) -> None:
        others()
        real_flock(descriptor, flags)

    def replace(old: str, new: str) -> None:
        assert old != str(log) or system_files.lock(old) is None
        real_replace(old, new)

    if moment == "before-opening":
        monkeypatch.setattr(system_files, "lock", lock)
    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(os, "replace", replace)
    write(handler, "after")
    found = sorted(log.parent.iterdir(), key=lambda path: -int(path.suffix[1:].strip("log") or 0))
    assert [path.read_text().rstrip() for path in found] == expected
