"""The table of promises: it is whole, docs/servers.md shows it, and each cell has its test."""

from __future__ import annotations

import functools
import http.client
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from appsvc_runtime.serving import advisories
from appsvc_runtime.serving.servers import SERVERS
from tests.support import promises
from tests.support.promises import COLUMNS, NONE, PROMISES
from tests.support.serverapps import ASGI, ROWS, Row, rows
from tests.support.servers import ROOT, clean_environ, serving


def test_the_table_is_whole() -> None:
    """Every promise has a cell for every column, and every row has a column."""
    for text, promise in PROMISES.items():
        assert len(promise.cells) == len(COLUMNS), text
        words = {cell.rpartition(": ")[2] for cell in promise.cells}
        assert words <= set(promises.VALUES), text
    assert {name.split()[0] for name in COLUMNS} == set(SERVERS)
    for name, row in ROWS.items():
        assert promises.column(name, promises.release(row.server)) >= 0


def test_the_table_knows_the_holes() -> None:
    """Only columns whose first release has a known vulnerability have "no"."""
    cells = PROMISES["It has no security hole known to us"].cells
    for name, cell in zip(COLUMNS, cells, strict=True):
        server, first = name.replace(",", "").split()[:2]
        holes = [
            one for one in advisories.ADVISORIES
            if one.package == server and advisories.release(first) < advisories.release(one.fixed)
        ]  # fmt: skip
        assert (cell == "no") is bool(holes), name


def test_the_table_begins_with_the_lowest_release() -> None:
    """The lower bounds in setup.cfg and the first columns are the same."""
    text = (ROOT / "setup.cfg").read_text("utf-8")
    assert f"gunicorn>={COLUMNS[0].split()[1]};" in text
    assert "waitress>=3.0.1\n" in text
    assert "waitress 3.0.1" in COLUMNS


def test_the_documentation_shows_the_table() -> None:
    """Its text says what an empty cell means."""
    page = (ROOT / "docs" / "servers.md").read_text("utf-8")
    section = page.partition("## What each release promises")[2]
    assert promises.render() in section, f"the right table is:\n{promises.render()}"
    empty = any(NONE in promise.cells for promise in PROMISES.values())
    assert (f'"{NONE}"' in section) is empty


@functools.cache
def collected() -> dict[str, list[str]]:
    """Return the tests of the files in the table, by `file::function`: the ids of their cases."""
    files = sorted({promise.test.partition("::")[0] for promise in PROMISES.values()})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        node, bracket, case = line.partition("[")
        if "::" in node:
            found.setdefault(node, []).append(case.removesuffix("]") if bracket else "")
    assert found, done.stdout + done.stderr
    return found


def shows(row: str, cases: list[str]) -> bool:
    """Return whether one of a test's cases is that of a row; a test without cases has all rows."""
    longer = [name for name in ROWS if name.startswith(f"{row}-")]
    for case in cases:
        rest = case
        for name in longer:
            rest = rest.replace(name, "")
        if not case or f"-{row}-" in f"-{rest}-":
            return True
    return False


@pytest.mark.parametrize("text", PROMISES)
def test_each_cell_has_its_test(text: str) -> None:
    """The test exists, with a case for the row."""
    cases = collected().get(PROMISES[text].test)
    assert cases, f"there is no test {PROMISES[text].test}"
    missing = [row for row in PROMISES[text].rows() if not shows(row, cases)]
    assert not missing, f"{PROMISES[text].test} has no case for {missing}: {cases}"


@pytest.mark.parametrize(
    ("row", "cases", "shown"),
    [
        ("granian", ["granian"], True),
        ("granian", ["granian-asgi", "uvicorn"], False),
        ("granian-asgi", ["x-granian-asgi-y"], True),
        ("granian-asgi", ["granian"], False),
        ("granian", ["GET-granian-asgi", "GET-granian"], True),
        ("uvicorn", [""], True),
        ("uvicorn", ["my-uvicorns"], False),
    ],
)
def test_cases_of_a_row(row: str, cases: list[str], shown: bool) -> None:
    """Otherwise the test above could not fail."""
    assert shows(row, cases) is shown


WSGI_BODIES = """
def app(environ, start_response):
    start_response(environ["QUERY_STRING"] + " Status", [("Content-Type", "text/plain")])
    return [b"a ", b"body"]
"""
ASGI_BODIES = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    headers = [(b"content-type", b"text/plain")]
    status = int(scope["query_string"])
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"a ", "more_body": True})
    await send({"type": "http.response.body", "body": b"body"})
"""


@pytest.mark.integration
@rows()
def test_what_has_no_body(row: Row, tmp_path: Path) -> None:
    """Whatever the app sends, the connection then has the response to the next request, or ends."""
    (tmp_path / "app.py").write_text(ASGI_BODIES if row.source == ASGI else WSGI_BODIES)
    with serving(*row.serve, cwd=tmp_path) as server:
        for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404)):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            connection.request(method, f"/?{status}")
            response = connection.getresponse()
            assert (response.status, response.read()) == (status, b""), (method, status)
            with suppress(ConnectionError):  # uvicorn closes it after a body that is forbidden
                connection.request("GET", "/?200")
                response = connection.getresponse()
                assert (response.status, response.read()) == (200, b"a body"), (method, status)
            connection.close()
            assert server.request("/?200")[2] == b"a body"
