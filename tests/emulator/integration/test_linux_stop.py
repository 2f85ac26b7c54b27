"""The end of `appsvc emulate --as linux` while a client waits for its response."""

from __future__ import annotations

import http.client
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from tests.support.emulator import emulating, make_site
from tests.support.pythons import only_on

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
# Longer than the front end alone waits for running requests, and within the container's limit.
APP = """
    import time

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            print("it has begun", flush=True)
            time.sleep(2.8)
        headers = [("Content-Type", "text/plain")]
        if environ["PATH_INFO"] == "/parts":
            start_response("200 OK", headers)
            def parts():
                for _ in range(28):
                    print("it has begun", flush=True)
                    time.sleep(0.1)
                    yield b"part "
            return parts()
        start_response("200 OK", [*headers, ("Content-Length", "4")])
        return [b"done"]
"""
GUNICORN = "gunicorn --bind 0.0.0.0:$PORT app:app"


@only_on(12)
@pytest.mark.parametrize("path", ["/slow", "/parts"])
@pytest.mark.parametrize(
    ("command", "said"),
    [
        pytest.param(f"exec {GUNICORN}", "(Stopped: SIGTERM ended it after", id="exec"),
        pytest.param(GUNICORN, "(Stopped: SIGTERM reached its shell", id="startup-command"),
        pytest.param("", "(Stopped: SIGTERM reached its shell", id="detected"),
    ],
)
def test_a_response_under_way_reaches_its_client(
    command: str, said: str, path: str, tmp_path: Path, cache: Path
) -> None:
    """The container finishes it in the time that the platform gives, and the emulator passes it on.

    No new connection is accepted meanwhile.
    """
    site = make_site(tmp_path / "site", {"app.py": APP})
    options = ("--startup-command", command) if command else ()
    with emulating(
        site, "--as", "linux", "--no-build", *options, XDG_CACHE_HOME=str(cache)
    ) as server:
        found: list[tuple[int, bytes]] = []

        def ask() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            connection.request("GET", path)
            response = connection.getresponse()
            found.append((response.status, response.read()))
            connection.close()

        client = threading.Thread(target=ask)
        client.start()
        server.wait_for_log("it has begun")
        server.process.send_signal(signal.SIGINT)
        client.join(20)
        assert found == [(200, b"done" if path == "/slow" else b"part " * 28)], server.log()
        assert server.process.wait(20) == 0
        assert said in server.log()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", server.port), 5)
