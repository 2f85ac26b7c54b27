"""The end of every server: running requests finish, or are cut at the time limit."""

from __future__ import annotations

import http.client
import signal
import socket
import time
from pathlib import Path

import pytest

from appsvc_runtime.serving.servers import SERVERS
from tests.support import promises
from tests.support.load import Load
from tests.support.serverapps import ROWS, Row, asked, rows
from tests.support.servers import Server, run, serving

pytestmark = pytest.mark.integration

ANSWERED = "Requests sent before a stop are all answered, also on connections that wait"
STOPS = [
    pytest.param(row, getattr(signal, name), id=f"{id_}-{name}")
    for id_, row in ROWS.items()
    for name in SERVERS[row.server].stop_signals
]


def wait_for_processes(server: Server, count: int) -> None:
    """Wait until so many processes respond: one that still starts would not test the stop."""
    deadline = time.monotonic() + 20
    seen: set[int] = set()
    while len(seen) < count:
        assert time.monotonic() < deadline, server.log()
        seen.add(asked(server)["pid"])


@rows()
def test_stops_under_load_without_a_broken_answer(row: Row, tmp_path: Path) -> None:
    """SIGTERM to the server's process id: running requests finish, and the exit code is 0."""
    promises.need(row.server, ANSWERED)
    with serving(*row.serve, cwd=row.site(tmp_path), APPSVC_WORKERS="2") as server:
        wait_for_processes(server, row.processes)
        with Load(server.port, "/page", clients=8) as load:
            load.wait_for(100)
            load.stopping()
            assert server.stop() == 0
        assert load.broken == [], server.log()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), 5)


@pytest.mark.parametrize(("row", "number"), STOPS)
def test_a_running_request_finishes(row: Row, number: signal.Signals, tmp_path: Path) -> None:
    """The server had accepted it before the stop, so it gets a response."""
    with serving(*row.serve, cwd=row.site(tmp_path), APPSVC_WORKERS="1") as server:
        asked(server)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", "/slow")
        server.wait_until_taken()
        server.process.send_signal(number)
        answer = connection.getresponse()
        assert (answer.status, b"pid" in answer.read()) == (200, True)
        assert server.process.wait(20) == 0, server.log()
        connection.close()


@rows()
def test_connections_that_wait_to_be_accepted_are_answered(row: Row, tmp_path: Path) -> None:
    """One request on each connection, and more connections than the server handles at a time."""
    promises.need(row.server, ANSWERED)
    variables = {"APPSVC_THREADS": "2", "APPSVC_WORKERS": "1"}
    with (
        serving(*row.serve, cwd=row.site(tmp_path), **variables) as server,
        Load(server.port, "/short", clients=12, keep_alive=False) as load,
    ):
        load.wait_for(50)
        load.stopping()
        assert server.stop() == 0
    assert load.broken == []


@rows()
def test_what_does_not_finish_is_cut(row: Row, tmp_path: Path) -> None:
    """It is cut after --graceful-timeout; the exit code is 0 all the same."""
    command = (*row.serve, "--graceful-timeout", "1")
    with serving(*command, cwd=row.site(tmp_path), APPSVC_WORKERS="1") as server:
        asked(server)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", "/stuck")
        server.wait_until_taken()
        begun = time.monotonic()
        assert server.stop() == 0, server.log()
        assert 0.9 < time.monotonic() - begun < 10
        connection.close()


@rows()
def test_an_idle_connection_does_not_hold_a_stop_up(row: Row, tmp_path: Path) -> None:
    """It is closed well before the time limit for running requests."""
    command = (*row.serve, "--graceful-timeout", "60")
    with serving(*command, cwd=row.site(tmp_path)) as server:
        wait_for_processes(server, row.processes)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", "/")
        connection.getresponse().read()
        assert server.stop(timeout=45) == 0
        connection.close()


@rows("waitress", "granian", "granian-asgi", "uvicorn")
def test_a_stop_while_the_app_is_imported(row: Row, tmp_path: Path) -> None:
    """There are no requests to wait for."""
    code = "import os, signal\nos.kill(PID, signal.SIGTERM)\nimport time\ntime.sleep(20)\n"
    pid = "os.getpid()" if row.processes == 1 else "os.getppid()"
    (tmp_path / "app.py").write_text(code.replace("PID", pid) + row.source)
    words = [word.replace("{port}", "0") for word in row.serve]
    begun = time.monotonic()
    result = run(*words, cwd=tmp_path, APPSVC_WORKERS="1")
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert time.monotonic() - begun < 15
