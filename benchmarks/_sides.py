"""A side of the comparison: a command line, run as a server on a free loopback port.

This module must not know: what is requested from the server, or how fast it responds.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.child import Child

__all__ = [
    "HOST",
    "Server",
    "ServerFailedError",
    "Side",
    "pinned",
    "platform_side",
    "running",
    "serve_side",
]

HOST = "127.0.0.1"
START_DEADLINE = 60.0
_REPOSITORY = Path(__file__).resolve().parent.parent
_DROPPED = ("WEBSITE_", "APPSVC_", "GUNICORN_", "PYTHON_GUNICORN_", "WSGI_")
_DROPPED_NAMES = frozenset({"PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "SERVER_PORT"})


class ServerFailedError(RuntimeError):
    """A server ended, or did not respond in time; the message has what it printed."""


@dataclass(frozen=True)
class Side:
    """One command line; ``{python}``, ``{port}``, ``{dir}`` and ``{workers}`` in it are replaced.

    ``{workers}`` is the number that the platform starts for a detected app: 2N+1 for N cores.
    """

    name: str
    argv: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Side:
        """Read ``NAME=COMMAND``; the command is split as in a shell.

        Raise ValueError if malformed.
        """
        name, separator, command = text.partition("=")
        argv = tuple(shlex.split(command))
        if not separator or not name.strip() or not argv:
            raise ValueError(f"{text!r} is not NAME=COMMAND")
        return cls(name.strip(), argv)

    def command(self, port: int, folder: Path, cores: int | None = None) -> list[str]:
        workers = 2 * (cores or len(os.sched_getaffinity(0))) + 1
        values = {
            "{python}": sys.executable,
            "{port}": str(port),
            "{dir}": str(folder),
            "{workers}": str(workers),
        }
        words = list(self.argv)
        for placeholder, value in values.items():
            words = [word.replace(placeholder, value) for word in words]
        return words


def platform_side(name: str, app: str, worker_class: str = "") -> Side:
    """Return what the platform runs by itself for a detected app, with its image's arguments."""
    chosen = f" -k {worker_class}" if worker_class else ""
    return Side.parse(
        f"{name}={{python}} -m gunicorn{chosen} --workers {{workers}} --timeout 600 "
        f"--access-logfile - --error-logfile - --bind {HOST}:{{port}} {app}"
    )


def serve_side(name: str, app: str, row: str) -> Side:
    """Return ``appsvc serve`` with the server of ``row``, and no other option."""
    return Side.parse(
        f"{name}={{python}} -m appsvc_runtime serve {app} --site {{dir}} --host {HOST} "
        f"--port {{port}} --server {row}"
    )


@dataclass(frozen=True)
class Server:
    """A server that responds on ``HOST``:``port``; ``pid`` leads its process group."""

    pid: int
    port: int

    def pss(self) -> int:
        """Return the proportional memory of the whole process tree, in KiB.

        Pages shared by n processes count 1/n in each, so the sum counts a page that workers share
        after a fork once: what the server costs the machine (proc(5), smaps_rollup).
        """
        return sum(_pss(pid) for pid in _tree(self.pid))


@contextlib.contextmanager
def pinned(cores: Iterable[int] | None) -> Iterator[None]:
    """Restrict child processes started in this block to ``cores``; ``None`` changes nothing."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def running(side: Side, folder: Path, cores: Collection[int] | None = None) -> Iterator[Server]:
    """Run ``side`` until it responds, yield it, end it. ServerFailedError has its log."""
    port = _free_port()
    with tempfile.TemporaryFile() as log:
        with pinned(cores):
            process = Child(
                side.command(port, folder, len(set(cores)) if cores else None),
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_until_ready(process, port)
            yield Server(process.pid, port)
            if process.poll() is not None:
                raise ServerFailedError(f"ended with {process.returncode} under load")
        except ServerFailedError as error:
            log.seek(0)
            printed = log.read().decode(errors="replace")[-4000:]
            raise ServerFailedError(f"{side.name}: {error}; it printed:\n{printed}") from None
        finally:
            _end(process)


def _environment() -> dict[str, str]:
    """Return this environment without variables that configure a server.

    The checkout is importable.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_DROPPED) and name not in _DROPPED_NAMES
    }
    kept["PYTHONPATH"] = str(_REPOSITORY)
    return kept


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_ready(process: Child, port: int) -> None:
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerFailedError(f"ended with {process.returncode} before it responded")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1) as client:
            client.settimeout(2)
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if client.recv(64).startswith(b"HTTP/1.1 200"):
                return
        time.sleep(0.05)
    raise ServerFailedError(f"no response within {START_DEADLINE:g} s")


def _end(process: Child) -> None:
    """Send SIGTERM to the process group, and SIGKILL a second later."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.ends_within(1)
    process.kill_group()


def _tree(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name in parentheses may contain any character; the fields after it are
                # regular.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
    found = [root]
    for pid in found:  # the list grows during the loop
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
