"""The next emulator ends what a killed one has left; `ask_program` leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from appsvc_runtime.emulator.processes import run_folder
from appsvc_runtime.emulator.processes.asking import ask_program
from appsvc_runtime.system import process_tree
from tests.support.emulator import alive_with

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="marks in /proc")


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for half a minute at most."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def emulator(above: Path, mark: str) -> subprocess.Popen[bytes]:
    """Start a stand-in for an emulator, which starts a server in a session of its own."""
    code = (
        "import os, subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from appsvc_runtime.emulator.processes import run_folder\n"
        "folder = run_folder.run_folder(Path(sys.argv[1]))\n"
        "folder.mkdir()\n"
        "environ = run_folder.mark_variables(folder, {**os.environ, 'OF': sys.argv[2]})\n"
        "server = ['sh', '-c', 'sleep 600 & wait']\n"
        "subprocess.Popen(server, env=environ, start_new_session=True)\n"
        "time.sleep(600)\n"
    )
    started = subprocess.Popen([sys.executable, "-c", code, str(above), mark])
    wait_until(lambda: len(alive_with(f"OF={mark}")) >= 2)
    return started


def test_what_a_killed_emulator_left(tmp_path: Path) -> None:
    """Its server and folder are removed; those of a running emulator, and other folders, stay."""
    killed, running = f"killed-{tmp_path.name}-{os.getpid()}", f"other-{os.getpid()}"
    (tmp_path / "run-mine").mkdir()
    first, second = emulator(tmp_path, killed), emulator(tmp_path, running)
    try:
        first.kill()
        # Do not wait for it, as in a container whose first process waits for none.
        os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT)
        assert alive_with(f"OF={killed}")
        run_folder.remove_old_runs(tmp_path)
        assert not alive_with(f"OF={killed}")
        assert len(alive_with(f"OF={running}")) >= 2
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {"run-mine", f"run-{second.pid}"}
    finally:
        first.wait()
        second.kill()
        second.wait()
        for pid in alive_with(f"OF={killed}") + alive_with(f"OF={running}"):
            os.kill(pid, signal.SIGKILL)


def test_one_that_had_the_same_number(tmp_path: Path) -> None:
    """The remains of an earlier process with the same id are not part of this run."""
    folder = run_folder.run_folder(tmp_path)
    (folder / "stage").mkdir(parents=True)
    run_folder.remove_old_runs(tmp_path)
    assert not folder.exists()


def test_marks_add_up(tmp_path: Path) -> None:
    """A process that already has a mark gets both marks."""
    made = run_folder.mark_variables(tmp_path, {process_tree.MARK: "outer", "A": "b"})
    outer, inner = made.pop(process_tree.MARK).split(":")
    assert (outer, made) == ("outer", {"A": "b"})
    assert inner


def test_a_program_that_is_asked(tmp_path: Path) -> None:
    """Its output, or None if it fails or cannot start; it gets the given folder and variables."""
    code = "import os; print(os.getcwd(), os.environ['A'])"
    environ = {**os.environ, "A": "b"}
    printed = ask_program([sys.executable, "-c", code], environ=environ, seconds=30, cwd=tmp_path)
    assert printed == f"{tmp_path} b\n"
    for argv in (["sh", "-c", "echo x; exit 3"], [str(tmp_path / "nothing")]):
        assert ask_program(argv, environ=environ, seconds=30) is None


def test_a_program_that_never_ends(tmp_path: Path) -> None:
    """It is killed with the program that it waits for."""
    mark = f"asked-{tmp_path.name}-{os.getpid()}"
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nsleep 600\n")
    script.chmod(0o755)
    assert ask_program([str(script)], environ={**os.environ, "OF": mark}, seconds=0.5) is None
    assert not alive_with(mark)
