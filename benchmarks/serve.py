"""Compare servers for one app: ``python -m benchmarks.serve``.

Side A is what the platform runs by itself, 2N+1 synchronous workers for N cores; every other side
is shown as a ratio to it. Ratios depend less on the machine than times do, so all sides take turns
in every round, each sample on a server started for it, and the median of the rounds is printed.

  fast      requests/s of an app that responds at once, at 16 and 64 connections: the server's
            own cost per request, on all cores
  wait      requests/s of an app that waits 50 ms, at 64 connections: how many requests the
            server handles at once
  pinned    ``fast`` with the server on one core and the client on another: the same cost where
            more processes cannot help, as on a one-core plan
  stalled   100 connections that fall silent (idle, half a header, half a body, or that read
            nothing), then 100 other clients with a timeout of 5 s: how many get a response, and
            after how long
  memory    proportional memory of the process tree after ``fast`` traffic

``--side 'NAME=COMMAND'`` measures any other command; ``{python}``, ``{port}`` and ``{dir}`` in it
are replaced. ``--sides`` chooses among the built-in ones (A, B, C, D). Loopback only.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from statistics import median

from ._apps import APPS, write_site
from ._load import STALLS, client_name, drain, load, stalled, visit
from ._sides import ServerFailedError, Side, platform_side, running

_APPSVC = "--site {dir} --host 127.0.0.1 --port {port}"
BUILT_IN: dict[str, Side] = {
    side.name[0]: side
    for side in (
        platform_side("A platform", "app:app"),
        Side.parse(f"B appsvc serve={{python}} -m appsvc_runtime serve app:app {_APPSVC}"),
        Side.parse(
            "C runserver={python} -m appsvc_runtime.runserver app:app --site {dir} --port {port}"
        ),
        Side.parse("D waitress={python} -m waitress --listen=127.0.0.1:{port} app:app"),
    )
}


@dataclass(frozen=True)
class Options:
    """The options of all measurements."""

    seconds: float
    rounds: int
    connections: int
    visitors: int
    at_once: int
    deadline: float
    apps: tuple[str, ...]
    stalls: tuple[str, ...]
    sites: Path

    def site(self, app: str) -> Path:
        """Return the folder of one of the apps, written on first use."""
        return write_site(self.sites, app)


@dataclass
class Samples:
    """Side → row of the table → one value per round; ``notes`` are printed below the table."""

    unit: str
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, side: Side, row: str, value: float) -> None:
        """Add the value of one round."""
        self.values.setdefault(row, {}).setdefault(side.name, []).append(value)


Measurement = Callable[[Side, Options, Samples], None]


def _rates(
    side: Side,
    app: str,
    connections: Sequence[int],
    options: Options,
    samples: Samples,
    server_cores: frozenset[int] | None = None,
    client_cores: frozenset[int] | None = None,
) -> None:
    """Measure requests/s at each number of connections, on one server, after a warm-up of 1 s."""
    with running(side, options.site(app), server_cores) as server:
        load(server.port, connections[0], 1, client_cores)
        for count in connections:
            if not drain(server.port):
                raise ServerFailedError("no response to a new client after a load had ended")
            result = load(server.port, count, options.seconds, client_cores)
            samples.add(side, f"{app}, {count} connections", result.rate)
            if result.failed:
                samples.notes.append(f"{side.name}: {result.failed} failed at {count} connections")


def fast(side: Side, options: Options, samples: Samples) -> None:
    """Measure the server's own cost per request."""
    _rates(side, "fast", (16, 64), options, samples)


def wait(side: Side, options: Options, samples: Samples) -> None:
    """Measure how many requests are handled at once: 64 connections allow 1280 requests/s."""
    _rates(side, "waits 50 ms", (64,), options, samples)


def pinned(side: Side, options: Options, samples: Samples) -> None:
    """Measure the cost per request on one core; the client uses another one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise ServerFailedError("pinning the server and the client apart needs two cores")
    apart = frozenset(cores[:1]), frozenset(cores[1:2])
    _rates(side, "fast", (16, 64), options, samples, *apart)


def silent(side: Side, options: Options, samples: Samples) -> None:
    """Measure what other clients get while some connections have fallen silent."""
    for app in options.apps:
        for kind in options.stalls:
            with (
                running(side, options.site(app)) as server,
                stalled(server.port, kind, options.connections),
            ):
                seen = visit(server.port, options.visitors, options.at_once, options.deadline)
            samples.add(side, f"{app}, {kind}: answered", seen.answered)
            samples.add(side, f"{app}, {kind}: median ms", seen.latency * 1000)


def memory(side: Side, options: Options, samples: Samples) -> None:
    """Measure what the server costs the machine once traffic has used all of it."""
    with running(side, options.site("fast")) as server:
        load(server.port, 64, max(2, options.seconds))
        samples.add(side, "after 64 connections", server.pss() / 1024)


MEASUREMENTS: dict[str, tuple[str, Measurement]] = {
    "fast": ("requests/s", fast),
    "wait": ("requests/s", wait),
    "pinned": ("requests/s, one core", pinned),
    "stalled": ("stalled connections", silent),
    "memory": ("MiB proportional", memory),
}


def progress(text: str) -> None:
    """Print the progress, if standard error is a terminal."""
    if sys.stderr.isatty():
        print(text, end="", file=sys.stderr, flush=True)


def measure(name: str, sides: Sequence[Side], options: Options) -> Samples:
    """Run every side in turn, ``rounds`` times; a side that fails is noted and then left out."""
    unit, measurement = MEASUREMENTS[name]
    samples = Samples(unit)
    left = list(sides)
    for number in range(options.rounds):
        # The order changes with each round, so that no side always follows the same other side.
        for side in left[number % len(left) :] + left[: number % len(left)] if left else []:
            progress(f"\r{name}: round {number + 1}, {side.name}\x1b[K")
            try:
                measurement(side, options, samples)
            except ServerFailedError as error:
                samples.notes.append(str(error))
                left.remove(side)
    progress("\r\x1b[K")
    return samples


def table(name: str, samples: Samples, sides: Sequence[Side]) -> Iterator[str]:
    """Yield each side's median, its ratio to the first side, and its lowest and highest sample."""
    width = max(len(side.name) for side in sides)
    for row, values in samples.values.items():
        yield f"{name} ({samples.unit}): {row}"
        base = values.get(sides[0].name, [])
        for side in sides:
            if side.name not in values:
                yield f"  {side.name:<{width}}  failed"
                continue
            seen = values[side.name]
            spread = f"{min(seen):.1f} to {max(seen):.1f}"
            yield f"  {side.name:<{width}} {median(seen):>10.1f} {_ratio(seen, base):>8}   {spread}"
    yield from (f"  note: {note}" for note in dict.fromkeys(samples.notes))


def _ratio(values: Sequence[float], base: Sequence[float]) -> str:
    """Return the median of the ratios per round: a machine that slows down slows both sides."""
    pairs = zip(values, base, strict=False)  # a side that failed has fewer rounds
    ratios = [value / other for value, other in pairs if other and isfinite(value + other)]
    return f"x{median(ratios):.2f}" if ratios else "-"


def _side(text: str) -> Side:
    try:
        return Side.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "benchmarks.serve",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    add("--sides", default="".join(BUILT_IN), help="letters of the built-in sides (%(default)s)")
    add("--side", action="append", type=_side, default=[], metavar="NAME=COMMAND")
    add("--seconds", type=float, default=3.0, help="per sample (%(default)s)")
    add("--rounds", type=int, default=5, help="samples per side (%(default)s)")
    add("--connections", type=int, default=100, help="stalled connections (%(default)s)")
    add("--visitors", type=int, default=100, help="clients beside the stalled (%(default)s)")
    add("--at-once", type=int, default=10, help="clients at a time (%(default)s)")
    add("--deadline", type=float, default=5.0, help="seconds a client waits (%(default)s)")
    add("--app", nargs="+", choices=APPS, default=list(APPS), help="for stalled")
    add("--stall", nargs="+", choices=STALLS, default=list(STALLS), help="for stalled")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the chosen measurements and print one table each; return 1 if a side gave no sample."""
    parser = _parser()
    given = parser.parse_args(argv)
    unknown = set(given.sides) - set(BUILT_IN)
    if unknown:
        parser.error(f"--sides {given.sides}: only {', '.join(BUILT_IN)} are built in")
    sides = [BUILT_IN[letter] for letter in given.sides] + given.side
    if not sides:
        parser.error("no side to measure")
    print(f"client: {client_name()}; cores: {len(os.sched_getaffinity(0))}; {sys.version}")
    complete = True
    with tempfile.TemporaryDirectory(prefix="benchmark-") as root:
        options = Options(
            seconds=given.seconds,
            rounds=given.rounds,
            connections=given.connections,
            visitors=given.visitors,
            at_once=given.at_once,
            deadline=given.deadline,
            apps=tuple(given.app),
            stalls=tuple(given.stall),
            sites=Path(root),
        )
        for name in given.only:
            samples = measure(name, sides, options)
            print(*table(name, samples, sides), sep="\n", flush=True)
            complete = (
                complete
                and bool(samples.values)
                and all(side.name in values for values in samples.values.values() for side in sides)
            )
    return 0 if complete else 1


if __name__ == "__main__":
    raise SystemExit(main())
