"""How well a worker is kept running: our launcher beside supervisord, in turns, in one run.

    python -m benchmarks.worker kills [--times 100]     a healthy worker is killed: running again
    python -m benchmarks.worker trees [--times 100]     SIGTERM ignored, a daemon forked: all gone
    python -m benchmarks.worker output [--seconds 60]   100 MB/s of output: memory
    python -m benchmarks.worker idle [--seconds 60]     memory and processor time with nothing to do

Needs Linux and `pip install "appsvc-runtime[bench]"`. The counts come from files that the workers
write, so that no side reports about itself.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parent.parent
_DEADLINE = 30.0
_GRACE = 1.0
# For both sides, a worker that runs for a second has started well.
_HEALTHY = 1.0

_PLAIN = """
import os, time
with open("pids", "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(3600)
"""
_STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def note():
    with open("pids", "a") as file:
        file.write(f"{os.getpid()}\\n")
note()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        note()
        time.sleep(3600)
    os._exit(0)
os.wait()
time.sleep(3600)
"""
_LOUD = """
import os, time
line = b"0123456789" * 12 + b"\\n"
part = line * 8192                      # about 1 MB
rate, sent, began = 100e6, 0, time.monotonic()
with open("pids", "a") as file:
    file.write(f"{os.getpid()}\\n")
while True:
    view = memoryview(part)
    while view:
        view = view[os.write(1, view):]
    sent += len(part)
    with open("sent", "w") as file:
        file.write(str(sent))
    ahead = sent / rate - (time.monotonic() - began)
    if ahead > 0:
        time.sleep(ahead)
"""
_SUPERVISOR = """
[supervisord]
nodaemon = true
logfile = {folder}/supervisord.log
pidfile = {folder}/supervisord.pid
[program:worker]
command = {python} worker.py
directory = {folder}
startsecs = {healthy:.0f}
stopwaitsecs = {grace:.0f}
stdout_logfile = {folder}/out.log
stderr_logfile = {folder}/err.log
"""


class Side:
    """A supervisor with one worker, in its own folder."""

    def __init__(self, name: str, code: str, folder: Path) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        (self.folder / "worker.py").write_text(code)
        self.process = subprocess.Popen(
            self._command(),
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY), "WSGI_LOG": "worker.log"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _command(self) -> list[str]:
        if self.name == "appsvc":
            options = ["--healthy-after", str(_HEALTHY), "--grace", str(_GRACE)]
            return [sys.executable, "-m", "appsvc_runtime.worker", *options, "worker.py"]
        config = self.folder / "supervisord.conf"
        config.write_text(
            _SUPERVISOR.format(
                folder=self.folder, python=sys.executable, healthy=_HEALTHY, grace=_GRACE
            )
        )
        return [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)]

    def pids(self) -> list[int]:
        """Return the process ids that workers have written."""
        with contextlib.suppress(OSError):
            lines = (self.folder / "pids").read_text().splitlines(keepends=True)
            return [int(line) for line in lines if line.endswith("\n")]
        return []

    def wait_for(self, count: int) -> float:
        """Wait until so many workers have written their ids; return how long that took."""
        began = time.perf_counter()
        _until(lambda: len(self.pids()) >= count, f"{self.name} started no worker")
        return time.perf_counter() - began

    def end(self) -> None:
        """End the supervisor and all processes that it has left."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pid in self.pids():
            # The id may be another process's by now, which has another folder.
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cwd").samefile(self.folder):
                    os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def sides(code: str, *names: str) -> Iterator[list[Side]]:
    """Start sides, and end them."""
    made: list[Side] = []
    with tempfile.TemporaryDirectory(prefix="worker-") as name:
        try:
            for side in names or ("appsvc", "supervisord"):
                made.append(Side(side, code, Path(name)))
            for side_made in made:
                side_made.wait_for(1)
            yield made
        finally:
            for side_made in made:
                side_made.end()


def kills(times: int) -> None:
    """Kill a worker again and again; print how long until the next one runs."""
    took: dict[str, list[float]] = {"appsvc": [], "supervisord": []}
    with sides(_PLAIN) as both:
        for _ in range(times):
            time.sleep(_HEALTHY + 0.2)
            for side in both:
                # They are killed one after the other, as supervisord checks about once in a second.
                known = side.pids()
                os.kill(known[-1], signal.SIGKILL)
                took[side.name].append(side.wait_for(len(known) + 1))
    for name, values in took.items():
        worst = sorted(values)[max(0, round(0.99 * len(values)) - 1)]
        print(
            f"{name:12} {len(values)} kills: median {statistics.median(values):.3f} s, "
            f"99th percentile {worst:.3f} s, longest {max(values):.3f} s"
        )
    ratio = statistics.median(took["appsvc"]) / statistics.median(took["supervisord"])
    print(f"ratio of medians {ratio:.3f}")


def trees(times: int) -> None:
    """Stop a worker that ignores SIGTERM and has forked twice; print what is left and when."""
    took: dict[str, list[float]] = {"appsvc": [], "supervisord": []}
    orphans = dict.fromkeys(took, 0)
    for _ in range(times):
        for name in took:
            with sides(_STUBBORN, name) as (side,):
                side.wait_for(2)
                began = time.perf_counter()
                side.process.send_signal(signal.SIGTERM)
                side.process.wait(_DEADLINE)
                took[name].append(time.perf_counter() - began)
                orphans[name] += any(_alive(pid) for pid in side.pids())
    for name, values in took.items():
        print(
            f"{name:12} {times} stops with a grace of {_GRACE:g} s: median "
            f"{statistics.median(values):.3f} s, longest {max(values):.3f} s, "
            f"something left {orphans[name]} times"
        )


def output(seconds: float) -> None:
    """Have a worker print 100 MB each second; print the rate that gets through, and the memory."""
    for name in ("appsvc", "supervisord"):
        with sides(_LOUD, name) as (side,):
            time.sleep(1)
            before, began = _rss(side.process.pid), time.monotonic()
            sent, most = _sent(side), before
            while time.monotonic() - began < seconds:
                time.sleep(0.1)
                most = max(most, _rss(side.process.pid))
            rate = (_sent(side) - sent) / (time.monotonic() - began) / 1e6
            print(
                f"{name:12} {rate:.0f} MB/s for {seconds:g} s: memory {before / 1024:.1f} MB, "
                f"at most {(most - before) / 1024:+.1f} MB"
            )


def idle(seconds: float) -> None:
    """Print the memory and the processor time of each with nothing to do."""
    with sides(_PLAIN) as both:
        time.sleep(2)
        before = {side.name: _cpu(side.process.pid) for side in both}
        time.sleep(seconds)
        for side in both:
            used = (_cpu(side.process.pid) - before[side.name]) / seconds
            print(
                f"{side.name:12} {_rss(side.process.pid) / 1024:.1f} MB, "
                f"{used * 100:.3f} % of a core over {seconds:g} s"
            )


def _sent(side: Side) -> int:
    text = ""
    while not text:  # the file is just being written
        with contextlib.suppress(OSError):
            text = (side.folder / "sent").read_text()
    return int(text)


def _until(true: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + _DEADLINE
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"{problem} within {_DEADLINE:g} s")
        time.sleep(0.001)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZXx"


def _rss(pid: int) -> int:
    """Return a process's resident memory in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def _cpu(pid: int) -> float:
    """Return the CPU seconds of all threads of a process."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["kills", "trees", "output", "idle"])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    if given.what in ("kills", "trees"):
        {"kills": kills, "trees": trees}[given.what](given.times)
    else:
        {"output": output, "idle": idle}[given.what](given.seconds)


if __name__ == "__main__":
    main()
