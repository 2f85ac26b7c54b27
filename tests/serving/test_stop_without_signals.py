"""The stop of servers whose workers get no signal, as on Windows: here too, by the stop pipe."""

from __future__ import annotations

import http.client
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.launching import is_alive, wait_until
from tests.support.serverapps import Row, asked, rows
from tests.support.servers import serving

pytestmark = pytest.mark.integration

# What differs on Windows: children are always new processes, and are stopped by the pipe.
AS_ON_WINDOWS = """
import multiprocessing, sys
from appsvc_runtime.system import stop_pipe

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    stop_pipe.make = stop_pipe.StopPipe
    from appsvc_runtime.cli.entry import entry_point
    sys.exit(entry_point())
"""


def command(row: Row, folder: Path) -> tuple[str, ...]:
    """Write the app and the script into a folder, and return the command."""
    row.site(folder)
    (folder / "as_on_windows.py").write_text(AS_ON_WINDOWS)
    return ("as_on_windows.py", *row.serve[2:])


@rows("granian", "granian-asgi", "uvicorn")
def test_a_running_request_finishes(row: Row, tmp_path: Path) -> None:
    """The parent alone gets the signal, and its workers end by the pipe."""
    with serving(*command(row, tmp_path), cwd=tmp_path, APPSVC_WORKERS="2") as server:
        asked(server)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/slow")
        server.wait_until_taken()
        server.process.send_signal(signal.SIGINT)
        response = connection.getresponse()
        assert (response.status, b"pid" in response.read()) == (200, True)
        connection.close()
        assert server.process.wait(60) == 0, server.log()
        assert "Traceback" not in server.log()
        assert "Unexpected" not in server.log()


@rows("granian", "uvicorn")
def test_ctrl_c_reaches_all_processes(row: Row, tmp_path: Path) -> None:
    """Each handles it, and the parent's stop comes on top of it."""
    with serving(*command(row, tmp_path), cwd=tmp_path, APPSVC_WORKERS="1") as server:
        asked(server)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/slow")
        server.wait_until_taken()
        os.killpg(server.process.pid, signal.SIGINT)
        response = connection.getresponse()
        assert (response.status, b"pid" in response.read()) == (200, True)
        connection.close()
        assert server.process.wait(60) == 0, server.log()
        assert "Unexpected" not in server.log()


@pytest.mark.parametrize("windows", [True, False], ids=["as-on-windows", "here"])
@rows("granian", "uvicorn")
def test_workers_end_with_a_server_that_is_killed(row: Row, windows: bool, tmp_path: Path) -> None:
    """Nothing of the server runs then, and nobody else would end them."""
    if not windows and sys.platform != "linux":
        pytest.skip("no other system signals the end of a parent")
    as_on_windows = command(row, tmp_path)
    words = as_on_windows if windows else row.serve
    with serving(*words, cwd=tmp_path, APPSVC_WORKERS="1") as server:
        worker = asked(server)["pid"]
        os.kill(server.process.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(worker), "the end of the worker", 60)
