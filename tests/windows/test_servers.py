"""Every server that runs on Windows: its port, its responses, Ctrl-C, the end of its workers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ctrl_c
from tests.support.emulator import FASTCGI, web_config
from tests.support.serverapps import ROWS, Row
from tests.support.servers import free_port
from tests.windows.machine import WindowsPython
from tests.windows.process import Console, errors_in

NAMES = ["waitress", "granian", "granian-asgi", "uvicorn"]
# The app makes a file when a request has begun, so that Ctrl-C comes while it runs.
BEGUN = """
def report(path):
    if path == "/slow":
        open("begun", "w").close()
"""


def site(row: Row, folder: Path) -> None:
    """Write the app of the other tests of servers, which shows when a slow request has begun."""
    for line in (
        '    path = environ["PATH_INFO"]\n',
        '    path, came = scope["path"], scope["headers"]\n',
    ):
        source = row.source.replace(line, line + "    report(path)\n")
        if source != row.source:
            break
    (folder / "app.py").write_text(BEGUN + source)


class Served:
    """A server in a console, and requests to it."""

    def __init__(self, process: Console, port: int, folder: Path) -> None:
        self.process = process
        self.port = port
        self._begun = folder / "begun"

    def get(self, path: str = "/", body: bytes | None = None) -> tuple[int, bytes]:
        """Send a request on a new connection; return the status and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET" if body is None else "POST", path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def seen(self) -> dict[str, Any]:
        """Return what the app reports about a request."""
        status, body = self.get()
        assert status == 200, body
        found: dict[str, Any] = json.loads(body)
        return found

    def get_during(self, action: Callable[[], None]) -> tuple[int, bytes]:
        """Return the response to a request that the app handles while `action` is done."""
        got: list[tuple[int, bytes]] = []
        client = threading.Thread(target=lambda: got.append(self.get("/slow")))
        client.start()
        self.process.wait_until(self._begun.exists, "a request under way")
        action()
        client.join(60)
        assert got, f"no response:\n{self.process.text}"
        return got[0]


@contextmanager
def serving(
    windows: WindowsPython,
    folder: Path,
    *command: str,
    ready: str = "ready",
    **variables: str,
) -> Iterator[Served]:
    """Run a server in a console; `{port}` is a free port in its arguments and variables."""
    port = free_port()
    given = {name: value.replace("{port}", str(port)) for name, value in variables.items()}
    # Of several, one may still start when Ctrl-C is pressed, and end with KeyboardInterrupt.
    given["APPSVC_WORKERS"] = "1"
    words = [word.replace("{port}", str(port)) for word in command]
    with windows.console(windows.command(*words), cwd=folder, **given) as process:
        served = Served(process, port, folder)
        process.wait_for(ready)
        process.wait_until(lambda: is_open(port), "a listener")
        yield served


def is_open(port: int) -> bool:
    """Return whether a server accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


def runserver(row: Row) -> tuple[str, ...]:
    return ("-m", "appsvc_runtime.runserver", "app:app", "--server", row.server)


def serve(row: Row) -> tuple[str, ...]:
    return (
        "-m",
        "appsvc_runtime",
        "serve",
        "app:app",
        "--server",
        row.server,
        "--host",
        "127.0.0.1",
    )


# Every variable in which a host hands over the port, on every server.
STARTS = [
    ("waitress", runserver, {"HTTP_PLATFORM_PORT": "{port}", "SERVER_PORT": "9", "PORT": "9"}),
    ("granian", runserver, {"http_platform_port": "{port}"}),  # names have no case on Windows
    ("granian-asgi", runserver, {"SERVER_PORT": "{port}", "PORT": "9"}),
    ("uvicorn", serve, {"PORT": "{port}"}),
]


@pytest.mark.parametrize(("name", "command", "variables"), STARTS, ids=[one[0] for one in STARTS])
def test_serves_and_ends_with_ctrl_c(
    name: str, command: Any, variables: dict[str, str], windows: WindowsPython, folder: Path
) -> None:
    """A running request is answered, and the exit code is 0."""
    row = ROWS[name]
    site(row, folder)
    site_of_platform = {"WEBSITE_SITE_NAME": "shop", "WEBSITE_INSTANCE_ID": "0a1b2c3d4e"}
    with serving(windows, folder, *command(row), **variables, **site_of_platform) as served:
        assert served.seen()["client"] == "127.0.0.1"
        assert served.get("/length", b"x" * 1_000_000) == (200, b"1000000")
        for _ in range(5):  # longer than all buffers, so the server has to wait
            assert served.get("/stream") == (200, b"x" * 65536 * 160)
        status, body = served.get_during(served.process.press_ctrl_c)
        assert (status, b"pid" in body) == (200, True)
        assert served.process.wait() == 0, served.process.text
        assert errors_in(served.process.text) == [], served.process.text
    assert not is_open(served.port)


@pytest.mark.parametrize("name", NAMES)
def test_a_port_in_use_is_one_sentence(name: str, windows: WindowsPython, folder: Path) -> None:
    site(ROWS[name], folder)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = windows.run(*runserver(ROWS[name]), cwd=folder, HTTP_PLATFORM_PORT=port)
    shown = done.stderr.decode()
    assert done.returncode == 2, shown
    start = f"Error: Port {port} on 127.0.0.1 is already in use by another process. "
    assert [line.startswith(start) for line in shown.splitlines()] == [True], shown


@pytest.mark.parametrize("name", ["granian", "uvicorn"])
def test_a_worker_that_dies_is_replaced(name: str, windows: WindowsPython, folder: Path) -> None:
    """Workers end with the server, however that ends."""
    row = ROWS[name]
    site(row, folder)
    with serving(windows, folder, *runserver(row), HTTP_PLATFORM_PORT="{port}") as served:
        before = served.seen()["pid"]
        with pytest.raises((OSError, http.client.HTTPException)):
            served.get("/die")
        served.process.wait_until(
            lambda: served.process.text.count(" is ready") == 2, "another worker"
        )
        assert served.seen()["pid"] != before
        # The server alone is killed, as by the Task Manager: no handler of it runs.
        os.kill(served.process.process.pid, signal.SIGKILL)
        served.process.process.wait(20)
        wait_until_ended(served)


def wait_until_ended(served: Served) -> None:
    """Wait until no process of the server is left, with the server itself gone."""
    import time

    deadline = time.monotonic() + 60
    while served.process.tree():
        assert time.monotonic() < deadline, f"workers are left:\n{served.process.text}"
        time.sleep(0.05)


@pytest.mark.parametrize("name", NAMES)
def test_an_app_that_cannot_be_loaded(name: str, windows: WindowsPython, folder: Path) -> None:
    (folder / "app.py").write_text("import does_not_exist\n")
    done = windows.run(*runserver(ROWS[name]), cwd=folder, HTTP_PLATFORM_PORT=str(free_port()))
    shown = done.stderr.decode()
    assert done.returncode == ROWS[name].no_app, shown
    assert "does_not_exist" in shown
    assert shown.count("cannot be loaded") == 1, shown


def test_wfastcgi_under_the_emulator(windows: WindowsPython, folder: Path) -> None:
    """Python's own wfastcgi with its file watcher, over the pipes that IIS gives it."""
    site(ROWS["waitress"], folder)
    settings = (
        '<add key="WSGI_HANDLER" value="appsvc_runtime.wsgi.application"/>'
        '<add key="APPSVC_APP" value="app:app"/>'
    )
    (folder / "web.config").write_text(web_config(FASTCGI, settings))
    command = ("-m", "appsvc_runtime", "emulate", ".", "--port", "{port}")
    with serving(windows, folder, *command, ready="Ready http") as served:
        assert served.seen()["client"] == "127.0.0.1"
        assert served.get("/length", b"x" * 1_000_000) == (200, b"1000000")
        status, _ = served.get_during(served.process.press_ctrl_c)
        assert status == 200, served.process.text
        assert served.process.wait() == 0, served.process.text


@pytest.mark.parametrize("version", ["3.10", "3.13"])
@pytest.mark.parametrize("name", ["waitress", "granian", "uvicorn"])
def test_other_pythons(
    name: str, version: str, windows_version: Callable[[str], WindowsPython], folder: Path
) -> None:
    row = ROWS[name]
    site(row, folder)
    python = windows_version(version)
    with serving(python, folder, *runserver(row), HTTP_PLATFORM_PORT="{port}") as served:
        assert served.seen()["client"] == "127.0.0.1"
        status, _ = served.get_during(served.process.press_ctrl_c)
        assert status == 200, served.process.text
        assert served.process.wait() == 0, served.process.text


@pytest.mark.parametrize("name", ctrl_c.SERVERS)
def test_ctrl_c_under_load(name: str, windows: WindowsPython) -> None:
    """Every request that the app has begun is answered: a short form of benchmarks/ctrl_c.py."""
    stopped = ctrl_c.stop(windows, name)
    assert stopped.lost == set(), stopped.printed
    assert stopped.is_clean, (stopped.code, stopped.printed)
