"""The worker launcher for tests, started as a user starts it, with its output in a file.

Must not import the package under test: it uses only the command line.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.integration import needs_integration
from tests.support.servers import clean_environ

__all__ = ["Launched", "is_alive", "launching", "wait_until"]

_WORKER_PREFIXES = ("WEBJOBS_", "AzureWebJobs", "AZUREWEBJOBS", "DiagnosticStore", "WEBSITE_")


def wait_until(call: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Wait until a call returns a true value, and return that value."""
    deadline = time.monotonic() + seconds
    while not (found := call()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.005)
    return found


def is_alive(pid: int) -> bool:
    """Return whether a process is running; a zombie is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    except OSError:
        return False
    return state not in "ZXx"


class Launched:
    """A running launcher; `folder` is its working directory."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, output: Path) -> None:
        self.process = process
        self.folder = folder
        self._output = output

    def log(self) -> str:
        """Return what the launcher has printed so far, on both streams."""
        return self._output.read_bytes().decode("utf-8", "backslashreplace")

    def wait_for(self, text: str, times: int = 1, seconds: float = 30) -> str:
        """Wait until the launcher has printed a text so many times; fail if it ends.

        Return the log.
        """
        deadline = time.monotonic() + seconds
        while self.log().count(text) < times:
            over = self.process.poll() is not None or time.monotonic() > deadline
            if over and self.log().count(text) < times:
                raise AssertionError(f"It did not print {text!r} {times} times:\n{self.log()}")
            time.sleep(0.005)
        return self.log()

    def pids(self, times: int = 1) -> list[int]:
        """Wait until the launcher has started so many processes, and return their ids."""
        log = self.wait_for("has started as process", times)
        return [int(number) for number in re.findall(r"started as process (\d+)", log)]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal to the launcher; return its exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self, seconds: float = 30) -> int:
        """Wait until the launcher ends; return its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"It did not end in {seconds:g} s:\n{self.log()}") from None


@contextmanager
def launching(
    folder: Path, *arguments: str, code: str = "", python: str = sys.executable, **variables: str
) -> Iterator[Launched]:
    """Run `python -m appsvc_runtime.worker ARGUMENTS` in a folder until the block ends.

    `code` becomes worker.py there. All processes that the launcher has started end with the block.
    """
    needs_integration("the launcher")
    if code:
        (folder / "worker.py").write_text(textwrap.dedent(code).lstrip(), "utf-8")
    output = folder / f"launcher-{time.monotonic_ns()}.out"
    environ = {
        name: value
        for name, value in clean_environ(**variables).items()
        if name in variables or not name.startswith(_WORKER_PREFIXES)
    }
    with output.open("wb") as file:
        process = subprocess.Popen(
            [python, "-m", "appsvc_runtime.worker", *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    launched = Launched(process, folder, output)
    try:
        yield launched
    finally:
        for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGTERM):
            with contextlib.suppress(ProcessLookupError):
                if process.poll() is None:
                    process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        for pid in re.findall(r"started as process (\d+)", launched.log()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if is_alive(int(pid)):
                    os.killpg(int(pid), signal.SIGKILL)
