"""What is left when the launcher of a worker is killed, at different moments.

    python -m benchmarks.launcher_kills [--times 100] [--windows DIR]

The worker starts a process, and that one another. The launcher is killed as soon as the worker's
process exists, when all of them run, and at moments between its own start and then. What is left
is looked for in /proc, for 30 seconds. Exits with 1 if anything is left.

With `--windows`, all of it runs on the Windows Python below DIR, which is made if it is missing (it
needs Wine). Else it runs on this Python, on Linux.

Wine does not end a process with its job while it is still making the process (`terminate_job` in
server/process.c). So the launcher is suspended first, and killed when no process is being made. Now
and then Wine cannot start a program: such a launcher is counted as not started, and another one is
killed in its place.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.windows.machine import session
from tests.windows.make_python import make
from tests.windows.process import Process

_REPOSITORY = Path(__file__).resolve().parent.parent
_DEADLINE = 30.0
_MOST_FAILURES = 5
_LAUNCHER = ("-m", "appsvc_runtime.worker", "worker.py")
_WORKER = r"""
import subprocess, sys, time
from pathlib import Path

apart = {"creationflags": 0x208} if sys.platform == "win32" else {"start_new_session": True}
sleeps = [sys.executable, "-c", "open('up', 'w').close(); import time; time.sleep(600)"]
child = f"import subprocess, time; subprocess.Popen({sleeps!r}, **{apart!r}); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child])
time.sleep(600)
"""

# Starts the launcher in a folder.
Start = Callable[[Path], Process]


@dataclass
class Result:
    """What came of kills at one kind of moment."""

    kills: int = 0
    not_started: int = 0
    seen: int = 0
    left: list[str] = field(default_factory=list)  # command lines


def _commands(process: Process) -> list[str]:
    """Return the command lines of all processes."""
    found = []
    for pid in process.tree():
        with suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


def _worker_exists(process: Process, folder: Path) -> bool:
    return any("worker.py" in one and "appsvc_runtime" not in one for one in _commands(process))


def _all_run(process: Process, folder: Path) -> bool:
    return (folder / "up").exists()


def _moments(times: int, longest: float) -> Iterator[tuple[str, Callable[[Process, Path], bool]]]:
    """Yield for each kill its kind of moment, and what returns whether that has come."""

    def after(seconds: float) -> Callable[[Process, Path], bool]:
        began = time.monotonic()
        return lambda process, folder: time.monotonic() - began >= seconds

    for number in range(times):
        if number % 3 == 0:
            yield "as the worker starts", _worker_exists
        elif number % 3 == 1:
            yield "when all run", _all_run
        else:
            yield "at any moment before", after(longest * number / times)


def _is_being_made(pid: int, launcher: int) -> bool:
    """Return whether Wine is still making a process: its first thread is unknown to the server."""
    try:
        folder = Path(f"/proc/{pid}")
        command = (folder / "cmdline").read_bytes()
        if b"python.exe" not in command:
            return False
        is_fork = pid != launcher and b"appsvc_runtime" in command
        return is_fork or b"ntdll.dll" not in (folder / "maps").read_bytes()
    except OSError:  # it has ended
        return False


def kill_launchers(start: Start, above: Path, times: int) -> dict[str, Result]:
    """Kill so many launchers, each in a folder of its own; return the results by moment."""
    began = time.monotonic()
    _kill_one(start, above, _all_run, Result())
    longest = time.monotonic() - began
    results: dict[str, Result] = {}
    for name, has_come in _moments(times, longest):
        _kill_one(start, above, has_come, results.setdefault(name, Result()))
    return results


def _kill_one(
    start: Start, above: Path, has_come: Callable[[Process, Path], bool], result: Result
) -> None:
    kills = result.kills
    while result.kills == kills:
        folder = Path(tempfile.mkdtemp(dir=above))
        (folder / "worker.py").write_text(_WORKER)
        with start(folder) as process:
            deadline = time.monotonic() + _DEADLINE
            while process.process.poll() is None and time.monotonic() < deadline:
                if has_come(process, folder):
                    _kill(process, result)
                    break
                time.sleep(0.002)
            else:
                result.not_started += 1
                assert result.not_started < _MOST_FAILURES, process.text
        shutil.rmtree(folder, ignore_errors=True)


def _kill(process: Process, result: Result) -> None:
    launcher = process.process.pid
    os.kill(launcher, signal.SIGSTOP)
    deadline = time.monotonic() + _DEADLINE
    while any(_is_being_made(pid, launcher) for pid in process.tree()):
        assert time.monotonic() < deadline, _commands(process)
        time.sleep(0.002)
    result.kills += 1
    result.seen += len(process.tree())
    os.kill(launcher, signal.SIGKILL)
    process.process.wait(_DEADLINE)
    deadline = time.monotonic() + _DEADLINE
    while (left := _commands(process)) and time.monotonic() < deadline:
        time.sleep(0.02)
    result.left += left


def _on_linux(folder: Path) -> Process:
    environ = {**os.environ, "PYTHONPATH": str(_REPOSITORY)}
    return Process([sys.executable, *_LAUNCHER], environ, folder)


def main(argv: list[str] | None = None) -> int:
    """Kill launchers and print what is left."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.launcher_kills")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--windows", type=Path, metavar="DIR")
    given = parser.parse_args(argv)
    with ExitStack() as stack:
        if given.windows:
            [python] = make(given.windows)
            stack.enter_context(session(python.folder))
            start: Start = lambda folder: python.start(*_LAUNCHER, cwd=folder)  # noqa: E731
            above = stack.enter_context(tempfile.TemporaryDirectory(dir=python.drive))
        else:
            start = _on_linux
            above = stack.enter_context(tempfile.TemporaryDirectory())
        results = kill_launchers(start, Path(above), given.times)
    print("| The launcher is killed | kills | not started | processes seen | left |")
    print("|---|---|---|---|---|")
    for name, result in results.items():
        counts = (result.kills, result.not_started, result.seen, len(result.left))
        print(f"| {name} | {' | '.join(map(str, counts))} |")
    left = [line for result in results.values() for line in result.left]
    for line in left:
        print(f"Left: {line}")
    return int(bool(left))


if __name__ == "__main__":
    raise SystemExit(main())
