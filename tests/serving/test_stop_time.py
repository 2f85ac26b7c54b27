"""The time that a stop may take: its parts fit into the platform's limit, on every server."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
from pathlib import Path

import pytest

from appsvc_runtime.azure import names
from appsvc_runtime.serving import numbers, servers
from appsvc_runtime.settings import options
from tests.support.serverapps import PLATFORM, Row, rows
from tests.support.servers import serving

HEALTH = {
    "wsgi": """
from appsvc_runtime import AppServiceMiddleware, Health
app = AppServiceMiddleware(app, health=Health("/health", drain_seconds=60))
""",
    "asgi": """
from appsvc_runtime import AppServiceASGIMiddleware, Health
app = AppServiceASGIMiddleware(app, health=Health("/health", drain_seconds=60))
""",
}


@pytest.mark.parametrize("limit", [None, 2, 5, 30, 120, 1000])
def test_the_parts_fit_into_the_platforms_limit(limit: int | None) -> None:
    """There is a margin; draining leaves time for requests."""
    environ = {} if limit is None else {names.STOP_TIME_LIMIT: str(limit)}
    values = {name: row.resolve(None, {}) for name, row in options.OPTIONS.items()}
    row = servers.SERVERS["waitress"]
    graceful = numbers.choose(row, values, environ, container=True).graceful_seconds
    most = min(limit or names.DEFAULT_STOP_SECONDS, names.MAX_STOP_SECONDS)
    for cuts in (True, False):
        forced, last = numbers.forced_end(graceful, cuts=cuts)
        assert graceful <= forced
        assert forced + last < numbers.kill_after(graceful) < most - 0.2
    assert 0 < numbers.most_drain(graceful) < graceful


@pytest.mark.integration
@rows()
def test_a_long_drain_and_hanging_requests_end_in_time(row: Row, tmp_path: Path) -> None:
    """A drain that is longer than the limit is shortened, and a request that hangs is cut."""
    kind = "asgi" if "scope" in row.source else "wsgi"
    (tmp_path / "app.py").write_text(row.source + HEALTH[kind])
    variables = {**PLATFORM, "APPSVC_WORKERS": "1", names.STOP_TIME_LIMIT: "5"}
    with (
        serving(*row.serve, cwd=tmp_path, **variables) as server,
        contextlib.closing(socket.create_connection(("127.0.0.1", server.port), 20)) as stuck,
    ):
        assert server.request("/health")[0] == 200
        stuck.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_until_taken()
        server.process.send_signal(signal.SIGTERM)
        seen = 0
        with contextlib.suppress(OSError, http.client.HTTPException):
            while seen != 503:
                seen = server.request("/health")[0]
        assert seen == 503, server.log()
        # Without the limits, the drain alone takes a minute.
        assert server.process.wait(20) == 0, server.log()


HANDLER = """
import signal, threading
before = signal.getsignal(signal.SIGTERM)

def handler(number, frame):
    print("the app's handler of", signal.Signals(number).name, flush=True)
    if callable(before):
        before(number, frame)
    raise SystemExit(7)

signal.signal(signal.SIGTERM, handler)
"""


@pytest.mark.integration
@pytest.mark.parametrize("health", [False, True], ids=["no-health", "drain_on_sigterm"])
@rows("waitress", "granian", "granian-asgi", "uvicorn")
def test_the_apps_own_handler_is_called(row: Row, health: bool, tmp_path: Path) -> None:
    """It is called once, running requests finish all the same, and the exit code is 0.

    The handler calls the one that it has replaced, as handlers should, and exits.
    """
    source = HANDLER + row.source
    if health:
        source += "from appsvc_runtime import Health\n"
        source += 'Health("/health", drain_seconds=0.2).drain_on_sigterm()\n'
    (tmp_path / "app.py").write_text(source)
    with serving(*row.serve, cwd=tmp_path, APPSVC_WORKERS="1") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", "/slow")
        server.wait_until_taken()
        server.process.send_signal(signal.SIGTERM)
        response = connection.getresponse()
        assert (response.status, b"pid" in response.read()) == (200, True)
        assert server.process.wait(20) == 0, server.log()
        connection.close()
        assert server.log().count("the app's handler of SIGTERM") == 1, server.log()
        assert "Traceback" not in server.log()
