"""The app's own process: its variables, its workers, and programs that it starts."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from appsvc_runtime.serving.servers import SERVERS
from appsvc_runtime.system import process
from tests.support.serverapps import ASGI, ROWS, Row, asked, rows
from tests.support.servers import run, serving

pytestmark = pytest.mark.integration

# At import and with each request, the app notes its variables and those of a child process.
NOTES = """
import json, os, subprocess, sys
def ours(environ):
    return sorted({name for name in environ if name.startswith("APPSVC_")} - {"APPSVC_WORKERS"})
CHILD = "import json, os; print(json.dumps(dict(os.environ)))"
def note():
    child = subprocess.check_output([sys.executable, "-c", CHILD])
    return [ours(os.environ), ours(json.loads(child))]
"""
WSGI_NOTES = f"""{NOTES}
def app(environ, start_response):
    body = json.dumps(note()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
ASGI_NOTES = f"""{NOTES}
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({{"type": kind + ".complete"}})
            if kind == "lifespan.shutdown":
                return
    body = json.dumps(note()).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": body}})
"""


@rows()
def test_a_program_that_the_app_starts_inherits_nothing_of_ours(row: Row, tmp_path: Path) -> None:
    """The app does not see them either: it has only variables that its user has set."""
    source = ASGI_NOTES if row.source == ASGI else WSGI_NOTES
    (tmp_path / "app.py").write_text(source)
    with serving(*row.serve, cwd=tmp_path, APPSVC_WORKERS="1") as server:
        assert json.loads(server.request("/")[2]) == [[], []], server.log()


@rows()
def test_another_app_is_served_below_an_app(row: Row, tmp_path: Path) -> None:
    """If an app runs `appsvc serve` in another folder, the app of that folder is found."""
    site, below = tmp_path / "site", tmp_path / "below"
    site.mkdir()
    below.mkdir()
    (below / "application.py").write_text("raise SystemExit('the other app is imported')\n")
    start = f"""
import subprocess, sys
def other():
    command = [sys.executable, "-m", "appsvc_runtime", "serve", "--server", {row.server!r}]
    done = subprocess.run(
        [*command, "--host", "127.0.0.1", "--port", "0"], cwd={str(below)!r}, capture_output=True,
        text=True, timeout=60,
    )
    return done.stdout + done.stderr
"""
    source = (ASGI_NOTES if row.source == ASGI else WSGI_NOTES).replace(
        "json.dumps(note())", "other()"
    )
    (site / "app.py").write_text(start + source)
    with serving(*row.serve, cwd=site, APPSVC_WORKERS="1") as server:
        told = server.request("/")[2].decode()
        assert "the other app is imported" in told, told
        assert "Error: The app 'application:app'" in told


OWN_MIDDLEWARE = """
from appsvc_runtime import AppService{kind}Middleware
app = AppService{kind}Middleware(app)
"""


@rows("waitress", "granian", "granian-asgi", "uvicorn")
@pytest.mark.parametrize("switch", [None, "false"])
def test_the_apps_own_middleware_writes_the_access_line(
    row: Row, switch: str | None, tmp_path: Path
) -> None:
    """There is one line for each request, unless it is switched off."""
    kind = "ASGI" if row.source == ASGI else ""
    (tmp_path / "app.py").write_text(row.source + OWN_MIDDLEWARE.format(kind=kind))
    variables = {"APPSVC_ACCESS_LOG": switch} if switch else {}
    with serving(*row.serve, cwd=tmp_path, **variables) as server:
        asked(server, path="/one")
        asked(server, path="/two")
        if not switch:
            server.wait_for_log('"GET /two HTTP/1.1" 200')
        assert server.stop() == 0
        assert server.log().count('"GET /one HTTP/1.1" 200') == (0 if switch else 1)


@rows()
def test_workers_on_the_command_line(row: Row, tmp_path: Path) -> None:
    """They override APPSVC_WORKERS and gunicorn's own; waitress reports that it has one process."""
    command = (*row.serve, "--workers", "3")
    variables = {"APPSVC_WORKERS": "1", "GUNICORN_CMD_ARGS": "--workers 1"}
    with serving(*command, cwd=row.site(tmp_path), **variables) as server:
        expected = 1 if SERVERS[row.server].one_process() else 3
        seen: set[int] = set()
        deadline = time.monotonic() + 30
        while len(seen) < expected:
            assert time.monotonic() < deadline, server.log()
            seen.add(asked(server)["pid"])
        sentence = "--workers means nothing to waitress, which has one process here, and is not"
        assert (sentence in server.log()) is (expected == 1)
        assert server.stop() == 0


@pytest.mark.parametrize("entry", ["serve", "runserver"])
@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", ""])
def test_a_number_of_workers_that_is_none(entry: str, value: str, tmp_path: Path) -> None:
    """The message names the option, and nothing is started."""
    site = ROWS["waitress"].site(tmp_path)
    result = run("-m", "appsvc_runtime", entry, "app:app", "--workers", value, cwd=site)
    assert result.returncode == 2
    assert "'--workers'" in result.stderr
    assert result.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
@pytest.mark.parametrize("reloads", [False, True])
def test_gunicorn_that_starts_itself_again_serves_the_same_app(
    reloads: bool, tmp_path: Path
) -> None:
    """SIGUSR2 upgrades without a gap: the app is that of the command line, not the detected one.

    Also after a SIGHUP, on which gunicorn copies its variables again, without the plan. The user's
    own hook is called as well.
    """
    small = (
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [{!r}]\n"
    )
    (tmp_path / "app.py").write_text(small.format(b"detected"))
    (tmp_path / "other.py").write_text(small.format(b"named"))
    hook = "def pre_exec(server):\n    server.log.info('The hook is called.')\n"
    (tmp_path / "gunicorn.conf.py").write_text(hook)
    command = ("-m", "appsvc_runtime", "serve", "other:app", "--host", "127.0.0.1", "--port")
    with serving(*command, "{port}", "--workers", "1", cwd=tmp_path) as server:
        server.wait_for_match(re.compile(r"is ready after"))
        if reloads:
            server.process.send_signal(signal.SIGHUP)
            server.wait_for_log("Worker exiting")
        server.process.send_signal(signal.SIGUSR2)
        server.wait_for_log("The hook is called.")
        server.wait_for_log(" is ready.")  # without a duration, as the command started long before
        master = int(re.findall(r"\[(\d+)\] \[INFO\] Starting gunicorn", server.log())[-1])
        try:
            assert server.stop() == 0  # the first master, with its workers
            assert server.request("/")[2] == b"named", server.log()
        finally:
            os.kill(master, signal.SIGTERM)
            deadline = time.monotonic() + 30
            while process.is_running(master):
                assert time.monotonic() < deadline, server.log()
