"""Count who still gets a response beside stalled clients: ``python -m benchmarks.stalled``.

Each server gets 300 clients that fall silent, of one kind at a time, then 60 other requests, each
on a new connection. What is printed is how many of those get the whole response within 5 s, and
after how long (the median).

  idle            connected, nothing sent
  half a header   a part of the request's head sent
  half a body     the head and a part of the body sent
  reads nothing   16 MiB requested, and not read

The first side of each group is what the platform runs by itself for a detected app: gunicorn with
2N+1 workers for N cores. ``--groups``, ``--rows`` and ``--kinds`` choose. The command returns 1 if
a row of ours leaves more than ``--unanswered`` of the others without a response. Loopback only.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ._apps import write_stallable
from ._load import STALLS, Visits, stalled, visit
from ._sides import ServerFailedError, Side, platform_side, running, serve_side

_PLATFORM = "platform"
_GROUPS = {
    "WSGI": {
        _PLATFORM: platform_side("platform, WSGI", "app:app"),
        **{row: serve_side(row, "app:app", row) for row in ("gunicorn", "waitress", "granian")},
    },
    "ASGI": {
        _PLATFORM: platform_side("platform, ASGI", "asgi_app:app", "uvicorn_worker.UvicornWorker"),
        **{row: serve_side(f"{row}, ASGI", "asgi_app:app", row) for row in ("uvicorn", "granian")},
    },
}
_ROWS = tuple(dict.fromkeys(row for sides in _GROUPS.values() for row in sides))


def measure(side: Side, folder: Path, kind: str, given: argparse.Namespace) -> Visits:
    """Return what the other clients of a server get while one kind of client is stalled."""
    with running(side, folder) as server, stalled(server.port, kind, given.stalled):
        return visit(server.port, given.others, given.at_once, given.deadline)


def rows(given: argparse.Namespace) -> Iterator[tuple[str, Side]]:
    """Yield the name of each chosen row, and its side."""
    for group in given.groups:
        for row, side in _GROUPS[group].items():
            if row in given.rows:
                yield row, side


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "benchmarks.stalled",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--groups", nargs="+", choices=_GROUPS, default=list(_GROUPS))
    add("--rows", nargs="+", choices=_ROWS, default=list(_ROWS))
    add("--kinds", nargs="+", choices=STALLS, default=list(STALLS))
    add("--stalled", type=int, default=300, help="stalled clients of one kind (%(default)s)")
    add("--others", type=int, default=60, help="other requests (%(default)s)")
    add("--at-once", type=int, default=20, help="other requests at a time (%(default)s)")
    add("--deadline", type=float, default=5.0, help="seconds that they wait (%(default)s)")
    add("--unanswered", type=int, default=2, help="of them may get no response (%(default)s)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table as Markdown; return 1 if a row of ours is below its goal or failed."""
    given = _parser().parse_args(argv)
    print(f"{given.stalled} stalled clients; responses to {given.others} others (median ms)\n")
    print(f"| Server | {' | '.join(given.kinds)} |")
    print(f"|---|{'---:|' * len(given.kinds)}", flush=True)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as root:
        folder = write_stallable(Path(root))
        for row, side in rows(given):
            cells = []
            for kind in given.kinds:
                try:
                    seen = measure(side, folder, kind, given)
                except ServerFailedError as error:
                    wrong.append(f"{side.name}, {kind}: {error}")
                    cells.append("failed")
                    continue
                cells.append(
                    f"{seen.answered} ({seen.latency * 1000:.0f})" if seen.answered else "0"
                )
                if row != _PLATFORM and given.others - seen.answered > given.unanswered:
                    wrong.append(f"{side.name}, {kind}: {seen.answered} of {given.others}")
            print(f"| {side.name} | {' | '.join(cells)} |", flush=True)
    for sentence in wrong:
        print(f"below the goal: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
