"""The same promises of every real server: addresses, headers, bodies, errors, logs."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.child import Child
from tests.support.promises import release
from tests.support.serverapps import PLATFORM, ROWS, Row, asked, rows
from tests.support.servers import clean_environ, free_port, run, serving

pytestmark = pytest.mark.integration

FRONT = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7:51234"}
READY = re.compile(r"ready after \d+\.\d\d s")


@rows()
@pytest.mark.parametrize("door", ["serve", "runserver"])
def test_listens_where_the_platform_says(row: Row, door: str, tmp_path: Path) -> None:
    """PORT in the container, HTTP_PLATFORM_PORT under IIS; a line has the duration of the start."""
    command = row.serve[:-4] if door == "serve" else row.runserver
    name = "PORT" if door == "serve" else "HTTP_PLATFORM_PORT"
    with serving(*command, cwd=row.site(tmp_path), **{name: "{port}"}) as server:
        assert asked(server)["path"] == "/"
        server.wait_for_match(READY)
        assert server.stop() == 0


@rows()
@pytest.mark.parametrize("door", ["serve", "runserver"])
def test_a_port_that_is_none(row: Row, door: str, tmp_path: Path) -> None:
    """The message names the source, and nothing is started."""
    command = row.serve[:-2] if door == "serve" else row.runserver
    result = run(*command, cwd=row.site(tmp_path), PORT="8_000")
    assert result.returncode == 2, result.stderr
    assert "The port from PORT is '8_000'" in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@rows()
def test_port_zero_picks_a_port_and_says_it(row: Row, tmp_path: Path) -> None:
    """Only `--port 0` does this."""
    with serving(*row.serve, cwd=row.site(tmp_path), port=0) as server:
        assert server.port > 0
        assert asked(server)["path"] == "/"


@rows()
def test_a_host_that_is_none_with_a_free_port(row: Row, tmp_path: Path) -> None:
    """Is refused at once as well; gunicorn itself would try for five seconds."""
    command = [word.replace("{port}", "0") for word in row.serve]
    result = run(*command, "--host", "999.1.1.1", cwd=row.site(tmp_path), timeout=20)
    assert result.returncode == 2, result.stderr
    assert "The host '999.1.1.1' cannot be used" in result.stderr
    assert result.stdout == ""


@rows()
def test_a_port_in_use(row: Row, tmp_path: Path) -> None:
    """It is reported before the app is imported, also if the other server is of the same kind."""
    command = row.serve
    other = tmp_path / "other"
    other.mkdir()
    (other / "app.py").write_text("import threading\nthreading.Event().wait()\n")
    with serving(*command, cwd=row.site(tmp_path)) as server:
        words = [word.replace("{port}", str(server.port)) for word in command]
        result = run(*words, cwd=other, timeout=20)
        assert result.returncode == 2, result.stderr
        assert f"Port {server.port} on 127.0.0.1 is already in use" in result.stderr
        assert "Traceback" not in result.stderr
        assert asked(server)["path"] == "/"


@rows()
@pytest.mark.parametrize(
    ("source", "said"),
    [
        pytest.param("import nothing_of_this_name\n", "nothing_of_this_name", id="import"),
        pytest.param("app = 5\n", "is not a WSGI app but a int", id="no-app"),
        pytest.param("x = 1\n", "has no 'app'", id="no-name"),
    ],
)
def test_an_app_that_cannot_be_loaded(row: Row, source: str, said: str, tmp_path: Path) -> None:
    """The server ends, with one message and its own exit code."""
    (tmp_path / "app.py").write_text(source)
    words = [word.replace("{port}", str(free_port())) for word in row.serve]
    result = run(*words, cwd=tmp_path, APPSVC_WORKERS="2")
    # gunicorn before 27 ends with 1 if a worker ends while it starts the next one, without us too;
    # or the next one has the message again.
    before = row.server == "gunicorn" and release("gunicorn") < (27,)
    assert result.returncode in ({row.no_app, 1} if before else {row.no_app}), result.stderr
    assert result.stderr.count("Error: The app 'app:app'") in ((1, 2) if before else (1,)), (
        result.stderr
    )
    assert said in result.stderr


@rows()
@pytest.mark.parametrize(
    "unbuffered", [pytest.param("1", id="unbuffered"), pytest.param("", id="buffered")]
)
def test_an_app_that_cannot_be_loaded_ends_it_if_nobody_reads(
    row: Row, unbuffered: str, tmp_path: Path
) -> None:
    """As of `appsvc serve 2>&1 | head -1`: the code is the same, and no worker is started again."""
    words = [word.replace("{port}", str(free_port())) for word in row.serve]
    reads, writes = os.pipe()
    os.close(reads)
    process = Child(
        [sys.executable, *words], cwd=tmp_path, start_new_session=True,
        env=clean_environ(APPSVC_WORKERS="2", PYTHONUNBUFFERED=unbuffered),
        stdin=subprocess.DEVNULL, stdout=writes, stderr=writes,
    )  # fmt: skip
    os.close(writes)
    try:
        assert process.ends_within(60)
        before = row.server == "gunicorn" and release("gunicorn") < (27,)
        assert process.returncode in ({row.no_app, 1} if before else {row.no_app})
    finally:
        process.kill_group()


@rows()
def test_an_app_of_the_other_kind(row: Row, tmp_path: Path) -> None:
    """If the server cannot run it, the error names its kind; granian runs both."""
    other = ROWS["uvicorn"] if row.source == ROWS["gunicorn"].source else ROWS["gunicorn"]
    other.site(tmp_path)
    if row.server == "granian":
        with serving(*row.serve, cwd=tmp_path) as server:
            assert asked(server)["path"] == "/"
        return
    words = [word.replace("{port}", str(free_port())) for word in row.serve]
    result = run(*words, cwd=tmp_path)
    assert result.returncode == row.no_app
    assert re.search("is an? (ASGI|WSGI) app, which", result.stderr), result.stderr


@rows()
def test_the_front_end_is_believed(row: Row, tmp_path: Path) -> None:
    """The middleware gets its headers unchanged and alone decides; the line has the client."""
    with serving(*row.serve, cwd=row.site(tmp_path), **PLATFORM) as server:
        seen = asked(server, FRONT)
        assert (seen["scheme"], seen["client"]) == ("https", "203.0.113.7")
        seen = asked(server, {"X-Forwarded-Proto": "http"})
        assert (seen["scheme"], seen["client"]) == ("http", "127.0.0.1")
        line = server.wait_for_match(re.compile(r".*203\.0\.113\.7.*"))[0]
        assert '"GET / HTTP/1.1" 200 ' in line
        assert "https" in line


@rows()
def test_nobody_is_believed_at_home(row: Row, tmp_path: Path) -> None:
    """This includes loopback."""
    with serving(*row.serve, cwd=row.site(tmp_path)) as server:
        seen = asked(server, FRONT)
        assert (seen["scheme"], seen["client"]) == ("http", "127.0.0.1")


@rows()
def test_a_header_with_an_underscore_is_not_the_one_with_a_hyphen(row: Row, tmp_path: Path) -> None:
    """WSGI would map both to one variable, and any client could send the front end's headers."""
    forged = [
        ("X_Forwarded_Proto", "https"),
        ("X-Forwarded-Proto", "http"),
        ("X_Forwarded_Proto", "https"),
        ("X_Forwarded_For", "6.6.6.6"),
        ("X-Forwarded-For", "203.0.113.7:51234"),
        ("X_MS_CLIENT_PRINCIPAL", "eyJjbGFpbXMiOltdfQ=="),
        ("X_MS-Client_Principal_NAME", "root"),
        ("Remote_User", "root"),
    ]
    variables = {**PLATFORM, "WEBSITE_AUTH_ENABLED": "True"}
    with serving(*row.serve, cwd=row.site(tmp_path), **variables) as server:
        seen = asked(server, forged)
        assert (seen["scheme"], seen["client"]) == ("http", "203.0.113.7")
        assert seen["principal"] is None
        assert "X_MS_CLIENT_PRINCIPAL" not in seen["headers"]
        assert "REMOTE_USER" not in seen["headers"]


@rows()
def test_variables_of_the_process_are_no_headers(row: Row, tmp_path: Path) -> None:
    """HTTP_PROXY, REMOTE_USER and similar variables have another meaning in an environ."""
    variables = {"HTTP_PROXY": "x", "REMOTE_USER": "root", "HTTP_X_ARR_SSL": "2048|256"}
    with serving(*row.serve, cwd=row.site(tmp_path), **PLATFORM, **variables) as server:
        seen = asked(server)
        assert not set(variables) & {*seen["environment"], *seen["headers"]}
        assert seen["scheme"] == "http"


@rows()
def test_big_bodies_both_ways(row: Row, tmp_path: Path) -> None:
    """10 MB in both directions, with a length and in chunks."""
    with serving(*row.serve, cwd=row.site(tmp_path)) as server:
        for path in ("/big", "/stream"):
            assert len(server.request(path)[2]) == 160 * 65536
        sent = b"y" * 10_000_000
        assert server.request("/length", method="POST", body=sent)[2] == b"10000000"
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        pieces = (b"z" * 100_000 for _ in range(100))
        connection.request("POST", "/length", pieces, encode_chunked=True)
        assert connection.getresponse().read() == b"10000000"
        connection.close()


@rows()
def test_an_error_of_the_apps_costs_one_request(row: Row, tmp_path: Path) -> None:
    """The response is 500, the log has the traceback, and the next request is served."""
    with serving(*row.serve, cwd=row.site(tmp_path)) as server:
        assert server.request("/raise")[0] == 500
        assert asked(server)["path"] == "/"
        server.wait_for_log("RuntimeError: the app broke")


STALLS = {
    "idle": b"",
    "half-a-header": b"GET / HTTP/1.1\r\nHost: loc",
    "half-a-body": b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n0123456789",
}


@rows()
def test_stalled_visitors_do_not_stop_others(row: Row, tmp_path: Path) -> None:
    """There are a hundred stalled connections of each kind, and a hundred requests are served."""
    with serving(*row.serve, cwd=row.site(tmp_path)) as server:
        for kind, sent in STALLS.items():
            stalled = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(100)]
            for connection in stalled:
                connection.sendall(sent)
            try:
                assert [server.request("/")[0] for _ in range(100)] == [200] * 100, kind
            finally:
                for connection in stalled:
                    connection.close()


# Like Django and plain WSGI apps, it ignores the method.
HEAD_APP = """
import io

def app(environ, start_response):
    path = environ["PATH_INFO"]
    sized = [("Content-Length", "6")] if path in ("/body", "/file") else []
    write = start_response("200 OK", [("Content-Type", "text/plain"), *sized])
    if path == "/written":
        write(b"a body")
        return []
    if path == "/file" and "wsgi.file_wrapper" in environ:
        return environ["wsgi.file_wrapper"](io.BytesIO(b"a body"))
    return iter([b"a ", b"body"]) if path == "/stream" else [b"a body"]
"""


@rows("gunicorn", "waitress", "granian")
def test_head_has_no_body(row: Row, tmp_path: Path) -> None:
    """Whatever the app returns, the next response on the connection is for the next request."""
    (tmp_path / "app.py").write_text(HEAD_APP)
    with serving(*row.serve, cwd=tmp_path) as server:
        for path in ("/body", "/stream", "/file", "/written"):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            for method, body in (("HEAD", b""), ("GET", b"a body")) * 2:
                connection.request(method, path)
                response = connection.getresponse()
                assert (response.status, response.read()) == (200, body), path
                length = response.getheader("Content-Length")
                assert length == ("6" if path in ("/body", "/file") else None), path
            connection.close()


@rows("gunicorn", "granian", "granian-asgi", "uvicorn")
def test_a_worker_that_dies_is_replaced(row: Row, tmp_path: Path) -> None:
    """This works repeatedly, and the server process stays."""
    with serving(*row.serve, cwd=row.site(tmp_path), APPSVC_WORKERS="1") as server:
        for _ in range(3):
            before = asked(server)["pid"]
            with pytest.raises((OSError, http.client.HTTPException)):
                server.request("/die")
            deadline = time.monotonic() + 20
            while True:
                try:
                    now = asked(server)["pid"]
                    break
                except (OSError, http.client.HTTPException):
                    assert time.monotonic() < deadline, server.log()
            assert now != before
        assert server.stop() == 0
