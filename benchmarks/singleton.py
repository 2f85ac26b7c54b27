"""One worker at a time, while its launchers are paused, killed and stopped at random.

    python -m benchmarks.singleton [--minutes 5] [--launchers 2] [--seed N]

Needs Linux, Azurite (`npm install --global azurite`) and `pip install "appsvc-runtime[singleton]"`.
Each worker forks a daemon into a new session, and both hold a system lock on one file while they
live: a worker that finds it held proves that two run at once. Prints how often this happens, and
the time from the end of one worker's launcher to the next worker. Exits with 1 if two run at once,
or if no worker runs for longer than the lease and five seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.azurite import azurite

_REPOSITORY = Path(__file__).resolve().parent.parent
_LEASE = 15
_ALLOWED = 5.0
_WORKER = """
import fcntl, os, sys, time
lock = open("lock", "w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    with open("two", "a") as file:
        file.write(f"{os.getpid()}\\n")
    sys.exit(1)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(3600)
    os._exit(0)
os.wait()
with open("begun", "a") as file:
    file.write(f"{os.environ['LAUNCHER']} {os.getpid()}\\n")
time.sleep(3600)
"""


class Fleet:
    """Launchers of one worker, in one folder."""

    def __init__(self, folder: Path, storage: str, count: int) -> None:
        self.folder = folder
        self._storage = storage
        self._names = 0
        self.launchers: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "worker.py").write_text(_WORKER)
        for _ in range(count):
            self.add()

    def add(self) -> None:
        """Start another launcher."""
        self._names += 1
        name = f"L{self._names}"
        with (self.folder / f"{name}.log").open("wb") as log:
            self.launchers[name] = subprocess.Popen(
                [
                    *(sys.executable, "-m", "appsvc_runtime.worker", "--singleton", "--grace", "1"),
                    *("--healthy-after", "0", "--singleton-lease", str(_LEASE), "worker.py"),
                ],
                cwd=self.folder,
                env={
                    **os.environ,
                    "PYTHONPATH": str(_REPOSITORY),
                    "AzureWebJobsStorage": self._storage,
                    "LAUNCHER": name,
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def begun(self) -> list[str]:
        """Return the launchers of the workers that have run, in their order."""
        with contextlib.suppress(OSError):
            lines = (self.folder / "begun").read_text().splitlines(keepends=True)
            return [line.split()[0] for line in lines if line.endswith("\n")]
        return []

    def two_at_once(self) -> int:
        """Return how many workers have found another one."""
        with contextlib.suppress(OSError):
            return len((self.folder / "two").read_text().splitlines())
        return 0

    def end(self) -> None:
        """End all launchers, with their workers."""
        for launcher in self.launchers.values():
            launcher.send_signal(signal.SIGCONT)
            launcher.terminate()
        for launcher in self.launchers.values():
            try:
                launcher.wait(20)
            except subprocess.TimeoutExpired:
                launcher.kill()
                launcher.wait()


def disturb(fleet: Fleet, chance: random.Random) -> tuple[str, float | None]:
    """Disturb the launcher whose worker runs; return how, and the time until the next worker."""
    before = len(fleet.begun())
    holder = fleet.begun()[-1]
    launcher = fleet.launchers[holder]
    how = chance.choice(["killed", "killed", "paused", "paused", "briefly", "stopped", "worker"])
    began = time.monotonic()
    if how == "worker":
        pid = int((fleet.folder / "begun").read_text().split()[-1])
        os.kill(pid, signal.SIGKILL)
        return how, _next(fleet, before, began)
    if how == "briefly":  # shorter than the lease: the same worker may continue
        launcher.send_signal(signal.SIGSTOP)
        time.sleep(chance.uniform(0.5, _LEASE * 0.6))
        launcher.send_signal(signal.SIGCONT)
        return how, None
    if how == "paused":
        launcher.send_signal(signal.SIGSTOP)
        took = _next(fleet, before, began)
        time.sleep(chance.uniform(0, 10))
        launcher.send_signal(signal.SIGCONT)
        return how, took
    launcher.send_signal(signal.SIGKILL if how == "killed" else signal.SIGTERM)
    took = _next(fleet, before, began)
    launcher.wait(30)
    del fleet.launchers[holder]
    fleet.add()
    return how, took


def _next(fleet: Fleet, before: int, began: float) -> float:
    """Wait for the next worker; return the time from `began` to its start."""
    deadline = began + 3 * _LEASE
    while len(fleet.begun()) <= before:
        if time.monotonic() > deadline:
            raise SystemExit("no other worker was started")
        time.sleep(0.01)
    return time.monotonic() - began


def main() -> int:
    """Disturb launchers for some minutes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--launchers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(10**6)
    chance = random.Random(seed)
    took: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    with azurite() as storage, tempfile.TemporaryDirectory(prefix="singleton-") as name:
        fleet = Fleet(Path(name), storage.connection_string, given.launchers)
        try:
            _next(fleet, 0, time.monotonic())
            end = time.monotonic() + given.minutes * 60
            while time.monotonic() < end:
                time.sleep(chance.uniform(0.2, 4))
                how, seconds = disturb(fleet, chance)
                counts[how] = counts.get(how, 0) + 1
                if seconds is not None:
                    took.setdefault(how, []).append(seconds)
            workers, twice = len(fleet.begun()), fleet.two_at_once()
        finally:
            fleet.end()
    print(f"seed {seed}: {workers} workers in {given.minutes:g} min; two at once: {twice} times")
    for how in sorted(counts):
        values = took.get(how)
        told = ""
        if values:
            told = f": next worker after {statistics.median(values):.1f} s (median), "
            told += f"{max(values):.1f} s (longest)"
        print(f"{how:10} {counts[how]} times{told}")
    longest = max((value for values in took.values() for value in values), default=0.0)
    kept = not twice and longest <= _LEASE + _ALLOWED
    print(f"longest without a worker {longest:.1f} s, of {_LEASE + _ALLOWED:g} s allowed")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
