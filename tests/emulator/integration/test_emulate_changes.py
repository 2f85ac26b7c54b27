"""Changes of a site while it is emulated, and the emulator's end while requests are running."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.emulator import (
    FASTCGI,
    HTTPPLATFORM,
    READY,
    alive_with,
    emulating,
    make_site,
    web_config,
)
from tests.support.servers import Server, clean_environ, serving

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
# Responds with the text of a file; some paths stream until the file `go` exists, or never respond.
APP = """
    import os, threading, time

    if os.path.exists("hang.txt"):
        print("the app hangs", flush=True)
        threading.Event().wait()

    def application(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/hang":
            threading.Event().wait()
        if path == "/spawn":
            import subprocess, sys
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                             start_new_session=True)
        start_response("200 OK", [("X-Pid", str(os.getpid()))])
        if path == "/stream":
            return stream()
        return [os.environ.get("WHICH", "none").encode()]

    def stream():
        yield b"first "
        yield b"x" * (5 << 20)  # more than IIS holds back
        until = time.monotonic() + 30
        while not os.path.exists("go.txt") and time.monotonic() < until:
            time.sleep(0.01)
        yield b"last"
"""
RUNSERVER = """
    import os
    from waitress import serve
    from app import application
    serve(application, host="127.0.0.1", port=int(os.environ["HTTP_PLATFORM_PORT"]), threads=4)
"""


def config(kind: str, which: str = "one", more: str = "") -> str:
    """Return a web.config of a kind whose app responds with `which`."""
    if kind == "fastcgi":
        settings = '<add key="WSGI_HANDLER" value="app.application"/>'
        return web_config(FASTCGI + more, f'{settings}<add key="WHICH" value="{which}"/>')
    return web_config(
        HTTPPLATFORM
        + more
        + r'<httpPlatform processPath="D:\home\Python\python.exe" startupTimeLimit="60" '
        + r'arguments="D:\home\site\wwwroot\runserver.py"><environmentVariables>'
        + f'<environmentVariable name="WHICH" value="{which}"/>'
        + "</environmentVariables></httpPlatform>"
    )


def site(folder: Path, kind: str) -> Path:
    """Make a site of a kind."""
    files = {"web.config": config(kind), "app.py": APP, "runserver.py": RUNSERVER}
    return make_site(folder / "changing" / "wwwroot", dict(files))


def which(server: Server, path: str = "/") -> str:
    """Request the app's text."""
    status, _, body = server.request(path)
    return body.decode() if status == 200 else f"{status}"


def wait_for(true: Callable[[], bool], server: Server, seconds: float = 20) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["httpplatform", "fastcgi"])
def test_an_answer_in_hand_is_finished(tmp_path: Path, kind: str) -> None:
    """A started stream continues to its end, while new requests see the new web.config."""
    folder = site(tmp_path, kind)
    with emulating(folder) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/stream")
        response = connection.getresponse()
        assert response.read(6) == b"first "
        (folder / "web.config").write_text(config(kind, "two"), "utf-8")
        wait_for(lambda: which(server) == "two", server)
        (folder / "go.txt").touch()
        assert response.read().endswith(b"last")
        connection.close()


def test_a_file_of_recycle_on_file_change(tmp_path: Path) -> None:
    """A change of it restarts the site, whose processes watch no files themselves."""
    folder = site(tmp_path, "httpplatform")
    text = config("httpplatform").replace(
        "</httpPlatform>",
        '<recycleOnFileChange><file path=".\\Restart.txt"/></recycleOnFileChange></httpPlatform>',
    )
    (folder / "web.config").write_text(text, "utf-8")
    with emulating(folder) as server:

        def pid() -> str:
            return server.request("/")[1]["x-pid"]

        first = pid()
        (folder / "other.txt").write_text("x")

        def changed() -> bool:
            (folder / "restart.txt").write_text("x")  # again, in case nothing is watched yet
            return pid() != first

        wait_for(changed, server)
        log = server.log()
    assert "Restarting: restart.txt has changed (recycleOnFileChange)." in log
    assert "other.txt has changed" not in log


def test_from_one_kind_to_the_other(tmp_path: Path) -> None:
    """A web.config may change to the other kind, and back."""
    folder = site(tmp_path, "httpplatform")
    with emulating(folder) as server:
        assert which(server) == "one"
        (folder / "web.config").write_text(config("fastcgi", "two"), "utf-8")
        wait_for(lambda: which(server) == "two", server)
        (folder / "web.config").write_text(config("httpplatform", "three"), "utf-8")
        wait_for(lambda: which(server) == "three", server)


def test_a_start_that_hangs_is_mended_by_editing(tmp_path: Path) -> None:
    """A process that is still starting is ended; waiting requests get the next one's response."""
    folder = site(tmp_path, "httpplatform")
    (folder / "hang.txt").touch()
    command = ("-m", "appsvc_runtime", "emulate", str(folder), "--port", "{port}")
    with serving(*command, cwd=folder.parent) as server:
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(which(server)))
        asking.start()
        server.wait_for_log("the app hangs")
        (folder / "hang.txt").unlink()
        (folder / "web.config").write_text(config("httpplatform", "two"), "utf-8")
        asking.join(20)
        assert answers == ["two"], server.log()
        server.wait_for_match(READY)


def test_a_nested_file_counts(tmp_path: Path) -> None:
    """A new, changed or moved nested file counts, also if its folder is moved."""
    folder = site(tmp_path, "httpplatform")
    (folder / "static").mkdir()
    (folder / "static" / "a.txt").write_text("a file", "utf-8")
    removed = web_config('<handlers><remove name="PythonHandler"/></handlers>')
    with emulating(folder) as server:
        assert which(server, "/static/a.txt") == "one"
        (folder / "static" / "web.config").write_text(removed, "utf-8")
        wait_for(lambda: which(server, "/static/a.txt") == "a file", server)
        (folder / "static").rename(folder / "moved")
        wait_for(lambda: which(server, "/moved/a.txt") == "a file", server)
        (folder / "moved" / "web.config").unlink()
        wait_for(lambda: which(server, "/moved/a.txt") == "one", server)


def test_a_file_elsewhere_is_watched(tmp_path: Path) -> None:
    """The file of `--config` is watched too."""
    folder = site(tmp_path, "httpplatform")
    other = tmp_path / "elsewhere" / "my.config"
    other.parent.mkdir()
    other.write_text(config("httpplatform", "two"), "utf-8")
    with emulating(folder, "--config", str(other)) as server:
        assert which(server) == "two"
        other.write_text(config("httpplatform", "three"), "utf-8")
        wait_for(lambda: which(server) == "three", server)


@linux_only
def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    """A file that cannot be reported is logged once; other changes are still seen."""
    folder = site(tmp_path, "httpplatform")
    with emulating(folder) as server:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.txt")).touch()
        wait_for(lambda: "are not seen" in server.log(), server)

        def edited() -> bool:
            (folder / "web.config").write_text(config("httpplatform", "two"), "utf-8")
            return which(server) == "two"

        wait_for(edited, server)
        assert server.stop(signal.SIGINT) == 0
    assert alive_with(str(folder.parent)) == []


@linux_only
@pytest.mark.parametrize("kind", ["httpplatform", "fastcgi"])
def test_a_second_signal_ends_at_once(tmp_path: Path, kind: str) -> None:
    """Running requests and processes started by the app end too; nothing is left, no traceback."""
    folder = site(tmp_path, kind)
    with emulating(folder) as server:
        assert which(server, "/spawn") == "one"
        with socket.create_connection(("127.0.0.1", server.port), 20) as waiting:
            waiting.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
            assert which(server) == "one"  # in another thread or process
            server.process.send_signal(signal.SIGINT)
            server.process.send_signal(signal.SIGINT)
            began = time.monotonic()
            wait_for(lambda: server.process.poll() is not None, server)
            assert time.monotonic() - began < 8
        assert "Traceback" not in server.log()
        assert "Unclosed" not in server.log()
        wait_for(lambda: alive_with(str(folder.parent)) == [], server, 5)


@linux_only
@pytest.mark.parametrize("signals", [1, 2])
@pytest.mark.parametrize("kind", ["httpplatform", "fastcgi"])
def test_what_was_replaced_ends_as_well(tmp_path: Path, kind: str, signals: int) -> None:
    """Processes that a change replaced, and that still have a running request, end too."""
    folder = site(tmp_path, kind)
    with emulating(folder) as server:
        assert which(server, "/spawn") == "one"
        with socket.create_connection(("127.0.0.1", server.port), 20) as waiting:
            waiting.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
            assert which(server) == "one"
            (folder / "web.config").write_text(config(kind, "two"), "utf-8")
            wait_for(lambda: which(server) == "two", server)
            for _ in range(signals):
                server.process.send_signal(signal.SIGINT)
            wait_for(lambda: server.process.poll() is not None, server)
        assert server.process.returncode == 0
        assert "Traceback" not in server.log()
        wait_for(lambda: alive_with(str(folder.parent)) == [], server, 5)


def test_a_check_that_is_interrupted(tmp_path: Path) -> None:
    """It is not a success: a pipeline must stop."""
    folder = site(tmp_path, "fastcgi")
    command = ("-m", "appsvc_runtime", "emulate", str(folder), "--check", "/hang")
    with serving(*command, "--port", "{port}", cwd=folder.parent) as server:
        server.wait_for_log("Ready ")
        assert server.stop(signal.SIGTERM) == 1
        assert "GET /hang was interrupted" in server.log()


@linux_only
def test_a_reader_that_has_gone(tmp_path: Path) -> None:
    """`appsvc emulate | head -1` ends the reader, not the site."""
    import subprocess

    folder = site(tmp_path, "httpplatform")
    process = subprocess.Popen(
        [sys.executable, "-m", "appsvc_runtime", "emulate", str(folder), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environ(),
        text=True,
    )
    try:
        assert process.stdout is not None
        line = ""
        while not (found := READY.match(line)):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
        process.stdout.close()
        for _ in range(2):
            connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=20)
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"one"
            connection.close()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        errors = process.stderr.read()
        process.stderr.close()
        process.wait(20)
    assert "Traceback" not in errors
