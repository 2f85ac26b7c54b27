"""What is left when the launcher of a worker is killed, at different moments.

    python -m benchmarks.launcher_kills [--times 100] [--windows DIR]

The worker starts a process, and that one another. The launcher is killed as soon as the worker's
process exists, when all of them run, and at moments between its own start and then. What is left
is looked for in /proc, for 30 seconds. Exits with 1 if anything is left.

With `--windows`, all of it runs on the Windows Python below DIR, which is made if it is missing (it
needs Wine). Else it runs on this Python, on Linux.
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
from dataclasses import dataclass
from pathlib import Path

from tests.windows.machine import session
from tests.windows.make_python import make
from tests.windows.process import Process

_REPOSITORY = Path(__file__).resolve().parent.parent
_DEADLINE = 30.0
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
    seen: int = 0
    left: int = 0


def _worker_exists(process: Process, folder: Path) -> bool:
    commands = []
    for pid in process.tree():
        with suppress(OSError):
            commands.append(Path(f"/proc/{pid}/cmdline").read_bytes())
    return any(b"worker.py" in one and b"appsvc_runtime" not in one for one in commands)


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
    folder = Path(tempfile.mkdtemp(dir=above))
    (folder / "worker.py").write_text(_WORKER)
    with start(folder) as process:
        process.wait_until(lambda: has_come(process, folder), "the moment to kill it")
        result.seen += len(process.tree())
        os.kill(process.process.pid, signal.SIGKILL)
        process.process.wait(_DEADLINE)
        left = process.tree()
        deadline = time.monotonic() + _DEADLINE
        while left and time.monotonic() < deadline:
            time.sleep(0.02)
            left = process.tree()
        result.kills += 1
        result.left += len(left)
    shutil.rmtree(folder, ignore_errors=True)


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
    print("| The launcher is killed | kills | processes seen | left |")
    print("|---|---|---|---|")
    for name, result in results.items():
        print(f"| {name} | {result.kills} | {result.seen} | {result.left} |")
    return int(any(result.left for result in results.values()))


if __name__ == "__main__":
    raise SystemExit(main())
