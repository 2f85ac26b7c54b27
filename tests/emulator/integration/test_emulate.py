"""`appsvc emulate` as its user meets it: it starts, answers, restarts, checks, and ends whole."""

from __future__ import annotations

import http.client
import json
import re
import signal
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.emulator import (
    FASTCGI,
    HTTPPLATFORM,
    alive_with,
    emulating,
    make_site,
    web_config,
)
from tests.support.servers import Server, run

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals and /proc")
# Tells who it is; prints when it starts and when asked to.
APP = """
    import json, os, sys

    if os.path.exists("broken.txt"):
        raise RuntimeError("the app cannot start")
    print("the app starts", flush=True)

    def application(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/exit":
            os._exit(3)
        told = {"pid": os.getpid(), "path": path, "value": open("value.txt").read(),
                "host": environ["HTTP_HOST"], "scheme": environ["wsgi.url_scheme"],
                "proto": environ.get("HTTP_X_FORWARDED_PROTO", ""),
                "settings": [os.environ.get("KEY"), os.environ.get("APPSETTING_KEY")],
                "home": os.environ["HOME"], "log": os.environ.get("WSGI_LOG", "")}
        answer = json.dumps(told).encode()
        start_response("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]
"""
RUNSERVER = """
    import os
    from waitress import serve
    from app import application
    serve(application, host="127.0.0.1", port=int(os.environ["HTTP_PLATFORM_PORT"]),
          clear_untrusted_proxy_headers=False)
"""
PLATFORM = (
    r'<httpPlatform processPath="D:\home\Python\python.exe" startupTimeLimit="30" '
    r'arguments="D:\home\site\wwwroot\runserver.py" stdoutLogEnabled="true" '
    r'startupRetryCount="0" stdoutLogFile="D:\home\LogFiles\python.log"/>'
)
SETTINGS = (
    '<add key="WSGI_HANDLER" value="app.application"/>'
    r'<add key="WSGI_LOG" value="D:\home\LogFiles\wfastcgi.log"/>'
)
KINDS = ["httpplatform", "fastcgi"]
NOT_READY = re.compile(r"Not ready, http://127\.0\.0\.1:([0-9]+)")


def config(kind: str) -> str:
    """Give the web.config of a kind."""
    if kind == "fastcgi":
        return web_config(FASTCGI, SETTINGS)
    return web_config(HTTPPLATFORM + PLATFORM)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Path]:
    """Make a site in a folder with blanks and letters beyond ASCII."""

    def make(kind: str) -> Path:
        files = {"web.config": config(kind), "app.py": APP, "runserver.py": RUNSERVER}
        return make_site(tmp_path / "my sité" / "wwwroot", {**files, "value.txt": "one"})

    return make


def told(server: Server, path: str = "/x") -> dict[str, object]:
    """Ask the app."""
    status, _, body = server.request(path)
    assert status == 200, f"{body.decode()}\n{server.log()}"
    answer = json.loads(body)
    assert isinstance(answer, dict)
    return answer


def wait_for(true: Callable[[], bool], server: Server, seconds: float = 20) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_a_site_answers_and_ends_whole(make: Callable[[str], Path], kind: str) -> None:
    """It is found to be of its kind, has its settings and folders, and leaves no process."""
    site = make(kind)
    with emulating(site, "--set", "KEY=a value") as server:
        answer = told(server)
        assert answer["host"] == "wwwroot.azurewebsites.net"
        assert answer["scheme"] == "http"
        assert answer["proto"] == ""
        assert answer["settings"] == ["a value", "a value"]
        home = site.parent / ".appsvc" / site.name
        assert answer["home"] == str(home)
        if kind == "fastcgi":
            assert answer["log"] == str(home / "LogFiles" / "wfastcgi.log")
            assert "wfastcgi.py 3" in (home / "LogFiles" / "wfastcgi.log").read_text("utf-8")
        else:
            logs = list((home / "LogFiles").glob("python*"))
            assert "the app starts" in logs[0].read_text("utf-8")
        server.wait_for_log("GET /x 200")
        assert "python-1" in server.log()
        assert "Traceback" not in server.log()
        assert server.stop(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM) == 0
    if sys.platform.startswith("linux"):
        assert alive_with(str(site.parent)) == []
    assert not (site / ".appsvc").exists()


@posix_only
@pytest.mark.parametrize("kind", KINDS)
def test_killed_it_leaves_no_process(make: Callable[[str], Path], kind: str) -> None:
    """Even kill -9 takes the site's processes with it."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs PR_SET_PDEATHSIG")
    site = make(kind)
    with emulating(site) as server:
        pid = told(server)["pid"]
        assert pid in alive_with(str(site.parent))
        server.process.kill()
        wait_for(lambda: alive_with(str(site.parent)) == [], server)


@pytest.mark.parametrize("kind", KINDS)
def test_editing_web_config_restarts_the_site(make: Callable[[str], Path], kind: str) -> None:
    """As IIS does: new processes, new settings; a broken file is 500.19 until it is mended."""
    site = make(kind)
    with emulating(site) as server:
        first = told(server)["pid"]
        good = (site / "web.config").read_text("utf-8")
        (site / "web.config").write_text(good + "<!-- edited -->", "utf-8")
        wait_for(lambda: told(server)["pid"] != first, server)
        assert "web.config has changed" in server.log()
        (site / "web.config").write_text(good.replace("</configuration>", ""), "utf-8")
        wait_for(lambda: server.request("/x")[0] == 500, server)
        assert b"500.19" in server.request("/x")[2]
        assert b"web.config:" in server.request("/x")[2]
        (site / "web.config").write_text(good, "utf-8")
        wait_for(lambda: server.request("/x")[0] == 200, server)


def test_editing_code_restarts_wfastcgi(make: Callable[[str], Path]) -> None:
    """WSGI_RESTART_FILE_REGEX works: a changed .py ends the process, and visitors see no error."""
    site = make("fastcgi")
    with emulating(site) as server:
        first = told(server)["pid"]
        (site / "app.py").write_text((site / "app.py").read_text("utf-8") + "\n# new\n", "utf-8")
        wait_for(lambda: told(server)["pid"] != first, server)
        log = site.parent / ".appsvc" / site.name / "LogFiles" / "wfastcgi.log"
        assert "exiting because app.py has changed" in log.read_text("utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_that_dies_costs_its_request_only(make: Callable[[str], Path], kind: str) -> None:
    """The visitor gets 502 with the reason, the next one a new process."""
    site = make(kind)
    with emulating(site) as server:
        told(server)
        status, _, body = server.request("/exit")
        assert status == 502
        assert b"3" in body
        told(server)


@pytest.mark.parametrize("kind", KINDS)
def test_check(make: Callable[[str], Path], kind: str) -> None:
    """Made for pipelines: one request, its status and timing, and an exit code."""
    site = make(kind)
    command = ("-m", "appsvc_runtime", "emulate", str(site), "--port", "0", "--check")
    good = run(*command, "/health?a=b", timeout=60)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "GET /health?a=b 200 OK in " in good.stdout
    assert "(ready after " in good.stdout
    (site / "broken.txt").touch()
    bad = run(*command, timeout=60)
    assert bad.returncode == 1, bad.stdout + bad.stderr
    assert "the app cannot start" in bad.stdout
    # A process that does not start is asked for nothing; wfastcgi starts, and loads with a request.
    assert ("GET / 500" if kind == "fastcgi" else "GET / was not sent") in bad.stdout
    assert "Traceback" not in bad.stderr
    if sys.platform.startswith("linux"):
        assert alive_with(str(site.parent)) == []


def test_a_site_that_does_not_start_says_why(make: Callable[[str], Path]) -> None:
    """It is not called ready; its pages tell what IIS hides, and mending it helps."""
    site = make("httpplatform")
    (site / "broken.txt").touch()
    with emulating(site, ready=NOT_READY) as server:
        status, _, body = server.request("/x")
        assert status in (502, 503)
        assert b"the app cannot start" in body
        assert "Ready http" not in server.log()
        (site / "broken.txt").unlink()
        file = site / "web.config"
        file.write_text(file.read_text("utf-8") + "<!-- -->", "utf-8")
        server.wait_for_log("Ready http", timeout=30)
        told(server)


def test_public_name_and_https(make: Callable[[str], Path]) -> None:
    """Over TLS the app sees https, and the name that it will have."""
    site = make("httpplatform")
    with emulating(site, "--https", "--public-name", "shop.example.com") as server:
        trusted = ssl.create_default_context(
            cafile=str(site.parent / ".appsvc" / site.name / "authority.pem")
        )
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=trusted)
        connection.request("GET", "/x")
        answer = json.loads(connection.getresponse().read())
        connection.close()
    assert (answer["host"], answer["proto"]) == ("shop.example.com", "https")
