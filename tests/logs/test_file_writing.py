"""On full and broken disks, on pipes and devices, lost lines are counted."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appsvc_runtime.logs import file
from appsvc_runtime.logs.file import SharedFileHandler
from appsvc_runtime.system import files
from tests.support.servers import clean_environ, run

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="as it is on POSIX")
Make = Callable[..., SharedFileHandler]
TOLD = "%d log lines could not be written and are missing here."


def write(handler: logging.Handler, *messages: str) -> None:
    for message in messages:
        handler.handle(logging.makeLogRecord({"msg": message, "levelname": "INFO"}))


class Disk:
    """Stands in for `os.write`: an error, the number of bytes to take, or None for all of them."""

    def __init__(self, *script: int | OSError | None) -> None:
        self.script = list(script)
        self.real = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        """Write as many bytes as the script allows."""
        what = self.script.pop(0) if self.script else None
        if isinstance(what, OSError):
            raise what
        return self.real(descriptor, data[:what])


def failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


FULL, BROKEN, BUSY = failure(errno.ENOSPC), failure(errno.EIO), failure(errno.EAGAIN)


@pytest.mark.parametrize(
    ("script", "written"),
    [
        pytest.param([None, FULL], [TOLD % 1, "three"], id="full"),
        pytest.param([None, FULL, FULL], [TOLD % 2], id="full-for-two"),
        pytest.param([None, 2, FULL], ["tw", TOLD % 1, "three"], id="full-in-the-middle"),
        pytest.param([None, 2, FULL, FULL], ["tw", TOLD % 2], id="full-in-the-middle-for-two"),
        pytest.param([None, 2, FULL, 1, FULL], ["tw", TOLD % 2], id="room-for-a-newline"),
        pytest.param([None, BROKEN], [TOLD % 1, "three"], id="broken"),
        pytest.param([None, failure(errno.EFBIG)], [TOLD % 1, "three"], id="too-large"),
        pytest.param([None, failure(errno.EBADF)], [TOLD % 1, "three"], id="closed-by-others"),
        pytest.param([None, 2, 1], ["two", "three"], id="in-parts"),
        pytest.param([None, 0, 0], ["two", "three"], id="nothing-taken-twice"),
        pytest.param([None, BUSY, BUSY, 1, BUSY], ["two", "three"], id="busy"),
    ],
)
def test_writing_fails(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    script: list[int | OSError | None], written: list[str],
) -> None:  # fmt: skip
    """Lost lines are counted, reported once, and noted in the file when writing works again."""
    handler = make(max_bytes=10_000, backups=2)
    lost = sum(isinstance(one, OSError) and one is not BUSY for one in script)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", Disk(*script).write)
        write(handler, "one", "two", "three")
    if lost > 1:
        assert handler.lost == 2
        write(handler, "four")
        written = [*written, "four"]
    assert log.read_text().splitlines() == ["one", *written]
    assert handler.lost == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == (lost > 0)
    assert all(f"The log file {log} cannot be written: " in line for line in said)


def test_torn_in_a_file_that_has_gone(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A torn line in a file that is gone needs no line end."""
    handler = make()
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", Disk(2, FULL).write)
        write(handler, "one")
    log.unlink()
    write(handler, "two")
    assert log.read_text() == f"{TOLD % 1}\ntwo\n"


def test_room_for_the_count_but_not_for_a_line(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The count is not written without a line, and reports are not repeated."""
    handler = make()
    room = len(f"{TOLD % 1}\n")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", Disk(FULL, room, FULL, FULL).write)
        write(handler, "one", "two", "three")
        assert handler.lost == 2
    write(handler, "four")
    assert log.read_text().splitlines() == [TOLD % 1, TOLD % 2, "four"]
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_stays_lost_is_told_at_the_end(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the disk stays full, the count goes to standard error at the end."""
    handler = make()
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", Disk(*[FULL] * 9).write)
        write(handler, "one", "two")
        handler.close()
    assert "2 log lines could not be written" in capsys.readouterr().err.splitlines()[-1]
    assert handler.lost == 0


def test_what_was_lost_is_told_at_the_end(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If there is space at the end, the count goes to the file."""
    handler = make()
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", Disk(FULL).write)
        write(handler, "one")
    handler.close()
    assert log.read_text() == f"{TOLD % 1}\n"


@pytest.mark.parametrize(
    ("form", "told"),
    [
        pytest.param("%(levelname)s %(message)s", f"WARNING {TOLD % 1}", id="of-a-record"),
        pytest.param("%(extra)s %(message)s", TOLD % 1, id="more-than-a-record-has"),
        pytest.param("%(added)s %(message)s", f"by-filter {TOLD % 1}", id="from-a-filter"),
    ],
)
def test_the_count_is_formatted(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch, form: str, told: str
) -> None:
    """The count is formatted as a record, if that is possible."""
    handler = make()
    handler.setFormatter(logging.Formatter(form))

    def add(record: logging.LogRecord) -> bool:
        record.added = "by-filter"
        return record.name != file.__name__  # what it thinks of the count does not matter

    handler.addFilter(add)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", Disk(FULL).write)
        for _ in range(2):
            handler.handle(logging.makeLogRecord({"msg": "x", "levelname": "INFO", "extra": "e"}))
    assert log.read_text().splitlines()[0] == told


@posix_only
def test_pipe_that_is_full(make: Make, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for a full pipe is limited; lost lines are counted, and reported once it is read."""
    waits: list[float] = []
    real, opening = files.attempts, files.open_append

    def attempts(seconds: float) -> Iterator[bool]:
        waits.append(seconds)
        return real(seconds)

    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    try:
        handler = make()
        line = "x" * 999
        write(handler, line)
        monkeypatch.setattr(files, "open_append", lambda path, seconds: opening(path))
        monkeypatch.setattr(files, "attempts", attempts)
        monkeypatch.setattr(file, "_RETRY_SECONDS", 3600.0)
        write(handler, *[line] * 199)
        assert handler.lost > 100
        assert [seconds for seconds in waits if seconds] == [file._WAIT_SECONDS]
        kept, lost = 200 - handler.lost, handler.lost
        found = os.read(reader, 1_000_000).decode().splitlines()
        assert found == [line] * kept
        write(handler, "after")
        assert os.read(reader, 1_000_000).decode().splitlines()[-2:] == [TOLD % lost, "after"]
    finally:
        os.close(reader)


STDOUT = """
import sys
from appsvc_runtime.logs.file import SharedFileHandler
import logging
handler = SharedFileHandler(sys.argv[1], max_bytes=int(sys.argv[2]), backups=5)
for number in range(5):
    print("own", number, flush=True)
    handler.handle(logging.makeLogRecord({"msg": f"line {number}"}))
"""
BOTH = "".join(f"own {number}\nline {number}\n" for number in range(5))


@posix_only
@pytest.mark.parametrize(
    ("links", "max_bytes"),
    [
        # Not the system's own where anything might be renamed: tests are also run as root.
        pytest.param({"log": "/proc/self/fd/1"}, 10, id="as-dev-stdout"),
        pytest.param({"fd": "/proc/self/fd", "log": "fd/1"}, 10, id="as-dev-fd"),
        pytest.param({"log": "/dev/stdout"}, 0, id="dev-stdout"),
    ],
)
@pytest.mark.parametrize("redirected", [True, False], ids=["to-a-file", "to-a-pipe"])
def test_standard_output_by_its_name(
    tmp_path: Path, links: dict[str, str], max_bytes: int, redirected: bool
) -> None:
    """Log lines and printed lines are in order, and the target is not renamed."""
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    path = str(tmp_path / "log")
    if not redirected:
        result = run("-c", STDOUT, path, str(max_bytes))
        assert (result.stdout, result.stderr) == (BOTH, "")
    else:
        with (tmp_path / "out").open("ab") as opened:
            subprocess.run(
                [sys.executable, "-c", STDOUT, path, str(max_bytes)],
                env=clean_environ(), stdout=opened, check=True, timeout=60,
            )  # fmt: skip
        assert (tmp_path / "out").read_text() == BOTH
    assert {path.name for path in tmp_path.iterdir()} == {*links, *["out"] * redirected}


@posix_only
def test_dev_null(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    """All lines are accepted."""
    handler = make("/dev/null")
    write(handler, "one", "two")
    assert handler.lost == 0
    assert capfd.readouterr() == ("", "")


@posix_only
def test_pipe_is_not_renamed(make: Make, log: Path) -> None:
    """A pipe has no size that could trigger rotation."""
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(make(max_bytes=1, backups=1), "one", "two")
        assert os.read(reader, 1000) == b"one\ntwo\n"
    finally:
        os.close(reader)
    assert [path.name for path in log.parent.iterdir()] == [log.name]


@posix_only
def test_full_disk(tmp_path: Path, make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """On a real full disk all lines are written or counted, and rotation frees space."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)],
        check=False, capture_output=True,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        filling = tmp_path / "filling"
        filling.write_bytes(b"x" * 40_000)
        handler = make(tmp_path / "app.log")
        write(handler, *[f"{number:099}" for number in range(500)])
        lost = handler.lost
        assert lost > 200
        assert len(capsys.readouterr().err.splitlines()) == 1
        filling.unlink()
        write(handler, "after")
        *lines, told, after = (tmp_path / "app.log").read_text().splitlines()
        whole = [line for line in lines if len(line) == 99]
        assert whole == [f"{number:099}" for number in range(500 - lost)]
        assert len(lines) - len(whole) <= 1
        assert (told, after) == (TOLD % lost, "after")
        handler.close()
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


LIMITED = """
import logging, resource, sys
from appsvc_runtime.logs.file import SharedFileHandler
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_050, hard))
handler = SharedFileHandler(sys.argv[1])
for number in range(200):
    handler.handle(logging.makeLogRecord({"msg": f"{number:099}"}))
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
print(handler.lost)
handler.handle(logging.makeLogRecord({"msg": "after"}))
"""


@posix_only
def test_file_that_may_not_grow(log: Path) -> None:
    """A size limit tears a line: it is ended, and the count follows."""
    result = run("-c", LIMITED, str(log))
    assert (result.returncode, result.stdout) == (0, "100\n")
    assert result.stderr == f"The log file {log} cannot be written: {os.strerror(errno.EFBIG)}.\n"
    assert log.read_text().splitlines() == [
        *[f"{number:099}" for number in range(100)], "0" * 50, TOLD % 100, "after",
    ]  # fmt: skip
