"""What an emulated container has that one on the platform has not: only what is true is said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux import more_here
from appsvc_runtime.emulator.linux.more_here import describe_more
from appsvc_runtime.system import memory, process

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths of Linux")
GIGABYTE = 1 << 30


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the machine's only folder of programs; the machine has as much as a B1."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(more_here, "PATH", str(folder))
    monkeypatch.setattr(process, "cpu_count", lambda: 1)
    monkeypatch.setattr(memory, "total_bytes", lambda: GIGABYTE)
    return folder


def install(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


def test_a_machine_like_the_smallest_plan(tmp_path: Path, programs: Path) -> None:
    """What is left is what every machine has."""
    assert list(describe_more(tmp_path, own_home=False)) == [
        "More than on the platform: this machine's programs and libraries; its network, and what "
        "listens on its 127.0.0.1."
    ]


def test_a_larger_machine(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cores, memory, the disk and programs are named, a few of them."""
    monkeypatch.setattr(process, "cpu_count", lambda: 8)
    monkeypatch.setattr(memory, "total_bytes", lambda: 16 * GIGABYTE)
    install(programs, "git", "ffmpeg")
    (line,) = describe_more(tmp_path, own_home=True)
    assert "8 cores (a B1 has 1); 16 GB of memory (a B1 has 1.75); /home on a local disk" in line
    assert "programs and libraries (ffmpeg, git);" in line
    install(programs, "node", "java", "docker")
    (line,) = describe_more(tmp_path, own_home=True)
    assert "(ffmpeg, git, node, java, …)" in line


def test_unknown_memory(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said of it."""
    monkeypatch.setattr(memory, "total_bytes", lambda: None)
    assert "memory" not in next(describe_more(tmp_path, own_home=True))


def test_this_machines_own_command(tmp_path: Path, programs: Path) -> None:
    """A site that does not install this package would have no `appsvc` on the platform."""
    install(programs, "appsvc")
    _, line = describe_more(tmp_path, own_home=True)
    assert line.startswith(f"{programs}/appsvc is this machine's own: ")
    install(tmp_path / "antenv" / "bin", "appsvc")
    assert len(list(describe_more(tmp_path, own_home=True))) == 1


def test_a_disk_that_ignores_case(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a Mac: two names for one folder."""
    folder = tmp_path / "built"
    folder.mkdir()
    assert len(list(describe_more(folder, own_home=True))) == 1
    (tmp_path / "BUILT").symlink_to(folder)
    assert "ignores case" in list(describe_more(folder, own_home=True))[1]


def test_the_memory_of_this_machine() -> None:
    """It is a number that a machine can have, or unknown."""
    total = memory.total_bytes()
    assert total is None or 1 << 24 < total < 1 << 50
