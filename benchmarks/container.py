"""The Linux container, measured: ``python -m benchmarks.container [--rounds N] [--seconds N]``.

  build    the second ``appsvc build`` without changes against the first, of a Flask site and of a
           Django site with collectstatic; each first one in a new folder. Goal: 0.10
  explain  the whole command ``appsvc explain`` on trees of 50,000 files. Goal: 0.3 s
  latency  what the front end of ``appsvc emulate --as linux`` adds to a request, one at a time,
           each on a new connection, against the same gunicorn asked directly; in turns. Goal: 1 ms
  rate     requests/s through it against bare gunicorn, as the platform starts it (one sync worker,
           access log), with ``wrk`` where it is installed; in turns. Goal: 0.6

Loopback only; Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from ._load import client_name, load

GOAL_BUILD, GOAL_EXPLAIN, GOAL_LATENCY, GOAL_RATE = 0.10, 0.3, 0.001, 0.6
FILES = 50_000
_READY = re.compile(r"^Ready http://127\.0\.0\.1:([0-9]+)$", re.MULTILINE)
_APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])
    return [b"hello, world"]
"""
_MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
_SETTINGS = """
SECRET_KEY = "of a benchmark"
INSTALLED_APPS = ["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                  "django.contrib.sessions", "django.contrib.messages",
                  "django.contrib.staticfiles"]
STATIC_URL, STATIC_ROOT = "static/", "staticfiles"
"""
SITES = {
    "flask": {"app.py": _APP, "requirements.txt": "flask\n"},
    "django": {
        "app.py": _APP,
        "requirements.txt": "django\n",
        "manage.py": _MANAGE,
        "settings.py": _SETTINGS,
    },
}


def appsvc(*arguments: str) -> float:
    """Run a command to its end; give the seconds that it took."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "appsvc_runtime", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"appsvc {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - began


def make(folder: Path, files: dict[str, str]) -> Path:
    """Make a site."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def measure_build(folder: Path, rounds: int) -> bool:
    """Print both times and the ratio for each site; say whether the goal was met."""
    good = True
    for name, files in SITES.items():
        found = []
        for number in range(rounds):
            site = make(folder / f"{name}-{number}" / "site", files)
            found.append((appsvc("build", str(site)), appsvc("build", str(site))))
        ratio = median(second / first for first, second in found)
        first, second = (median(times) for times in zip(*found, strict=True))
        print(f"build, {name}: first {first:.2f} s, second {second:.2f} s, ratio {ratio:.3f}")
        good = good and ratio <= GOAL_BUILD
    return good


def trees(folder: Path) -> Iterator[tuple[str, Path]]:
    """Make trees of 50,000 files: flat, in folders, deep, as an installed node_modules."""
    shapes = {
        "flat": lambda n: "",
        "1,000 folders": lambda n: f"d{n % 1000:04}/",
        "deep": lambda n: "/".join(f"d{digit}" for digit in f"{n % 2000:04}") + "/",
        "node_modules": lambda n: f"node_modules/p{n % 1000}/lib/",
    }
    for name, place in shapes.items():
        tree = folder / name.replace(",", "").replace(" ", "-")
        for number in range(FILES):
            path = tree / place(number) / f"file{number}.txt"
            if number < 2000 or not path.parent.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        yield name, tree


def measure_explain(folder: Path, rounds: int) -> bool:
    """Print the command's time on each tree, beside that of Python alone; say whether it is met."""
    good = True
    for name, tree in trees(folder):
        found = []
        for _ in range(rounds):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", "pass"], check=True)
            bare = time.perf_counter() - began
            found.append((bare, appsvc("explain", str(tree))))
        bare, whole = (median(times) for times in zip(*found, strict=True))
        print(f"explain, {name}: {whole:.3f} s, of which Python's own start {bare:.3f} s")
        good = good and whole <= GOAL_EXPLAIN
    return good


@contextlib.contextmanager
def emulated(site: Path) -> Iterator[int]:
    """Run ``appsvc emulate --as linux`` until the block ends; give its port."""
    log = site.parent / "emulated.txt"
    command = ["emulate", str(site), "--as", "linux", "--no-build", "--port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "appsvc_runtime", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + 120
        while not (found := _READY.search(log.read_text("utf-8", "replace"))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The emulator is not ready:\n{log.read_text()}")
            time.sleep(0.01)
        yield int(found[1])
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def bare(site: Path) -> Iterator[int]:
    """Run gunicorn as the platform does until the block ends; give its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = "--timeout 600 --access-logfile - --error-logfile -".split()
    log = site.parent / "bare.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *arguments, f"--bind=0.0.0.0:{port}", "app:app"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=site,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                ask(port)
                break
            time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def ask(port: int) -> float:
    """Ask once, on a connection of its own; give the seconds until all has come."""
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), 10) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := wire.recv(65536):
            data += piece
    if not data.endswith(b"hello, world"):
        raise OSError(f"no answer: {data[:200]!r}")
    return time.perf_counter() - began


def measure_latency(folder: Path, rounds: int) -> bool:
    """Print both medians and the difference; say whether the goal was met."""
    site = make(folder / "latency" / "site", {"app.py": _APP})
    with emulated(site) as through, bare(site) as direct:
        found = []
        for _ in range(rounds * 200):
            found.append((ask(direct), ask(through)))
    added = median(second - first for first, second in found)
    first, second = (median(times) for times in zip(*found, strict=True))
    print(
        f"latency: gunicorn {first * 1000:.2f} ms, through the front end {second * 1000:.2f} ms, "
        f"added {added * 1000:.2f} ms at the median (goal {GOAL_LATENCY * 1000:g} ms)"
    )
    return added <= GOAL_LATENCY


def measure_rate(folder: Path, rounds: int, seconds: float) -> bool:
    """Print both rates and the ratio; say whether the goal was met."""
    site = make(folder / "rate" / "site", {"app.py": _APP})
    good = True
    with emulated(site) as through, bare(site) as direct:
        for connections in (8, 32):
            load(through, connections, 1)
            load(direct, connections, 1)
            found = []
            for _ in range(rounds):
                alone, whole = (load(port, connections, seconds) for port in (direct, through))
                if whole.failed:
                    raise RuntimeError(f"{whole.failed} requests failed")
                found.append((alone.rate, whole.rate))
            ratio = median(whole / alone for alone, whole in found)
            first, second = (median(rates) for rates in zip(*found, strict=True))
            print(
                f"rate, {connections} connections: gunicorn {first:.0f}/s, through the front end "
                f"{second:.0f}/s, ratio {ratio:.2f} (goal {GOAL_RATE})"
            )
            good = good and ratio >= GOAL_RATE
    return good


def main() -> int:
    """Measure everything; 0 where all goals were met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("parts", nargs="*", default=["build", "explain", "latency", "rate"])
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, client: {client_name()}")
    good = []
    with tempfile.TemporaryDirectory(prefix="container-") as name:
        folder = Path(name)
        if "build" in options.parts:
            good.append(measure_build(folder, options.rounds))
        if "explain" in options.parts:
            good.append(measure_explain(folder, options.rounds))
        if "latency" in options.parts:
            good.append(measure_latency(folder, options.rounds))
        if "rate" in options.parts:
            good.append(measure_rate(folder, options.rounds, options.seconds))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
