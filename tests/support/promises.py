"""The table of promises: which server promises what, by release, and the test that shows it.

docs/servers.md shows it. Tests read it, and skip what a cell with "no" excludes.
"""

from __future__ import annotations

import importlib.metadata
import re
from typing import NamedTuple

import pytest

from tests.support.serverapps import ASGI, ROWS

__all__ = [
    "COLUMNS",
    "NONE",
    "PROMISES",
    "Promise",
    "column",
    "need",
    "release",
    "render",
]

YES, NO, BY_US, ONE_PROCESS = "yes", "no", "by us", "one process"
# No test shows it.
NONE = "—"
VALUES = (YES, NO, BY_US, ONE_PROCESS, NONE)


class Column(NamedTuple):
    """A row of ROWS in the releases from `since` on, up to the next column of this row."""

    row: str
    releases: str
    since: tuple[int, ...]

    @property
    def name(self) -> str:
        """Return the heading: server, releases and, where a server runs both, the kind of app."""
        row = ROWS[self.row]
        kind = "ASGI" if row.source == ASGI else "WSGI"
        both = sum(one.server == row.server for one in ROWS.values()) > 1
        return f"{row.server} {self.releases}{f', {kind}' if both else ''}"


_COLUMNS = (
    Column("gunicorn", "20.1 to 21", (20, 1)),
    Column("gunicorn", "22", (22,)),
    Column("gunicorn", "23", (23,)),
    Column("gunicorn", "24 to 26", (24,)),
    Column("gunicorn", "27", (27,)),
    Column("waitress", "3.0.1", (3, 0, 1)),
    Column("granian", "2.8", (2, 8)),
    Column("granian-asgi", "2.8", (2, 8)),
    Column("uvicorn", "0.30", (0, 30)),
)
COLUMNS = [one.name for one in _COLUMNS]


class Promise(NamedTuple):
    """A promise: a cell for each column, and the test that shows it, as `file::function`.

    The test has a case for each row with a promise, whose id contains the row's; a test without
    cases shows it for all rows.
    """

    cells: tuple[str, ...]
    test: str

    def rows(self) -> list[str]:
        """Return the rows that have the promise in any release."""
        pairs = zip(_COLUMNS, self.cells, strict=True)
        return sorted({one.row for one, cell in pairs if cell.rpartition(": ")[2] in (YES, BY_US)})


def _promise(cells: str, test: str) -> Promise:
    """Return a promise; one cell alone is that of every column."""
    found = tuple(cell.strip() for cell in cells.split("|"))
    return Promise(found * (len(_COLUMNS) if len(found) == 1 else 1), f"tests/{test}")


_STOP = "serving/test_serve_stop.py::test_"
_LAUNCH = "serving/test_launch.py::test_"
_AMBIGUOUS = "integration/test_ambiguous_requests.py::test_"
_HERE = "serving/test_promises.py::test_"
# The columns: gunicorn 20.1 | 22 | 23 | 24 | 27 | waitress | granian | granian, ASGI | uvicorn.
PROMISES: dict[str, Promise] = {
    "Requests that run when it is stopped are finished": _promise(
        "yes", f"{_STOP}a_running_request_finishes"
    ),
    "Requests sent before a stop are all answered, also on connections that wait": _promise(
        "no | no | no | by us | by us | by us | by us | by us | by us",
        f"{_STOP}stops_under_load_without_a_broken_answer",
    ),
    "A restart of the container under load loses no request that was begun, with `exec`": _promise(
        "yes", "integration/test_restarts.py::test_what_was_begun_is_answered"
    ),
    "What does not finish in time is cut, and the exit code is 0": _promise(
        "yes", f"{_STOP}what_does_not_finish_is_cut"
    ),
    "An idle connection does not hold up a stop": _promise(
        "yes | yes | yes | by us | yes | by us | yes | yes | yes",
        f"{_STOP}an_idle_connection_does_not_hold_a_stop_up",
    ),
    "A stop while the app is imported ends it at once": _promise(
        "— | — | — | — | — | by us | by us | by us | by us",
        f"{_STOP}a_stop_while_the_app_is_imported",
    ),
    "The front end's headers count, and a client's own do not": _promise(
        "by us", f"{_LAUNCH}the_front_end_is_believed"
    ),
    "Headers whose names hold an underscore are dropped": _promise(
        "by us | yes | yes | yes | yes | yes | by us | by us | yes",
        f"{_LAUNCH}a_header_with_an_underscore_is_not_the_one_with_a_hyphen",
    ),
    "A request with two `Host` headers gets 400": _promise(
        "by us | by us | by us | by us | yes | by us | by us | by us | by us",
        f"{_AMBIGUOUS}two_hosts_are_refused",
    ),
    "`Content-Length` beside `Transfer-Encoding` smuggles no request": _promise(
        "by us | by us | by us | by us | yes | by us | yes | yes | by us",
        f"{_AMBIGUOUS}no_request_is_smuggled_in_a_body",
    ),
    "A response to HEAD, and with status 204 or 304, has no body": _promise(
        "by us | by us | by us | 24 and 25: by us | yes | by us | yes | yes | yes",
        f"{_HERE}what_has_no_body",
    ),
    "Bodies of 10 MB pass in both directions": _promise("yes", f"{_LAUNCH}big_bodies_both_ways"),
    "An error of the app costs one request": _promise(
        "yes", f"{_LAUNCH}an_error_of_the_apps_costs_one_request"
    ),
    "A hundred stalled clients do not stop others": _promise(
        "yes", f"{_LAUNCH}stalled_visitors_do_not_stop_others"
    ),
    "A worker that dies is replaced": _promise(
        "yes | yes | yes | yes | yes | one process | yes | yes | yes",
        f"{_LAUNCH}a_worker_that_dies_is_replaced",
    ),
    "A port in use is reported before the app is imported": _promise(
        "by us", f"{_LAUNCH}a_port_in_use"
    ),
    "The app and its programs inherit no variable of ours": _promise(
        "by us",
        "serving/test_surroundings.py::test_a_program_that_the_app_starts_inherits_nothing_of_ours",
    ),
    "The site's packages come before those of the platform's agent": _promise(
        "by us", "serving/test_agents.py::test_fastapi_starts_below_the_agent"
    ),
    "Schedulers and data in memory are named, if several workers run": _promise(
        "by us | by us | by us | by us | by us | one process | by us | by us | by us",
        "serving/test_per_worker.py::test_servers_print_it_once",
    ),
    "A log line names the request and the client that it belongs to": _promise(
        "by us", "integration/test_log_context.py::test_each_line_has_its_request"
    ),
    "A stop ends within the container's 5 s, with a long drain and hanging requests": _promise(
        "by us", "serving/test_stop_time.py::test_a_long_drain_and_hanging_requests_end_in_time"
    ),
    "`SystemExit` and the like in the app cost one request": _promise(
        "by us", "integration/test_misbehaving_apps.py::test_misbehaving_apps"
    ),
    "Three hundred, which may also read nothing, do not stop others": _promise(
        "no | no | no | no | by us | by us | by us | yes | yes",
        "integration/test_stalled_clients.py::test_others_are_answered_beside_stalled_clients",
    ),
    "A client that moves at least 1 KB/s is never cut, and one that stalls is": _promise(
        "no | no | no | no | by us | by us | by us | by us | by us",
        "integration/test_stalled_clients.py::"
        "test_slow_clients_are_served_and_stalled_ones_are_cut",
    ),
    "It has no security hole known to us": _promise(
        "no | no | yes | yes | yes | yes | yes | yes | yes", f"{_HERE}the_table_knows_the_holes"
    ),
}


def render() -> str:
    """Return the table as docs/servers.md shows it."""
    rows = [["Promise", *COLUMNS], ["---"] * (len(COLUMNS) + 1)]
    rows += [[text, *promise.cells] for text, promise in PROMISES.items()]
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    lines[1] = "|" + "---|" * (len(COLUMNS) + 1)
    return "\n".join(lines)


def release(package: str) -> tuple[int, ...]:
    """Return the version of an installed package as numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", importlib.metadata.version(package))[:3])


def column(row: str, version: tuple[int, ...]) -> int:
    """Return the index of the column for a release of a row's server."""
    found = [n for n, one in enumerate(_COLUMNS) if one.row == row and one.since <= version]
    assert found, f"the table of promises has no column for {row} {version}"
    return found[-1]


def need(row: str, promise: str) -> None:
    """Skip the test if the table says "no" to a promise for the installed release.

    `row` is a key of ROWS, which for most rows is the server's name.
    """
    server = ROWS[row].server
    if PROMISES[promise].cells[column(row, release(server))] == NO:
        pytest.skip(f"docs/servers.md: this release of {server} does not promise it")
