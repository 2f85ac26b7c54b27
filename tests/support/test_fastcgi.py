"""The FastCGI harness against the real wfastcgi; the other FastCGI tests rely on it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.fastcgi import FastCgiError, FastCgiProcess, FastCgiResponse
from tests.support.processes import exists

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        sys.platform == "win32", reason="a socket cannot be a child's standard input on Windows"
    ),
]

APP = """
import json, os, threading

calls = 0

def application(environ, start_response):
    global calls
    calls += 1
    path = environ["PATH_INFO"]
    if path == "/boom":
        start_response("200 OK", [("X-Lost", "1")])
        raise RuntimeError("the app broke")
    if path == "/exit":
        os.write(2, b"last words")
        os._exit(7)
    if path == "/hang":
        wait_for_nothing()
    if path == "/flood":
        start_response("200 OK", [])
        return iter(lambda: b"x" * 1000, None)
    if path == "/malformed":
        start_response("200 OK", [("X", "a\\r\\nb")])
        return []
    if path == "/body":
        size = int(environ["CONTENT_LENGTH"])
        headers = [("Content-Type", environ["CONTENT_TYPE"]), ("X-A", "1"), ("X-A", "2: 3")]
        start_response("201 Just Made", headers)
        return [environ["wsgi.input"].read(70_000), b"", environ["wsgi.input"].read()]
    shown = {key: value for key, value in environ.items() if isinstance(value, str)}
    env = dict(os.environ)
    shown["test"] = {"calls": calls, "pid": os.getpid(), "cwd": os.getcwd(), "env": env}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(shown).encode()]

def wait_for_nothing():
    threading.Event().wait()
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return the folder of a site with the app above."""
    folder = tmp_path / "wwwroot"
    folder.mkdir()
    (folder / "someapp.py").write_text(APP, "utf-8")
    return folder


@pytest.fixture
def server(site: Path) -> Iterator[FastCgiProcess]:
    """Run wfastcgi on the site."""
    with FastCgiProcess(site, env={"WSGI_HANDLER": "someapp.application"}) as server:
        yield server


def shown(response: FastCgiResponse) -> dict[str, Any]:
    assert (response.status, response.stderr) == (200, b"")
    environ = json.loads(response.body)
    assert isinstance(environ, dict)
    return environ


def test_get_reaches_the_app_with_what_iis_sends(server: FastCgiProcess, site: Path) -> None:
    """The path is decoded as IIS decodes it, and headers come under their CGI names."""
    response = server.request(
        "GET",
        "/caf%C3%A9/x",
        query="a=%20b",
        headers=[("X-One", "1"), ("Cookie", "a=b"), ("X-One", "2"), ("cookie", "c=d")],
        extra_params={"SERVER_SOFTWARE": None, "AUTH_TYPE": "Negotiate"},
    )
    environ = shown(response)
    assert response.reason == "OK"
    assert response.headers == [("Content-Type", "application/json")]
    assert response.protocol_status == 0
    expected = {
        "APPL_PHYSICAL_PATH": f"{site}{os.sep}",
        "AUTH_TYPE": "Negotiate",
        "CONTENT_LENGTH": "0",
        "CONTENT_TYPE": "",
        "HTTPS": "off",
        "HTTP_COOKIE": "a=b; c=d",
        "HTTP_HOST": "example.azurewebsites.net",
        "HTTP_X_ONE": "1, 2",
        "PATH_INFO": "/caf\xc3\xa9/x",
        "QUERY_STRING": "a=%20b",
        "REMOTE_ADDR": "198.51.100.7",
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/caf%C3%A9/x?a=%20b",
        "SCRIPT_NAME": "",  # wfastcgi empties it: PATH_INFO holds the whole path
        "SERVER_NAME": "example.azurewebsites.net",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
    }
    assert {key: environ.get(key) for key in expected} == expected
    assert "SERVER_SOFTWARE" not in environ
    assert "HTTP_CONTENT_LENGTH" not in environ


def test_post_body_of_many_records_comes_back_whole(server: FastCgiProcess) -> None:
    """Records of at most 65,535 bytes change no body, in either direction."""
    body = bytes(range(256)) * 800
    response = server.request("POST", "/body", body=body, headers={"Content-Type": "a/b"})
    assert (response.status, response.reason) == (201, "Just Made")
    assert response.headers == [("Content-Type", "a/b"), ("X-A", "1"), ("X-A", "2: 3")]
    assert response.body == body


@pytest.mark.parametrize("size", [127, 128, 30_000, 65_000])
def test_long_parameters_arrive_whole(server: FastCgiProcess, size: int) -> None:
    """Lengths take one byte or four, and parameters that overfill a record continue in the next."""
    headers = {f"X-{i}-{'n' * size}": str(i) * size for i in range(3)} if size < 200 else {}
    headers |= {f"X-{i}": str(i) * size for i in range(5)}
    environ = shown(server.request(headers=headers))
    for name, value in headers.items():
        assert environ["HTTP_" + name.upper().replace("-", "_")] == value


def test_https_flag_gives_the_scheme(server: FastCgiProcess) -> None:
    """IIS sets the HTTPS variable, the only one that wfastcgi reads for the scheme."""
    environ = shown(server.request(https=True, server_port="443"))
    assert (environ["wsgi.url_scheme"], environ["HTTPS"]) == ("https", "on")


def test_two_requests_reach_one_process_that_ends_by_itself(
    server: FastCgiProcess, site: Path
) -> None:
    """The app is loaded once, in the site's folder; closing the connection ends the process."""
    first, second = (shown(server.request())["test"] for _ in range(2))
    assert (first["calls"], second["calls"]) == (1, 2)
    assert first["pid"] == second["pid"] == server.process.pid
    assert first["cwd"] == str(site)
    assert server.close() == 0
    assert server.close() == 0
    assert not exists(server.process.pid)


def test_the_developers_variables_stay_outside(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child inherits only what a program needs to run: no result depends on a shell."""
    monkeypatch.setenv("WEBSITE_SITE_NAME", "mine")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    env: Mapping[str, str] = {"WSGI_HANDLER": "someapp.application", "SET_HERE": "1"}
    with FastCgiProcess(site, env=env) as server:
        seen = shown(server.request())["test"]["env"]
    assert seen["SET_HERE"] == "1"
    assert not {"WEBSITE_SITE_NAME", "PYTHONPATH"} & seen.keys()


@pytest.mark.skipif(sys.platform != "linux", reason="threads are looked up in /proc")
def test_watcher_thread_is_parked(server: FastCgiProcess) -> None:
    """The stand-in for ReadDirectoryChangesW blocks: it does not wake up during requests."""
    shown(server.request())  # this request starts the watcher
    main_thread = str(server.process.pid)
    tasks = [t for t in Path(f"/proc/{main_thread}/task").iterdir() if t.name != main_thread]
    assert len(tasks) == 1

    def switches() -> list[str]:
        lines = (tasks[0] / "status").read_text().splitlines()
        return [line for line in lines if "ctxt_switches" in line]

    deadline = time.monotonic() + 20
    while True:  # the thread may still be on its way to the blocking call
        before = switches()
        for _ in range(50):
            server.request()
        if switches() == before:
            break
        assert time.monotonic() < deadline, "the watcher thread keeps running"


def test_app_that_raises_is_a_500_with_its_traceback(server: FastCgiProcess) -> None:
    """The traceback arrives on FCGI_STDERR, and the process continues to serve."""
    response = server.request(path="/boom")
    assert (response.status, response.reason) == (500, "Internal Server Error")
    assert (response.headers, response.body) == ([], b"")
    assert b"Traceback" in response.stderr
    assert b"RuntimeError: the app broke" in response.stderr
    assert shown(server.request())["test"]["calls"] == 2


def test_handler_that_cannot_be_imported_ends_the_process(site: Path) -> None:
    """The response has the error. The exit code is 0 all the same, and the next request fails."""
    with FastCgiProcess(site, env={"WSGI_HANDLER": "nosuchapp.application"}) as server:
        response = server.request()
        assert response.status == 500
        assert b'"nosuchapp.application" could not be imported' in response.stderr
        assert b"No module named 'nosuchapp'" in response.stderr
        assert server.process.wait(timeout=20) == 0
        with pytest.raises(FastCgiError, match="exit code 0"):
            server.request()


def test_start_up_failure_shows_the_exit_code_and_the_output(site: Path) -> None:
    """If WSGI_LOG cannot be written, wfastcgi ends before it reads a request."""
    env = {"WSGI_HANDLER": "someapp.application", "WSGI_LOG": str(site / "no" / "such.log")}
    with FastCgiProcess(site, env=env) as server, pytest.raises(FastCgiError) as failure:
        server.request(path="/a")
    assert "GET /a: " in str(failure.value)
    assert "exit code 1, output:\n" in str(failure.value)
    assert "FileNotFoundError" in str(failure.value)


def test_death_during_a_request_shows_the_last_words(server: FastCgiProcess) -> None:
    """The error contains what the app writes to file descriptor 2, as a crash does."""
    with pytest.raises(FastCgiError, match=r"exit code 7, output:\nlast words$"):
        server.request(path="/exit")


@pytest.mark.parametrize(("path", "where"), [("/hang", "someapp.py"), ("/flood", "wfastcgi.py")])
def test_deadline_ends_the_process(server: FastCgiProcess, path: str, where: str) -> None:
    """The deadline is for the whole response, however fast its parts arrive.

    The error contains the stacks.
    """
    shown(server.request())  # so that the time to load the app does not count
    with pytest.raises(FastCgiError, match=r"timed out.*timeout=0\.5") as failure:
        server.request(path=path, timeout=0.5)
    assert server.process.returncode == -signal.SIGUSR1
    assert f'{where}", line' in str(failure.value)


def test_malformed_answer_is_an_error(server: FastCgiProcess) -> None:
    """A line without a colon in the header block is an error."""
    with pytest.raises(FastCgiError, match="header block"):
        server.request(path="/malformed")
    assert server.process.returncode == 0


def test_close_kills_what_does_not_end_by_itself(site: Path) -> None:
    """A thread of the app keeps Python from ending; the deadline of `close` applies anyway."""
    (site / "stuck.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait).start()\n" + APP, "utf-8"
    )
    with FastCgiProcess(site, env={"WSGI_HANDLER": "stuck.application"}) as server:
        shown(server.request())
        assert server.close(timeout=0.2) == -signal.SIGKILL
    assert not exists(server.process.pid)


def test_query_in_the_path_is_refused(server: FastCgiProcess) -> None:
    """It would reach wfastcgi in a form that IIS never sends."""
    with pytest.raises(ValueError, match="query"):
        server.request(path="/?a=b")
