"""The front end before three kinds of gunicorn: ``python -m benchmarks.frontend [PART…]``.

  latency  the time that ``appsvc emulate --as linux`` adds to a request of a single client, which
           sends one after another; the median of the rounds' medians. Goal: 2 ms
  rate     requests/s of eight clients through it, against those of the same gunicorn alone, with
           the CPU time of both. Goal: a ratio of 0.3

A trivial WSGI app, served by the image's gunicorn as the platform starts it: one synchronous
worker, its access log on. The goals are for that; two workers, and one of four threads, which keeps
connections open, are measured as well. Both sides run at the same time and get requests in turns.
Loopback only; Linux, for /proc. The image is made at the first run, which takes a moment.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from appsvc_runtime.emulator.linux.image import prepare_image

from ._load import client_name, drain, load
from ._sides import HOST

# What a laptop needs: the code is aiohttp's client, and our own client was twice as fast.
GOAL_MS, GOAL_RATIO = 2.0, 0.3
_CONNECTIONS = 8
_READY = re.compile(rb"^Ready http://127\.0\.0\.1:([0-9]+)\r?$", re.MULTILINE)
_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
_BODY = b"hello, world"
_APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])
    return [b"hello, world"]
"""
_OPTIONS = ("--timeout", "600", "--access-logfile", "-", "--error-logfile", "-")
_MULTI = ("PYTHON_ENABLE_GUNICORN_MULTIWORKERS", "true")
_WORKERS, _THREADS = "PYTHON_GUNICORN_CUSTOM_WORKER_NUM", "PYTHON_GUNICORN_CUSTOM_THREAD_NUM"


@dataclass(frozen=True)
class Kind:
    """One way to run gunicorn: its options, and the app settings for the same on the platform."""

    name: str
    options: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


KINDS = (
    Kind("as the platform starts it"),
    Kind("2 workers", ("--workers=2",), (_MULTI, (_WORKERS, "2"), (_THREADS, "1"))),
    Kind("4 threads", ("--workers=1", "--threads=4"), (_MULTI, (_WORKERS, "1"), (_THREADS, "4"))),
)


@dataclass(frozen=True)
class Running:
    """A process that serves requests, with all its child processes."""

    pid: int
    port: int

    def cpu(self, *, children: bool = True) -> float:
        """Return the seconds of CPU time used so far (proc(5), stat)."""
        ticks = 0
        for pid in _tree(self.pid) if children else [self.pid]:
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def _tree(pid: int) -> list[int]:
    found = [pid]
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += _tree(int(child))
    return found


@contextlib.contextmanager
def started(argv: Sequence[str], folder: Path, log: Path, port: int = 0) -> Iterator[Running]:
    """Run a program until the block ends; its port is the one passed, or that of ``Ready``."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("GUNICORN_", "WEBSITE"))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env={**environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            found = _READY.search(log.read_bytes())
            number = port or (int(found[1]) if found else 0)
            if number and drain(number, 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{argv[0]} does not respond:\n{log.read_text()}")
            time.sleep(0.02)
        yield Running(process.pid, number)
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def both(folder: Path, gunicorn: str, kind: Kind) -> Iterator[tuple[Running, Running]]:
    """Run gunicorn alone, and another behind ``appsvc emulate``."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    alone = [gunicorn, *_OPTIONS, *kind.options, f"--bind=0.0.0.0:{port}", "app:app"]
    whole = [sys.executable, "-m", "appsvc_runtime", "emulate", str(folder), "--as", "linux"]
    whole += ["--no-build", "--no-affinity", "--port", "0"]
    for name, value in kind.settings:
        whole += ["--set", f"{name}={value}"]
    with (
        started(alone, folder, folder.parent / "alone.txt", port) as bare,
        started(whole, folder, folder.parent / "whole.txt") as emulated,
    ):
        yield bare, emulated


def latencies(port: int, seconds: float) -> float:
    """Send requests one after another, on one connection while it is kept.

    Return the median of their times in ms.
    """
    found = []
    end = time.perf_counter() + seconds
    connection: socket.socket | None = None
    while (begun := time.perf_counter()) < end:
        connection = connection or socket.create_connection((HOST, port), 10)
        connection.sendall(_REQUEST)
        answer = b""
        while not answer.endswith(_BODY):
            chunk = connection.recv(65536)
            if not chunk:
                raise RuntimeError(f"The response is not complete: {answer!r}")
            answer += chunk
        found.append((time.perf_counter() - begun) * 1000)
        if b"\r\nconnection: close\r\n" in answer.lower():
            connection.close()
            connection = None
    if connection is not None:
        connection.close()
    return median(found)


def measure_latency(bare: Running, emulated: Running, rounds: int, seconds: float) -> float:
    """Print the added time; return it, in ms."""
    found = []
    for _ in range(rounds):
        found.append((latencies(bare.port, seconds), latencies(emulated.port, seconds)))
    added = median(whole - alone for alone, whole in found)
    print(f"  latency: gunicorn alone {median(a for a, _ in found):.2f} ms, through the emulator "
          f"{median(w for _, w in found):.2f} ms: +{added:.2f} ms")  # fmt: skip
    return added


def measure_rate(bare: Running, emulated: Running, rounds: int, seconds: float) -> float:
    """Print both rates, with CPU time; return the median ratio."""
    found = []
    for _ in range(rounds):
        row: list[float] = []
        for side in (bare, emulated):
            before = side.cpu(), side.cpu(children=False)
            done = load(side.port, _CONNECTIONS, seconds)
            if done.failed:
                raise RuntimeError(f"{done.failed} requests failed on port {side.port}.")
            count = done.rate * seconds / 1e6
            own = side.cpu(children=False) - before[1]
            row += [done.rate, (side.cpu() - before[0] - own) / count, own / count]
        found.append(row)
    alone, app, _, whole, app_behind, own = (median(column) for column in zip(*found, strict=True))
    ratio = median(row[3] / row[0] for row in found)
    print(f"  rate: gunicorn alone {alone:.0f} requests/s (CPU {app:.0f} µs each)")
    print(f"  rate: through the emulator {whole:.0f} requests/s "
          f"(CPU: gunicorn {app_behind:.0f} µs, emulator {own:.0f} µs each)")  # fmt: skip
    print(f"  rate: ratio {ratio:.2f}")
    return ratio


def main() -> int:
    """Measure; return 0 if the goals were met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2, help="per measurement, an integer")
    parser.add_argument("--kinds", type=int, default=len(KINDS), help="how many of the three kinds")
    parser.add_argument("parts", nargs="*", default=["latency", "rate"])
    options = parser.parse_args()
    image = asyncio.run(prepare_image(sys.executable, os.environ, lambda *_: None))
    print(f"Python {sys.version.split()[0]}, client of the rate: {client_name()}")
    good = True
    for number, kind in enumerate(KINDS[: options.kinds]):
        print(f"gunicorn, {kind.name}:")
        with tempfile.TemporaryDirectory(prefix="container-") as name:
            folder = Path(name, "site")
            folder.mkdir()
            (folder / "app.py").write_text(_APP)
            with both(folder, str(image.bin / "gunicorn"), kind) as (bare, emulated):
                if "latency" in options.parts:
                    added = measure_latency(bare, emulated, options.rounds, options.seconds)
                    good = good and (number > 0 or added <= GOAL_MS)
                if "rate" in options.parts:
                    load(emulated.port, _CONNECTIONS, 1)
                    ratio = measure_rate(bare, emulated, options.rounds, options.seconds)
                    good = good and (number > 0 or ratio >= GOAL_RATIO)
    print(f"Goals, as the platform starts it: +{GOAL_MS:g} ms, ratio {GOAL_RATIO}: "
          f"{'met' if good else 'missed'}")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
