"""A program as process 1 of a PID namespace of its own, as in a container.

Must not import the package under test.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.integration import needs_integration
from tests.support.launching import wait_until

__all__ = ["Container", "as_process_one", "needs_namespace"]

# --kill-child: the namespace ends with unshare.
_UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


@functools.cache
def _unshare() -> tuple[str, ...] | None:
    """Return the command that makes a namespace, or None where that is impossible."""
    for command in (_UNSHARE, (*_UNSHARE, "--user", "--map-root-user")):
        if shutil.which("unshare"):
            done = subprocess.run([*command, "true"], capture_output=True, check=False)
            if done.returncode == 0:
                return command
    return None


needs_namespace = pytest.mark.skipif(
    _unshare() is None, reason="this system makes no PID namespace (unshare --pid)"
)


class Container:
    """A running namespace; `pid` is the number that its process 1 has outside."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output
        self._namespace = ""
        self.pid = 0

    def log(self) -> str:
        """Return what has been printed so far, on both streams."""
        return self._output.read_text("utf-8", "replace")

    def find(self) -> None:
        """Wait until process 1 exists."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.pid = int(wait_until(lambda: children.read_text().split(), "process 1")[0])
        self._namespace = os.readlink(f"/proc/{self.pid}/ns/pid")

    def wait_for(self, text: str, seconds: float = 30) -> str:
        """Wait until a text has been printed; return the log."""
        deadline = time.monotonic() + seconds
        while text not in self.log():
            over = self.process.poll() is not None or time.monotonic() > deadline
            assert not over or text in self.log(), f"It did not print {text!r}:\n{self.log()}"
            time.sleep(0.01)
        return self.log()

    def zombies(self) -> int:
        """Return how many processes of the namespace have ended and are not waited for."""
        found = 0
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                state = (path / "stat").read_text().rpartition(")")[2].split()[0]
                if state == "Z" and os.readlink(path / "ns/pid") == self._namespace:
                    found += 1
        return found

    def signal(self, number: int) -> None:
        """Send a signal to process 1."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = 30) -> int:
        """Wait until process 1 ends; return its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"It did not end in {seconds:g} s:\n{self.log()}") from None


@contextmanager
def as_process_one(
    argv: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> Iterator[Container]:
    """Run a program as process 1 in a folder, until the block ends; nothing is left of it."""
    needs_integration("a namespace")
    output = folder / "container.out"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*(_unshare() or _UNSHARE), *argv],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    container = Container(process, output)
    try:
        container.find()
        yield container
    finally:
        process.kill()
        process.wait()
