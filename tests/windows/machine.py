"""A Windows Python on Linux: its commands, variables and paths, and Wine's server behind it."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.integration import needs_integration
from tests.windows.process import Console, Process

__all__ = ["REPOSITORY", "WindowsPython", "session"]

REPOSITORY = Path(__file__).resolve().parents[2]
# Of this machine's variables Windows gets these alone: Wine needs them.
_KEPT = ("PATH", "HOME", "USER", "LANG", "CI")


class WindowsPython:
    """A Python below the folder of `make_python`; `version` is such as "3.11".

    Its standard streams are pipes or a terminal: with a file of Linux, Python ends with WinError 6.
    """

    def __init__(self, folder: Path, version: str = "3.11") -> None:
        self.folder = folder
        self.version = version
        self.tag = version.replace(".", "")
        self.prefix = folder / "prefix"
        self.drive = folder / "d"
        self.home = self.drive / f"py{self.tag}"

    def command(self, *args: object) -> list[str]:
        """Return the command for Linux that runs `python.exe` with these arguments."""
        return ["wine", self.path(self.home / "python.exe"), *map(str, args)]

    def appsvc(self, *args: object) -> list[str]:
        """Return the command for Linux that runs `appsvc.exe` with these arguments."""
        return ["wine", self.path(self.home / "Scripts" / "appsvc.exe"), *map(str, args)]

    def cmd(self, *args: object) -> list[str]:
        """Return the command for Linux that runs these arguments in `cmd.exe`."""
        return ["wine", "cmd.exe", "/d", "/c", *map(str, args)]

    def environ(self, **variables: str) -> dict[str, str]:
        """Return the variables for a command, with those of Windows' side among them.

        Windows' own PATH comes from Wine; `WINEPATH` goes before it.
        """
        environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environ |= {"WINEPREFIX": str(self.prefix), "WINEARCH": "win64", "WINEDEBUG": "-all"}
        # Wine would offer to download Mono and Gecko.
        environ |= {"WINEDLLOVERRIDES": "mscoree,mshtml="}
        environ |= {"WINEPATH": rf"D:\py{self.tag};D:\py{self.tag}\Scripts"}
        return environ | variables

    def path(self, path: Path) -> str:
        r"""Return the path on Windows of a path on Linux: below the drive `D:`, else below `Z:`."""
        for folder, drive in ((self.drive, "D:"), (REPOSITORY, r"D:\repo"), (Path("/"), "Z:")):
            if path.is_relative_to(folder):
                return "\\".join((drive, *path.relative_to(folder).parts))
        raise ValueError(f"{path} is not absolute")

    def run(
        self, *args: object, cwd: Path | None = None, timeout: float = 120, **variables: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `python.exe` with these arguments to its end; the streams are pipes."""
        return self.run_command(self.command(*args), cwd=cwd, timeout=timeout, **variables)

    def run_command(
        self,
        command: list[str],
        *,
        cwd: Path | None = None,
        timeout: float = 120,
        **variables: str,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command of this machine, such as one of `appsvc`, to its end."""
        with self.start_command(command, cwd=cwd, **variables) as process:
            process.close_stdin()
            code = process.wait(timeout)
            return subprocess.CompletedProcess(command, code, process.stdout(), process.stderr())

    def start(self, *args: object, cwd: Path | None = None, **variables: str) -> Process:
        """Start `python.exe` with these arguments; the streams are pipes. Use it in a `with`."""
        return self.start_command(self.command(*args), cwd=cwd, **variables)

    def start_command(
        self, command: list[str], *, cwd: Path | None = None, **variables: str
    ) -> Process:
        """Start a command of this machine, such as one of `appsvc`. Use it in a `with`."""
        needs_integration("Wine")
        return Process(command, **self._surroundings(cwd, variables))

    def console(self, command: list[str], *, cwd: Path | None = None, **variables: str) -> Console:
        """Start a command in a console of its own, in which Ctrl-C can be pressed."""
        needs_integration("Wine")
        return Console(command, **self._surroundings(cwd, variables))

    def _surroundings(self, cwd: Path | None, variables: dict[str, str]) -> dict[str, Any]:
        return {"cwd": cwd or self.drive, "env": self.environ(**variables)}


@contextmanager
def session(folder: Path) -> Iterator[None]:
    """Let Wine's server run meanwhile, and end it and all that it runs with the last session.

    Several processes may use one folder at a time.
    """
    environ = WindowsPython(folder).environ()
    with (folder / "sessions").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            # The first process starts Windows' services, which would inherit a test's pipes and
            # keep them open.
            for command in (["wineserver", "--persistent"], ["wine", "wineboot"]):
                subprocess.run(
                    command,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=180,
                )
            yield
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass  # another session is using it
            else:
                subprocess.run(["wineserver", "--kill"], env=environ, timeout=60)
                subprocess.run(["wineserver", "--wait"], env=environ, timeout=60)
