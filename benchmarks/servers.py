"""Compare the rows of ``appsvc_runtime.serving.servers``: ``python -m benchmarks.servers``.

The first side of each group is what the platform runs by itself for a detected app: its image's own
options and 2N+1 workers for N cores, synchronous ones, or uvicorn's for an ASGI app. Every other
side is a ratio to it. All sides take turns in every round, each on a server started for it, and
medians are printed.

  fast            a Flask (WSGI) or Starlette (ASGI) app that responds at once
  waits 50 ms     as for a database
  computes 5 ms   of the processor's time, in Python

``--cores N`` gives the server N cores, as on a plan of that size, and the client the others, if
any. ``--json`` saves the results; ``--from`` prints and draws saved ones. Loopback only.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ._apps import WORK, write_pair
from ._load import client_name, drain, load
from ._plot import draw
from ._sides import ServerFailedError, Side, platform_side, running, serve_side

_GROUPS: dict[str, list[Side]] = {
    "WSGI": [
        platform_side("platform's default", "app:app"),
        *(serve_side(row, "app:app", row) for row in ("gunicorn", "waitress", "granian")),
    ],
    "ASGI": [
        platform_side("platform's default, ASGI", "asgi_app:app", "uvicorn_worker.UvicornWorker"),
        *(serve_side(f"{row}, ASGI", "asgi_app:app", row) for row in ("uvicorn", "granian")),
    ],
}
_PACKAGES = ("gunicorn", "waitress", "granian", "uvicorn", "flask", "starlette")

Results = dict[str, dict[str, dict[str, dict[str, list[float]]]]]
"""App → side → connections → what was measured → a value for each round."""


def measure(
    sides: Sequence[Side], apps: Sequence[str], counts: Sequence[int],
    *, rounds: int, seconds: float, cores: int | None,
) -> tuple[Results, list[str]]:  # fmt: skip
    """Run every side in turn; return the results, and the failures. A failed side is left out."""
    results: Results = {app: {} for app in apps}
    wrong: list[str] = []
    every = sorted(os.sched_getaffinity(0))
    for_server = every[:cores] if cores else None
    for_client = (every[cores:] or every) if cores else None
    with tempfile.TemporaryDirectory(prefix="benchmark-") as root:
        for app in apps:
            folder = write_pair(Path(root), app)
            left = list(sides)
            for number in range(rounds):
                for side in left[number % len(left) :] + left[: number % len(left)]:
                    progress(f"\r{app}: round {number + 1}, {side.name}\x1b[K")
                    try:
                        with running(side, folder, for_server) as server:
                            load(server.port, counts[0], 1, for_client)
                            for count in counts:
                                if not drain(server.port):
                                    raise ServerFailedError("no response after a load had ended")
                                seen = load(server.port, count, seconds, for_client)
                                kept = results[app].setdefault(side.name, {})
                                row = kept.setdefault(str(count), {})
                                for key in ("rate", "p50", "p99", "failed"):
                                    row.setdefault(key, []).append(getattr(seen, key))
                                row.setdefault("MiB", []).append(server.pss() / 1024)
                    except ServerFailedError as error:
                        wrong.append(f"{app}, {side.name}: {error}")
                        left.remove(side)
    progress("\r\x1b[K")
    return results, wrong


def tables(results: Results, groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the results as Markdown: a table for each app and group, medians of the rounds."""
    for app, sides in results.items():
        for group, names in groups.items():
            present = [name for name in names if name in sides]
            if not present:
                continue
            yield f"**{app}, {group}**"
            yield ""
            yield "| Server | Connections | Requests/s | Ratio | p50 ms | p99 ms | Errors | MiB |"
            yield "|---|---:|---:|---:|---:|---:|---:|---:|"
            for name in present:
                for count, row in sides[name].items():
                    base = sides[present[0]].get(count, {}).get("rate", [])
                    yield _line(name, count, row, base)
            yield ""


def _line(name: str, count: str, row: Mapping[str, list[float]], base: Sequence[float]) -> str:
    pairs = zip(row["rate"], base, strict=False)  # a side that failed has fewer rounds
    ratios = [value / other for value, other in pairs if other]
    cells = [
        name, count, f"{median(row['rate']):,.0f}", f"{median(ratios):.1f}" if ratios else "-",
        f"{median(row['p50']) * 1000:.1f}", f"{median(row['p99']) * 1000:.1f}",
        f"{sum(row['failed']):.0f}", f"{median(row['MiB']):.0f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def plot(results: Results, machine: Sequence[str]) -> str:
    """Return the results as SVG."""
    values = {
        app: {
            side: {int(count): median(row["rate"]) for count, row in rows.items()}
            for side, rows in sides.items()
        }
        for app, sides in results.items()
    }
    return draw(values, "Servers compared: more is better", machine)


def describe(cores: int | None, rounds: int, seconds: float) -> list[str]:
    """Return the names of the machine and the versions."""
    cpu = platform.processor() or platform.machine()
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
        cpu = next(line for line in text.splitlines() if "model name" in line).partition(": ")[2]
    except (OSError, StopIteration):
        pass
    count = len(os.sched_getaffinity(0))
    used = f"{cores} of {count} cores for the server" if cores else f"{count} cores"
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    return [
        f"{cpu}, {used}; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}; client on the same machine.",
        f"{versions}.",
        f"Medians of {rounds} rounds of {seconds:g} s, all servers in turn; with access lines.",
    ]


def progress(text: str) -> None:
    """Print the progress, if standard error is a terminal."""
    if sys.stderr.isatty():
        print(text, end="", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "benchmarks.servers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--apps", nargs="+", choices=WORK, default=list(WORK))
    add("--groups", nargs="+", choices=_GROUPS, default=list(_GROUPS))
    add("--connections", nargs="+", type=int, default=[1, 16, 64, 256])
    add("--side", action="append", type=Side.parse, default=[], metavar="NAME=COMMAND")
    add("--seconds", type=float, default=3.0, help="per sample (%(default)s)")
    add("--rounds", type=int, default=3, help="samples (%(default)s)")
    add("--cores", type=int, help="for the server (all)")
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="file for the plot, such as docs/servers.svg",
    )
    add("--json", type=Path, metavar="FILE", help="file for the results")
    add("--from", type=Path, metavar="FILE", dest="kept", help="file with saved results")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the tables, draw the plot; return 1 if a side failed."""
    given = _parser().parse_args(argv)
    groups = {name: list(_GROUPS[name]) for name in given.groups}
    groups[given.groups[0]] += given.side
    wrong: list[str] = []
    if given.kept:
        kept: dict[str, Any] = json.loads(given.kept.read_text("utf-8"))
        results, machine = kept["results"], kept["machine"]
    else:
        machine = describe(given.cores, given.rounds, given.seconds)
        print(f"client: {client_name()}")
        sides = [side for group in groups.values() for side in group]
        results, wrong = measure(
            sides, given.apps, given.connections,
            rounds=given.rounds, seconds=given.seconds, cores=given.cores,
        )  # fmt: skip
    if given.json:
        text = json.dumps({"machine": machine, "results": results}, indent=1)
        given.json.write_text(text, "utf-8")
    names = {group: [side.name for side in sides] for group, sides in groups.items()}
    print(*machine, "", *tables(results, names), sep="\n")
    for sentence in wrong:
        print(f"failed: {sentence}")
    if given.output:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(plot(results, machine), "utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
