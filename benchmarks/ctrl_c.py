"""Ctrl-C under load on Windows: ``python -m benchmarks.ctrl_c``.

Each server runs in a console of a Windows Python, under Wine. Clients send requests that take up to
0.6 s, each over a connection of its own, and at a random moment Ctrl-C is pressed. Counted are the
requests that the app had begun and not finished at that moment, those of them without a whole
response, requests that were sent before it and lost all the same, and ends with another code than 0
or with an error in the output.

Needs Wine. `APPSVC_WINDOWS_PYTHON` names the folder of the Windows Python; without it one is made.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.restarts import ASGI, WSGI
from tests.support.servers import free_port
from tests.windows.machine import WindowsPython, session
from tests.windows.make_python import MakeError, make
from tests.windows.process import errors_in

__all__ = ["SERVERS", "Stop", "stop"]

SERVERS = {
    "waitress": ("waitress", WSGI),
    "granian": ("granian", WSGI),
    "granian, ASGI": ("granian", ASGI),
    "uvicorn": ("uvicorn", ASGI),
}
_LONGEST_SECONDS = 0.6


@dataclass
class Stop:
    """What one Ctrl-C did: names of requests, the exit code, and what the server has printed."""

    running: set[str]
    lost: set[str]
    sent_lost: set[str]
    code: int
    seconds: float
    printed: str

    @property
    def is_clean(self) -> bool:
        """Return whether the server ended with 0 and reported no error."""
        return self.code == 0 and not errors_in(self.printed)


@dataclass
class _Clients:
    """Threads that send requests, each with a name, until one is refused or `over` is set."""

    port: int
    sent: dict[str, float] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, number: int) -> None:
        dice = random.Random(number)
        for count in range(1_000_000):
            if self.over.is_set():
                return
            name = f"{number}-{count}"
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                connection.connect()
                seconds = dice.uniform(0.01, _LONGEST_SECONDS)
                connection.request("GET", f"/?{name}&{seconds}")
                self.sent[name] = time.monotonic()
                if connection.getresponse().read() == b"done":
                    self.answered.add(name)
            except (OSError, http.client.HTTPException):
                if name not in self.sent:
                    return
            finally:
                connection.close()


def _begun(folder: Path) -> set[str]:
    with suppress(FileNotFoundError):
        lines = (folder / "began").read_text("ascii", "replace").splitlines()
        return {line.split()[0] for line in lines if line.strip()}
    return set()


def stop(python: WindowsPython, name: str, clients: int = 8, after: float = 0.5) -> Stop:
    """Serve under load, press Ctrl-C so many seconds after the first responses, and wait."""
    server, source = SERVERS[name]
    base = python.drive / "t"
    base.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=base, prefix=""))
    (folder / "app.py").write_text(source)
    load = _Clients(free_port())
    words = ("-m", "appsvc_runtime.runserver", "app:app", "--server", server)
    threads = [threading.Thread(target=load.run, args=(one,)) for one in range(clients)]
    try:
        # One worker: Wine's appends of several processes to one file overwrite each other.
        variables = {"HTTP_PLATFORM_PORT": str(load.port), "APPSVC_WORKERS": "1"}
        with python.console(python.command(*words), cwd=folder, **variables) as process:
            process.wait_for("ready")
            for thread in threads:
                thread.start()
            process.wait_until(lambda: len(load.answered) >= clients, "the first responses")
            time.sleep(after)
            running = _begun(folder) - set(load.answered)
            pressed = time.monotonic()
            process.press_ctrl_c()
            code = process.wait(90)
            ended = time.monotonic()
            load.over.set()
            for thread in threads:
                thread.join(90)
            before = {one for one, sent in load.sent.items() if sent < pressed}
            lost = before - load.answered
            return Stop(
                running, running & lost, lost - running, code, ended - pressed, process.text
            )
    finally:
        load.over.set()
        shutil.rmtree(folder, ignore_errors=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table, a row for each server; return 1 if a running request was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ctrl_c")
    parser.add_argument("servers", nargs="*", default=list(SERVERS), metavar="SERVER")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--version", default="3.11")
    given = parser.parse_args(argv)
    if unknown := [one for one in given.servers if one not in SERVERS]:
        parser.error(f"{unknown[0]!r} is not one of {', '.join(SERVERS)}.")
    dice = random.Random(1)
    worst = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        folder = Path(os.environ.get("APPSVC_WINDOWS_PYTHON") or made).absolute()
        try:
            [python] = make(folder, (given.version,))
        except MakeError as error:
            sys.exit(str(error))
        print(f"Windows Python {given.version} under Wine, {given.clients} clients")
        print(
            "| Server | Ctrl-C | running | lost | sent before and lost | not clean | slowest, s |"
        )
        print("|---|---|---|---|---|---|---|")
        with session(folder):
            for name in given.servers:
                stops = [
                    stop(python, name, given.clients, dice.uniform(0, 1.5))
                    for _ in range(given.times)
                ]
                lost = sum(len(one.lost) for one in stops)
                faults = [one for one in stops if not one.is_clean]
                worst += lost + len(faults)
                cells = (
                    name, len(stops), sum(len(one.running) for one in stops), lost,
                    sum(len(one.sent_lost) for one in stops), len(faults),
                    f"{max(one.seconds for one in stops):.1f}",
                )  # fmt: skip
                print(f"| {' | '.join(map(str, cells))} |", flush=True)
                for one in faults[:1]:
                    print(f"code {one.code}:\n{one.printed}", file=sys.stderr)
    return int(worst > 0)


if __name__ == "__main__":
    raise SystemExit(main())
