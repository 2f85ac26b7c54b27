"""A worker's output on its way to the log: split, stamped, written, bounded."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.launcher.output import (
    MAX_LINE,
    FileTarget,
    LineCutter,
    StreamTarget,
    WorkerLog,
    stamp,
)

STAMP = re.compile(
    rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4} (?:run=(\d+) )?(\w+): (.*)$", re.DOTALL
)


class Kept:
    """A target that stores what it gets, and may be slow."""

    def __init__(self) -> None:
        self.data = b""
        self.closed = False
        self.free = threading.Event()
        self.free.set()

    def append(self, data: bytes) -> None:
        """Store lines, as soon as it may."""
        self.free.wait(20)
        self.data += data

    def close(self) -> None:
        """Record it."""
        self.closed = True


def read(line: bytes) -> tuple[bytes | None, bytes, bytes]:
    found = STAMP.match(line)
    assert found is not None, line
    return found[1], found[2], found[3]


@given(parts=st.lists(st.binary(max_size=300), max_size=20))
def test_lines_do_not_depend_on_how_they_arrive(parts: list[bytes]) -> None:
    """Every byte is returned, in order, and only whole lines before the end."""
    cutter = LineCutter()
    lines = [cutter.add(part) for part in parts]
    assert all(not line or line.endswith(b"\n") for line in lines)
    whole = b"".join(parts)
    expected = whole if not whole or whole.endswith(b"\n") else whole + b"\n"
    assert b"".join(lines) + cutter.end() == expected


def test_line_without_end_is_cut() -> None:
    """Memory is bounded whatever a worker prints."""
    cutter = LineCutter()
    out = b"".join(cutter.add(b"x" * 50_000) for _ in range(100))
    out += cutter.end()
    assert out.replace(b"\n", b"") == b"x" * 5_000_000
    assert max(map(len, out.split(b"\n"))) == MAX_LINE


@pytest.mark.parametrize(
    "line",
    [b"plain", b"", b"\xff\xfe\x00 no UTF-8", "grün".encode(), b"with\rreturn", b"\x1b[31mred"],
    ids=["plain", "empty", "no-utf-8", "utf-8", "return", "escape"],
)
def test_bytes_are_kept(line: bytes) -> None:
    """A line is stamped with time, run and stream, and its bytes are unchanged."""
    stamped = stamp("text", "err", 3, line + b"\n")
    assert stamped.endswith(b"\n")
    assert read(stamped[:-1]) == (b"3", b"err", line)


def test_each_line_of_a_part_is_stamped() -> None:
    """Every line gets a stamp, even an empty one."""
    lines = stamp("text", "out", 1, b"a\n\nb\n").split(b"\n")
    assert [read(line)[2] for line in lines[:-1]] == [b"a", b"", b"b"]


def test_json() -> None:
    """With json each line is an object, and bytes that are not UTF-8 are escaped."""
    lines = stamp("json", "out", 2, b'say "hi"\n\xff\n').splitlines()
    told = [json.loads(line) for line in lines]
    assert [(one["message"], one["stream"], one["run"]) for one in told] == [
        ('say "hi"', "out", 2),
        ("\\xff", "out", 2),
    ]
    assert STAMP.match(told[0]["time"].encode() + b" out: ")


def test_all_targets_get_everything_in_order(tmp_path: Path) -> None:
    """The log and the role's own log have the same content."""
    kept, file = Kept(), tmp_path / "worker.log"
    log = WorkerLog([kept, FileTarget(str(file), max_bytes=0, backups=0)])
    for number in range(50):
        log.put("out", 1, b"%d\n" % number)
    log.say("over", 1)
    log.close()
    assert kept.data == file.read_bytes()
    lines = [read(line) for line in kept.data.splitlines()]
    assert [line[2] for line in lines] == [*(b"%d" % number for number in range(50)), b"over"]
    assert lines[-1][1] == b"launcher"
    assert kept.closed


def test_what_the_launcher_says_is_one_line_without_controls(tmp_path: Path) -> None:
    """Control characters in a path, or in a server's message, are escaped."""
    path = tmp_path / "log"
    log = WorkerLog([FileTarget(str(path), max_bytes=0, backups=0)])
    log.say("a\nb\rc\x1b[31md\u2028e\u202ef\udcff")
    log.close()
    assert path.read_bytes().endswith(rb"launcher: a b\rc\x1b[31md\u2028e\u202ef\udcff" + b"\n")


def test_slow_disk_holds_the_worker_up_and_not_the_launcher() -> None:
    """The worker waits when it prints; the launcher waits a second at most; memory is bounded."""
    kept = Kept()
    kept.free.clear()
    log = WorkerLog([kept])
    printed = []

    def print_much() -> None:
        for number in range(100):
            log.put("out", 1, b"%d\n" % number)
            printed.append(number)

    worker = threading.Thread(target=print_much, daemon=True)
    worker.start()
    deadline = time.monotonic() + 20
    while len(printed) < 9 and time.monotonic() < deadline:
        time.sleep(0.005)
    log.say("a word of the launcher's")  # returns although no target accepts lines
    assert len(printed) < 20
    kept.free.set()
    worker.join(20)
    log.close()
    assert len(printed) == 100
    assert kept.data.count(b"out: ") == 100


def test_stream_that_nobody_reads_is_told_of_later(tmp_path: Path) -> None:
    """A closed pipe does not end the launcher; missing parts are counted."""
    reader, writer = os.pipe()
    os.close(reader)
    target = StreamTarget(writer)
    target.append(b"lost\n")
    assert target.lost == 1
    file = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    os.dup2(file, writer)
    target.append(b"kept\n")
    os.close(file)
    os.close(writer)
    lines = (tmp_path / "out").read_bytes().splitlines()
    assert read(lines[0])[2].startswith(b"1 parts of the output could not be written")
    assert lines[1:] == [b"kept"]
    assert target.lost == 0


def test_file_is_rotated_by_size(tmp_path: Path) -> None:
    """As for every log, the log's settings define when."""
    file = tmp_path / "worker.log"
    log = WorkerLog([FileTarget(str(file), max_bytes=1000, backups=3)])
    for number in range(60):
        log.put("out", 1, b"%04d %s\n" % (number, b"x" * 30))
    log.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["worker.log", "worker.log.1", "worker.log.2", "worker.log.3"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
