"""Many processes write one log file: every line once and whole, despite kills and locks."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from appsvc_runtime.logs.file import SharedFileHandler
from tests.support.servers import clean_environ

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="as it is on POSIX")
HANG = 120.0

# A process that writes COUNT lines or until the file STOP is there; FOREIGN ones as wfastcgi does.
WRITER = """
import logging, os, sys, time
from appsvc_runtime.logs.file import SharedFileHandler
path, who, count, max_bytes, size, stop = sys.argv[1:]
count, max_bytes, size = int(count), int(max_bytes), int(size)
if who.startswith("foreign"):
    def write(text):
        with open(path, "a+") as opened:
            opened.write(text + "\\n")
else:
    handler = SharedFileHandler(path, max_bytes=max_bytes, backups=1000)
    logger = logging.Logger("x")
    logger.addHandler(handler)
    write = logger.info
print("ready", flush=True)
sys.stdin.readline()
number, longest = 0, 0.0
while number < count and not os.path.exists(stop):
    started = time.monotonic()
    write(f"{who}={number} {'x' * (size + number % 60)}.")
    longest = max(longest, time.monotonic() - started)
    number += 1
print(number, longest, flush=True)
"""
LINE = re.compile(r"(\w+)=(\d+) (x*)\.")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    return tmp_path / "app.log"


@contextmanager
def child(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run Python code in a process of its own; kill it at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], env=clean_environ(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


@contextmanager
def writing(
    log: Path, names: Sequence[str], count: int, *, max_bytes: int = 0, size: int = 0
) -> Iterator[list[subprocess.Popen[str]]]:
    """Start processes that write to the file, all at the same time."""
    stop = log.parent / "kept" / "stop"
    with ExitStack() as stack:
        found = [
            stack.enter_context(child(WRITER, log, name, count, max_bytes, size, stop))
            for name in names
        ]
        for process in found:
            assert hear(process) == "ready"
        for process in found:
            tell(process)
        yield found


def written(processes: list[subprocess.Popen[str]]) -> list[int]:
    """Wait for the writers to end; return how many lines each wrote."""
    found = []
    for process in processes:
        number, longest = hear(process).split()
        assert float(longest) < HANG
        assert process.wait(HANG) == 0
        found.append(int(number))
    return found


def all_lines(log: Path) -> list[str]:
    """Return the lines of all files, the oldest first: those put aside, `.N` to `.1`, the last."""
    aside = sorted((log.parent / "kept").glob("[0-9]*"), key=lambda path: int(path.name))
    older = sorted(log.parent.glob(f"{log.name}.*"), key=lambda path: -int(path.suffix[1:]))
    found: list[str] = []
    for path in (*aside, *older, *([log] if log.exists() else [])):
        text = path.read_text("ascii")
        assert text.endswith("\n") or not text
        found += text.split("\n")[:-1]
    return found


def check(
    log: Path, names: Sequence[str], counts: Sequence[int], *, size: int = 0, in_order: bool = True
) -> None:
    """Check that each line is there once and whole, in its process's order, and nothing else."""
    found: dict[str, list[int]] = {name: [] for name in names}
    for line in all_lines(log):
        match = LINE.fullmatch(line)
        assert match, line
        who, number = match[1], int(match[2])
        assert len(match[3]) == size + number % 60
        found[who].append(number)
    for name, count in zip(names, counts, strict=True):
        assert (found[name] if in_order else sorted(found[name])) == list(range(count))


EIGHT = [f"w{number}" for number in range(8)]


@pytest.mark.parametrize(
    ("names", "size"),
    [
        pytest.param(EIGHT, 0, id="8-writers"),
        pytest.param(EIGHT[:3], 50_000, id="3-writers-of-long-lines"),
        pytest.param([*EIGHT[:4], "foreign1", "foreign2"], 0, id="wfastcgi-among-them"),
    ],
)
def test_every_line_is_there_once(log: Path, names: list[str], size: int) -> None:
    """Every line is written once over many small files that rotate all the time."""
    count = 400 if not size else 50
    with writing(log, names, count, max_bytes=3000 + 10 * size, size=size) as processes:
        assert written(processes) == [count] * len(names)
    check(log, names, [count] * len(names), size=size)
    assert len(list(log.parent.iterdir())) > 5


def rename(log: Path, kept: Path) -> None:
    log.rename(kept)


def delete(log: Path, kept: Path) -> None:
    os.link(log, kept)  # so that what was in it can be counted
    log.unlink()


def make_anew(log: Path, kept: Path) -> None:
    log.rename(kept)
    log.touch()


@posix_only
@pytest.mark.parametrize(
    ("change", "max_bytes"),
    [
        pytest.param(rename, 0, id="renamed"),
        pytest.param(rename, 20_000, id="renamed-and-rotated"),
        pytest.param(delete, 0, id="deleted"),
        pytest.param(make_anew, 0, id="another-in-its-place"),
        pytest.param(make_anew, 20_000, id="another-in-its-place-and-rotated"),
    ],
)
def test_file_is_taken_away(
    log: Path, change: Callable[[Path, Path], None], max_bytes: int
) -> None:
    """It is moved away repeatedly while four write: all continue in a new one, without loss."""
    times = 0
    with writing(log, EIGHT[:4], 1_000_000, max_bytes=max_bytes) as processes:
        while times < 30 or (max_bytes and not Path(f"{log}.3").exists()):
            assert processes[0].poll() is None
            with suppress(FileNotFoundError):
                if times < 30 and log.stat().st_size > 500:
                    change(log, log.parent / "kept" / str(times))
                    times += 1
            time.sleep(0.001)
        (log.parent / "kept" / "stop").touch()
        counts = written(processes)
    check(log, EIGHT[:4], counts, in_order=not max_bytes)


@posix_only
def test_file_is_emptied(log: Path) -> None:
    """The file is emptied repeatedly while four write: only whole lines follow, from its start."""
    with writing(log, EIGHT[:4], 1_000_000) as processes:
        times = 0
        while times < 30:
            if log.exists() and log.stat().st_size > 500:
                os.truncate(log, 0)
                times += 1
            time.sleep(0.001)
        (log.parent / "kept" / "stop").touch()
        written(processes)
    lines = all_lines(log)
    assert all(LINE.fullmatch(line) for line in lines)
    assert max(Counter(lines).values(), default=1) == 1


def test_writers_are_killed(log: Path) -> None:
    """Killed in the middle of long lines, each tears one at most, and the others lose none."""
    killed, survivors = 0, EIGHT[:3]
    with writing(log, survivors, 1_000_000, max_bytes=2_000_000) as processes:
        for turn in range(8):
            with writing(log, [f"victim{turn}"], 300, max_bytes=2_000_000, size=100_000) as [
                victim
            ]:
                deadline = time.monotonic() + HANG
                while victim.poll() is None and f"victim{turn}=" not in tail(log):
                    assert time.monotonic() < deadline
                victim.kill()
                killed += victim.wait(HANG) != 0
        (log.parent / "kept" / "stop").touch()
        counts = written(processes)
    lines = all_lines(log)
    assert sum(not LINE.fullmatch(line) for line in lines) <= killed
    # A line may stand behind what was torn.
    whole = Counter(match[0] for line in lines if (match := re.search(r"w\d=\d+ x*\.$", line)))
    assert whole == {
        f"{name}={number} {'x' * (number % 60)}.": 1
        for name, count in zip(survivors, counts, strict=True)
        for number in range(count)
    }
    assert killed


def tail(log: Path) -> str:
    """Return the end of the file."""
    with suppress(FileNotFoundError), log.open("rb") as opened:
        opened.seek(-min(300_000, os.fstat(opened.fileno()).st_size), os.SEEK_END)
        return opened.read().decode()
    return ""


OURS = """
import sys
from appsvc_runtime.system import files as osfiles
assert osfiles.lock(sys.argv[1]) is not None
print("held", flush=True)
sys.stdin.readline()
"""
ANOTHER = """
import fcntl, sys
opened = open(sys.argv[1])
fcntl.flock(opened, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


@posix_only
@pytest.mark.parametrize("code", [OURS, ANOTHER], ids=["one-of-us", "another-program"])
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "let-go"])
def test_lock_is_held(log: Path, code: str, kill: bool) -> None:
    """Lines are written without waiting for the lock; rotation follows when it is free."""
    log.touch()
    with child(code, log) as holder:
        assert hear(holder) == "held"
        with writing(log, EIGHT, 100, max_bytes=500) as processes:
            assert written(processes) == [100] * 8
        assert not Path(f"{log}.1").exists()
        holder.kill() if kill else tell(holder)
        holder.wait(HANG)
    check(log, EIGHT, [100] * 8)
    with contextlib.closing(SharedFileHandler(log, max_bytes=500, backups=5)) as handler:
        handler.handle(logging.makeLogRecord({"msg": "after"}))
    assert log.read_text() == "after\n"


HALFWAY = """
import logging, sys, time
from appsvc_runtime.logs import file as logfile
from appsvc_runtime.system import files as osfiles
real, left = osfiles.replace, [None, None]
def replace(*arguments):
    if not left:
        print("halfway", flush=True)
        time.sleep(600)
    left.pop()
    real(*arguments)
osfiles.replace = replace
handler = logfile.SharedFileHandler(sys.argv[1], max_bytes=10, backups=9)
handler.handle(logging.makeLogRecord({"msg": "never"}))
"""


def test_killed_halfway_through_renaming(log: Path) -> None:
    """Other processes finish the renaming, and no line is missing."""
    olds = [log, *(Path(f"{log}.{number}") for number in range(1, 5))]
    for number, path in enumerate(olds):
        path.write_text(f"contents {number}\n")
    with child(HALFWAY, log) as process:
        assert hear(process) == "halfway"
        process.kill()
        process.wait(HANG)
    with contextlib.closing(SharedFileHandler(log, max_bytes=10, backups=9)) as handler:
        handler.handle(logging.makeLogRecord({"msg": "after"}))
    assert all_lines(log) == [*(f"contents {number}" for number in range(4, -1, -1)), "after"]
