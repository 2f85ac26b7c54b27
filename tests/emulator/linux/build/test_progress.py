"""A long copy reports its progress, a large one the largest folders; a cancelled one stops."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.build import progress
from appsvc_runtime.emulator.linux.build.copy import copy_changes
from appsvc_runtime.emulator.linux.build.listing import heaviest, list_site
from appsvc_runtime.emulator.linux.build.progress import Progress, Stopped
from appsvc_runtime.emulator.linux.build.state import State
from appsvc_runtime.emulator.linux.build.threads import in_thread, with_progress
from appsvc_runtime.system.own_folder import OwnFolder
from tests.support.emulator import make_site


class Clock:
    """A clock that advances by so many seconds with each call."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        """Return the time."""
        self.now += self.step
        return self.now


def copied(tmp_path: Path, site: Path, step: float) -> list[str]:
    """Copy with a clock; return the reported lines."""
    told: list[str] = []
    (tmp_path / "out").mkdir(exist_ok=True)
    with OwnFolder.open(tmp_path / "out") as output:
        copy_changes(site, output, State(), progress=Progress(told.append, Clock(step)))
    return told


def test_a_long_copy(tmp_path: Path) -> None:
    """Files and MB are reported after two seconds, then regularly; not for a short copy."""
    site = make_site(tmp_path / "site", {f"{n}.bin": b"x" * 1_500_000 for n in range(4)})
    assert copied(tmp_path, site, 0.01) == []
    told = copied(tmp_path, site, 0.9)
    assert told[0] == "Listed so far: 3 files and folders."
    assert len(told) > 1
    for line in told[1:]:
        assert re.fullmatch(r"Copied so far: [0-4] of 4 files, [0-6]\.[05] of 6\.0 MB\.", line)


def test_a_copy_of_what_is_there(tmp_path: Path) -> None:
    """Files that are compared are not counted as listed a second time."""
    site = make_site(tmp_path / "site", {f"{n}.txt": "x" for n in range(9)})
    state, told = State(), list[str]()
    (tmp_path / "out").mkdir()
    with OwnFolder.open(tmp_path / "out") as output:
        copy_changes(site, output, state)
        copy_changes(site, output, state, progress=Progress(told.append, Clock(1.9)))
    assert [line for line in told if "Listed" in line][-1].endswith(": 8 files and folders.")
    assert "Compared so far: 2 files." in told


def test_a_heavy_copy(tmp_path: Path) -> None:
    """The largest folders are named, each as deep as most of its size is together."""
    site = make_site(tmp_path / "site", {"app.py": "x"})
    weights = {
        "data/raw/one.bin": 900, "data/raw/deep/two.bin": 500, "data/small.bin": 10,
        "static/a/1.bin": 200, "static/b/2.bin": 200, "tiny/3.bin": 1,
    }  # fmt: skip
    for name, weight in weights.items():
        make_site(site, {name: ""})
        os.truncate(site / name, weight * 1_000_000)  # which takes no space on the disk
    told: list[str] = []
    quiet = Progress(told.append)
    with OwnFolder.open(site) as folder:
        listing = list_site(folder, None, [], quiet)
    assert heaviest(listing, 2) == [("data/raw", 1_400_000_000), ("static", 400_000_000)]
    quiet.expect(7, listing.weight, lambda: heaviest(listing, 2))
    quiet.expect(7, progress._HEAVY - 1, lambda: heaviest(listing))
    assert told == [
        "1,811 MB are to be copied. The largest folders of the site: data/raw 1,400 MB, "
        "static 400 MB."
    ]


def test_a_copy_that_is_given_up(tmp_path: Path) -> None:
    """It stops at the next step, and is waited for: nothing writes into the copy any more."""
    begun, ended = threading.Event(), threading.Event()

    def work(given: Progress) -> None:
        begun.set()
        try:
            while True:
                given.add(1)
        except Stopped:
            ended.set()
            raise

    async def run() -> None:
        task = asyncio.create_task(with_progress(work, lambda text: None))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(run())


def test_what_cannot_be_stopped_is_waited_for() -> None:
    """The caller gets the exception that the call raises."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(30)
        ended.set()

    def fail() -> None:
        raise OSError("no")

    async def run() -> None:
        with pytest.raises(OSError, match="no"):
            await in_thread(fail)
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(run())
