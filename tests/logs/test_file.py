"""The shared log file in one process: lines, rotation, links and renames."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from appsvc_runtime.logs import file
from appsvc_runtime.logs.file import SharedFileHandler
from tests.support.servers import run

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="as it is on POSIX")
Make = Callable[..., SharedFileHandler]


def write(handler: logging.Handler, *messages: str) -> None:
    for message in messages:
        handler.handle(logging.makeLogRecord({"msg": message, "levelname": "INFO"}))


def all_lines(log: Path) -> list[str]:
    """Return the lines of all files, the oldest first."""
    older = [path for path in log.parent.iterdir() if path != log]
    older.sort(key=lambda path: -int(path.suffix[1:]))
    return [line for path in (*older, log) for line in path.read_text("utf-8").split("\n")[:-1]]


def files(log: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in log.parent.iterdir()}


def test_nothing_is_made_before_the_first_line(make: Make, log: Path) -> None:
    """As with `delay` in the standard library, a file that cannot be opened stops no start."""
    handler = make()
    assert not log.exists()
    write(handler, "one")
    assert log.read_text() == "one\n"


@pytest.mark.parametrize(
    ("message", "written"),
    [
        pytest.param("Grüße, 你好 🎉", "Grüße, 你好 🎉", id="text"),
        pytest.param("half \ud83c", "half \\ud83c", id="lone-surrogate"),
        pytest.param("no \udcff\udcfe", "no \\udcff\\udcfe", id="invalid-utf8"),
        pytest.param("x" * 1_000_000, "x" * 1_000_000, id="1-MB"),
        pytest.param("\ud800" * 200_000, "\\ud800" * 200_000, id="1-MB-escaped"),
        pytest.param("", "", id="nothing"),
        pytest.param("\0", "\0", id="zero"),
    ],
)
def test_line_is_whole(make: Make, log: Path, message: str, written: str) -> None:
    """Characters that UTF-8 cannot hold are escaped; no line is cut off, however long."""
    handler = make(max_bytes=1000, backups=3)
    write(handler, "before", message, "after")
    assert all_lines(log) == ["before", written, "after"]
    assert handler.lost == 0


def test_lines_of_bytes_are_kept_as_they_are(make: Make, log: Path) -> None:
    """Whole lines of another program, in any encoding, are kept and count for rotation."""
    handler = make(max_bytes=20, backups=2)
    with handler.lock or contextlib.nullcontext():
        handler.append(b"caf\xe9 \xff\n")
        handler.append(b"a second\nand a third\n")
    assert log.read_bytes() == b"a second\nand a third\n"
    assert log.with_name(f"{log.name}.1").read_bytes() == b"caf\xe9 \xff\n"


def test_rotating(make: Make, log: Path) -> None:
    """A file is renamed before it exceeds the limit; the oldest is deleted."""
    handler = make(max_bytes=8, backups=2)
    write(handler, "1", "2", "3", "4")
    assert files(log) == {"app.log": "1\n2\n3\n4\n"}  # the limit itself is not over it
    write(handler, "5")
    assert files(log) == {"app.log": "5\n", "app.log.1": "1\n2\n3\n4\n"}
    write(handler, "6 is long")
    write(handler, "7")
    assert files(log) == {"app.log": "7\n", "app.log.1": "6 is long\n", "app.log.2": "5\n"}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"max_bytes": 5}, id="no-backups"),
        pytest.param({"backups": 5}, id="no-limit"),
        pytest.param({"max_bytes": 5, "backups": -1}, id="negative"),
    ],
)
def test_not_rotating(make: Make, log: Path, options: dict[str, int]) -> None:
    """A file is not rotated without a limit, or if no backup would be kept."""
    write(make(**options), "one", "two", "three")
    assert files(log) == {"app.log": "one\ntwo\nthree\n"}


def test_a_file_that_was_there_is_gone_on_with(make: Make, log: Path) -> None:
    """An existing file is continued, and its size counts."""
    log.write_text("0123456789\n")
    handler = make(max_bytes=20, backups=1)
    write(handler, "fits")
    assert files(log) == {"app.log": "0123456789\nfits\n"}
    write(handler, "too much")
    assert files(log) == {"app.log": "too much\n", "app.log.1": "0123456789\nfits\n"}


def test_several_handlers_for_one_file(make: Make, log: Path) -> None:
    """Handlers behave like processes: each follows a rotation by another."""
    handlers = [make(max_bytes=40, backups=100) for _ in range(4)]
    for number in range(100):
        write(handlers[number % 4], f"line {number}")
    assert all_lines(log) == [f"line {number}" for number in range(100)]
    assert max(path.stat().st_size for path in log.parent.iterdir()) <= 40


def test_threads(make: Make, log: Path) -> None:
    """Each line is written once, and those of a thread are in order."""
    handler = make(max_bytes=2_000, backups=1_000)

    def work(who: int) -> None:
        for number in range(300):
            write(handler, f"{who}-{number}")

    threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = [line.split("-") for line in all_lines(log)]
    for who in range(8):
        assert [int(n) for one, n in found if one == str(who)] == list(range(300))
    assert len(found) == 2400


@pytest.mark.parametrize(
    ("change", "old"),
    [
        pytest.param(lambda log: log.unlink(), {}, id="deleted"),
        pytest.param(lambda log: log.rename(f"{log}.old"), {"app.log.old": "one\n"}, id="renamed"),
        pytest.param(lambda log: log.write_text(""), {}, id="truncated"),
        pytest.param(lambda log: (log.rename(f"{log}.old"), log.write_text("")),
                     {"app.log.old": "one\n"}, id="another-in-its-place"),
        pytest.param(lambda log: (log.unlink(), log.write_text("")), {}, id="deleted-and-made"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("limit", [0, 1000], ids=["no-limit", "limit"])
def test_the_very_next_line_is_in_the_new_file(
    make: Make, log: Path, change: Callable[[Path], object], old: dict[str, str], limit: int
) -> None:
    """The next line goes to the new file, although the old one is still open."""
    handler = make(max_bytes=limit, backups=5)
    write(handler, "one")
    change(log)
    write(handler, "two", "three")
    assert files(log) == {"app.log": "two\nthree\n", **old}


@posix_only
def test_a_folder_that_is_replaced(make: Make, tmp_path: Path) -> None:
    """A whole folder of logs can be moved away."""
    folder = tmp_path / "logs"
    folder.mkdir()
    handler = make(folder / "app.log")
    write(handler, "one")
    folder.rename(tmp_path / "old")
    folder.mkdir()
    write(handler, "two")
    assert (folder / "app.log").read_text() == "two\n"
    assert (tmp_path / "old" / "app.log").read_text() == "one\n"


def test_relative_path(
    make: Make, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path keeps its meaning from when the handler was made."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    handler = make("app.log", max_bytes=5, backups=5)
    monkeypatch.chdir("elsewhere")
    write(handler, "one", "two")
    assert log.read_text() == "two\n"
    assert Path(f"{log}.1").read_text() == "one\n"
    assert not list((tmp_path / "elsewhere").iterdir())


@posix_only
def test_link(make: Make, log: Path, tmp_path: Path) -> None:
    """The target is renamed, not the link; a link to a new target is followed."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    log.symlink_to("a/real")
    handler = make(max_bytes=5, backups=5)
    write(handler, "one", "two")
    assert {path.name: path.read_text() for path in (tmp_path / "a").iterdir()} == {
        "real": "two\n", "real.1": "one\n",
    }  # fmt: skip
    (tmp_path / "new").symlink_to("b/real")
    (tmp_path / "new").rename(log)
    write(handler, "three")
    assert (tmp_path / "b" / "real").read_text() == "three\n"


class Unfit:
    """An object that cannot be formatted."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error("no text")


@pytest.mark.parametrize("raises", [True, False], ids=["development", "production"])
def test_a_line_that_cannot_be_formatted(
    make: Make, log: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], raises: bool,
) -> None:  # fmt: skip
    """The error is reported as by the standard library; later lines are written."""
    monkeypatch.setattr(logging, "raiseExceptions", raises)
    ours, theirs = make(), logging.FileHandler(f"{log}.std")
    said = []
    for handler in (ours, theirs):
        logger = logging.Logger("x")
        logger.addHandler(handler)
        logger.info("%s", Unfit(ZeroDivisionError))
        logger.info("%d", "no number")
        logger.info("after")
        said.append(capsys.readouterr().err)
    theirs.close()
    assert log.read_text() == Path(f"{log}.std").read_text() == "after\n"
    assert said[0].count("--- Logging error ---") == said[1].count("--- Logging error ---")
    assert ("ZeroDivisionError: no text" in said[0]) == raises
    assert ours.lost == 0


def test_a_line_that_recurses_without_end(make: Make, log: Path) -> None:
    """RecursionError is raised as by the standard library: a report would need the stack too."""
    handler = make()
    for one in (handler, logging.StreamHandler()):
        with pytest.raises(RecursionError):
            one.handle(logging.makeLogRecord({"msg": "%s", "args": (Unfit(RecursionError),)}))
    write(handler, "after")
    assert log.read_text() == "after\n"


def test_used_after_it_was_closed(make: Make, log: Path) -> None:
    """Other exit handlers may log after the close: the file is opened again."""
    handler = make()
    handler.close()
    write(handler, "one")
    handler.close()
    handler.close()
    write(handler, "two")
    assert log.read_text() == "one\ntwo\n"


def test_lines_at_the_interpreters_end(log: Path) -> None:
    """Lines of exit handlers are written, before or after `logging` itself shuts down."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: logger.info('after logging ended'))\n"
        "import logging\n"
        "from appsvc_runtime.logs.file import SharedFileHandler\n"
        "logger = logging.getLogger()\n"
        "logger.setLevel('INFO')\n"
        "logger.addHandler(SharedFileHandler(sys.argv[1]))\n"
        "atexit.register(lambda: logger.info('before'))\n"
    )
    result = run("-W", "error", "-c", code, str(log))
    assert (result.returncode, result.stderr) == (0, "")
    assert log.read_text() == "before\nafter logging ended\n"


@posix_only
def test_no_descriptor_is_left(make: Make, log: Path, tmp_path: Path) -> None:
    """One descriptor while the handler is open, none afterwards, in any case."""
    before = len(os.listdir("/proc/self/fd"))
    handler = make(max_bytes=20, backups=3)
    for number in range(200):
        write(handler, f"line {number}")
        if number % 10 == 5:
            log.unlink()
        if number % 50 == 49:
            log.unlink()
            log.mkdir()
            write(handler, "nowhere")
            log.rmdir()
            handler._retry_at = 0.0
        assert len(os.listdir("/proc/self/fd")) <= before + 1
    handler.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_memory_does_not_grow(make: Make) -> None:
    """Memory does not grow over 200,000 lines with rotation; 20,000 more are measured closely."""
    handler = make(max_bytes=500_000, backups=2)
    record = logging.makeLogRecord({"msg": "line " + "x" * 40})

    def lines(number: int) -> int:
        for _ in range(number):
            handler.handle(record)
        gc.collect()
        return sys.getallocatedblocks()

    before = lines(20_000)
    assert lines(180_000) - before < 1_000
    tracemalloc.start()
    try:
        lines(1_000)
        traced = tracemalloc.get_traced_memory()[0]
        lines(20_000)
        assert tracemalloc.get_traced_memory()[0] - traced < 10_000
    finally:
        tracemalloc.stop()


def test_handlers_can_be_thrown_away() -> None:
    """The set of handlers for forks keeps no handler alive."""
    before = len(file._handlers)
    for _ in range(10):
        SharedFileHandler("never opened").close()
    assert len(file._handlers) <= before + 1
