"""The examples' logs under real gunicorn, waitress and wfastcgi: each line once and whole."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.fastcgi import FastCgiProcess
from tests.support.servers import ROOT, Server, serving

EXAMPLES = {"flask": ROOT / "examples" / "flask_app", "django": ROOT / "examples" / "django_app"}
SITE_HOST = "mysite.azurewebsites.net"
PLATFORM = {
    "WEBSITE_SITE_NAME": "mysite",
    "WEBSITE_INSTANCE_ID": "0123456789abcdef",
    "WEBSITE_HOSTNAME": SITE_HOST,
    "SECRET_KEY": "only-for-tests",
}
SERVE = ("-m", "appsvc_runtime", "serve", "--host", "127.0.0.1", "--port", "{port}")
RUNSERVER = ("-m", "appsvc_runtime.runserver", "--port", "{port}")
COUNT = 240
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}"
HELLO = re.compile(
    rf"{STAMP} INFO [\w.]+ (\d+)@01234567 req=id-(\d+) client=203\.0\.113\.7: "
    r"Said hello to visitor (\d+)"
)
SITES = pytest.mark.parametrize("site", EXAMPLES.values(), ids=EXAMPLES)


def headers(number: object) -> dict[str, str]:
    return {
        "Host": SITE_HOST,
        "X-Forwarded-For": "203.0.113.7:4711",
        "X-Forwarded-Proto": "https",
        "X-ARR-LOG-ID": f"id-{number}",
    }


def ask_often(server: Server, processes: int = 1) -> None:
    """Send COUNT hello requests from eight clients at once, when so many processes respond."""
    deadline = time.monotonic() + 30
    seen = set()
    while len(seen) < processes:
        assert time.monotonic() < deadline, server.log()
        seen.add(json.loads(server.request("/visitor.json", headers("x"))[2])["pid"])

    def ask(number: int) -> int:
        return server.request(f"/hello?name=visitor%20{number}", headers(number))[0]

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(COUNT))) == {200}, server.log()


def wait_for(read: Callable[[], str], text: str, count: int = 1) -> str:
    """Return what `read` returns when it has `text` so often; some lines follow the response."""
    deadline = time.monotonic() + 20
    while (found := read()).count(text) < count:
        assert time.monotonic() < deadline, found[-3000:]
        time.sleep(0.01)
    return found


def read_all(path: Path) -> str:
    """Return the contents of a log file and of its rotated files."""
    return "".join(one.read_text("utf-8") for one in path.parent.glob(f"{path.name}*"))


def check_hellos(text: str) -> set[str]:
    """Check that each hello is there once, with its own request's id; return the process ids."""
    found = [match for line in text.splitlines() if (match := HELLO.fullmatch(line))]
    assert text.count("Said hello") == len(found)
    assert Counter(match[3] for match in found) == Counter(map(str, range(COUNT)))
    assert all(match[2] == match[3] for match in found)
    return {match[1] for match in found}


@SITES
def test_gunicorn_with_two_workers_and_one_file(site: Path, tmp_path: Path) -> None:
    """Either rotates the file while the other writes, and no line is lost, torn or doubled."""
    file = tmp_path / "app.log"
    with serving(
        *SERVE, cwd=site, APPSVC_WORKERS="2", WSGI_LOG=str(file), APPSVC_LOG_MAX_BYTES="4K",
        APPSVC_LOG_BACKUPS="500", **PLATFORM,
    ) as server:  # fmt: skip
        ask_often(server, processes=2)
        assert len(check_hellos(read_all(file))) == 2
        assert len(list(tmp_path.glob("app.log.*"))) > 3
        assert all(one.stat().st_size < 8192 for one in tmp_path.iterdir())
        access = wait_for(server.log, "/hello?name=", COUNT)
        assert "Said hello" not in access
    assert "could not be" not in access


@SITES
def test_gunicorn_and_standard_output(site: Path) -> None:
    """Standard output has the lines of the app and gunicorn's access lines."""
    with serving(*SERVE, cwd=site, APPSVC_WORKERS="2", **PLATFORM) as server:
        ask_often(server)
        server.request("/", {"User-Agent": "AlwaysOn"})
        server.request("/robots933456.txt")
        server.request("/", {**headers("x"), "User-Agent": "AlwaysOn"})
        text = wait_for(server.log, '"AlwaysOn"')
        text = wait_for(server.log, "/hello?name=", COUNT)
    check_hellos(text)
    line = r'203\.0\.113\.7 - - \[.+\] "GET /hello\?name=visitor%20\d+ HTTP/1\.1" 200 \d+ "-" "-" '
    assert len(re.findall(rf"^{line}\d+ms https$", text, re.MULTILINE)) == COUNT
    assert text.count('"AlwaysOn"') == 1  # the request from outside
    assert '"GET /robots' not in text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_gunicorns_access_line_and_forgers(encoding: str) -> None:
    """Quotes, bytes that are not ASCII, user names that are not checked, and malformed requests."""
    user = base64.b64encode('a"\n\u2028b:c'.encode())
    claims = [{"typ": "oid", "val": "1"}, {"typ": "name", "val": 'Ann "] 200\u2028'}]
    principal = base64.b64encode(json.dumps({"auth_typ": "aad", "claims": claims}).encode())
    sent = (
        b'GET /caf%C3%A9?\\ HTTP/1.1\r\nHost: x\r\nUser-Agent: Moz\xe9" "\\\r\n'
        b"Authorization: Basic " + user + b"\r\nConnection: close\r\n\r\n"
    )
    signed_in = (
        b"GET /in HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + user + b"\r\n"
        b"X-MS-CLIENT-PRINCIPAL: " + principal + b"\r\nConnection: close\r\n\r\n"
    )
    signs_in = {"WEBSITE_AUTH_ENABLED": "true", "APPSVC_REMOTE_USER": "name"}
    with serving(
        *SERVE,
        cwd=EXAMPLES["flask"],
        APPSVC_WORKERS="1",
        PYTHONIOENCODING=encoding,
        **PLATFORM,
        **signs_in,
    ) as server:
        for data in (signed_in, sent, b"\x16\x03\x01 nonsense\r\n\r\n", b"G\n\n"):
            with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)  # some releases wait for the rest of a request
                while connection.recv(65536):
                    pass
        text = wait_for(server.log, "Moz")
    assert re.search(r'^127\.0\.0\.1 - - \[[^]]+\] "GET /caf', text, re.MULTILINE)
    line = r'^127\.0\.0\.1 - Ann\\x20\\"\]\\x20200\\xe2\\x80\\xa8 \[[^]]+\] "GET /in '
    assert re.search(line, text, re.MULTILINE), text
    assert r'"GET /caf%C3%A9?\\ HTTP/1.1" 404' in text
    assert r'"Moz\xe9\" \"\\"' in text
    assert "Traceback" not in text


@SITES
def test_waitress(site: Path) -> None:
    """The middleware writes access lines with the request's id, in the format of other lines."""
    with serving(*RUNSERVER, cwd=site, APPSVC_ACCESS_LOG="1", **PLATFORM) as server:
        ask_often(server)
        server.request("/", {"User-Agent": "AlwaysOn"})
        server.request("/robots933456.txt")
        server.request("/", {**headers("x"), "User-Agent": "AlwaysOn"})
        wait_for(server.log, '"AlwaysOn"')
        text = wait_for(server.log, '"GET /hello', COUNT)
    check_hellos(text)
    line = re.compile(
        rf"{STAMP} INFO appsvc_runtime\.access \d+@01234567 req=id-(\d+) client=203\.0\.113\.7: "
        r'203\.0\.113\.7 https "GET /hello\?name=visitor%20(\d+) HTTP/1\.1" 200 \d+ "-" "-" \d+ms'
    )
    found = list(map(line.fullmatch, (one for one in text.splitlines() if '"GET /hello' in one)))
    assert all(match and match[1] == match[2] for match in found)
    assert len({match[1] for match in found if match}) == COUNT
    assert text.count('"AlwaysOn"') == 1
    assert '"GET /robots' not in text


def test_waitress_and_json() -> None:
    """Each line except the entry point's first is a JSON object; probes are logged if enabled."""
    variables = {**PLATFORM, "APPSVC_LOG_FORMAT": "json", "APPSVC_ACCESS_LOG": "1"}
    with serving(
        *RUNSERVER, cwd=EXAMPLES["flask"], APPSVC_LOG_PROBES="1", **variables
    ) as server:  # fmt: skip
        server.request("/hello?name=A%0Ab", headers(1))
        # The line is written when the response is closed, after the client has it.
        wait_for(server.log, "GET /hello")
        server.request("/robots933456.txt")
        text = wait_for(server.log, "robots")
    greeting, *lines = text.splitlines()
    assert greeting.startswith("Serving app:app")
    hello, access, probe = map(json.loads, lines)
    assert (hello["message"], hello["request_id"]) == ("Said hello to A\nb", "id-1")
    assert (hello["level"], hello["logger"]) == ("INFO", "app")
    assert access["message"].startswith('203.0.113.7 https "GET /hello?name=A%0Ab HTTP/1.1" 200 ')
    assert (access["client"], access["instance"]) == ("203.0.113.7", "0123456789abcdef")
    assert '"GET /robots933456.txt HTTP/1.1" 200' in probe["message"]


def fastcgi(site: Path, **variables: str) -> FastCgiProcess:
    known = {"WSGI_HANDLER": "appsvc_runtime.wsgi.application", "PYTHONPATH": str(ROOT)}
    return FastCgiProcess(
        site, env={**PLATFORM, **known, "_FCGI_SHUTDOWN_EVENT_": "1", **variables}
    )


def say_hello(server: FastCgiProcess, number: object) -> None:
    answer = server.request("GET", "/hello", query=f"name=visitor%20{number}",
                            headers=headers(number), remote_addr="198.51.100.9")  # fmt: skip
    assert (answer.status, answer.stderr) == (200, b"")


@SITES
def test_wfastcgi_and_the_file_that_it_writes_too(site: Path, tmp_path: Path) -> None:
    """Its lines and those of the package are whole, though the file is rotated between them."""
    file = tmp_path / "wfastcgi.log"
    with fastcgi(
        site, WSGI_LOG=str(file), APPSVC_LOG_MAX_BYTES="8K", APPSVC_LOG_BACKUPS="100",
        APPSVC_ACCESS_LOG="1",
    ) as server:  # fmt: skip
        for number in range(COUNT):
            say_hello(server, number)
    text = read_all(file)
    assert len(check_hellos(text)) == 1
    access = re.findall(
        rf"^{STAMP} INFO appsvc_runtime\.access .* 203\.0\.113\.7 https "
        r'"GET /hello\?name=visitor%20(\d+) HTTP/1\.1" 200 \d+ "-" "-" \d+ms$',
        text, re.MULTILINE,
    )  # fmt: skip
    assert Counter(access) == Counter(map(str, range(COUNT)))
    for theirs in ("started", "initializing", "initialized", "closed"):
        assert len(re.findall(rf": wfastcgi\.py 3\.0\.0 {theirs}$", text, re.MULTILINE)) == 1
    assert len(list(tmp_path.iterdir())) > 3
    begun = re.compile(rf"{STAMP} |\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d|\[GCC|    ")
    assert [line for line in text.splitlines() if not begun.match(line)] == []


def test_wfastcgi_without_a_file_of_its_own(tmp_path: Path) -> None:
    """Standard output is discarded under wfastcgi: the log is in LogFiles, where Kudu shows it."""
    (tmp_path / "LogFiles").mkdir()
    with fastcgi(EXAMPLES["flask"], HOME=str(tmp_path)) as server:
        for number in range(3):
            say_hello(server, number)
    text = (tmp_path / "LogFiles" / "python.log").read_text()
    assert [match[2] for match in HELLO.finditer(text)] == ["0", "1", "2"]
    assert "wfastcgi.py" not in text


BREAKING = """
import logging, os, sys
from appsvc_runtime import configure_logging
configure_logging()
def app(environ, start_response):
    name = environ["PATH_INFO"]
    if name == "/full":
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
    elif name == "/pipe":
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
    elif name == "/closed":
        sys.stdout.close()
    elif name == "/none":
        sys.stdout = None
    logging.getLogger("shop").warning("asked for %s", name)
    logging.getLogger("shop").warning("asked for %d", name)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.mark.parametrize("fault", ["full", "pipe", "closed", "none"])
@pytest.mark.parametrize("door", [SERVE, RUNSERVER], ids=["gunicorn", "waitress"])
def test_the_app_keeps_serving(door: tuple[str, ...], fault: str, tmp_path: Path) -> None:
    """The app continues to serve if standard output breaks while it runs."""
    (tmp_path / "app.py").write_text(BREAKING)
    with serving(*door, cwd=tmp_path, APPSVC_WORKERS="1", APPSVC_ACCESS_LOG="1") as server:
        for path in ("/", f"/{fault}", *["/"] * 20):
            assert server.request(path)[::2] == (200, b"ok")


CONFIG = (
    "from appsvc_runtime import dict_config\nlogconfig_dict = dict_config()\n"
    "workers = 2\naccesslog = '-'\n"
)


@pytest.mark.parametrize("command", ["gunicorn", "serve"])
def test_gunicorns_own_loggers(command: str, tmp_path: Path) -> None:
    """With `logconfig_dict = dict_config()` gunicorn's lines, also the master's, are in the log."""
    file, config = tmp_path / "all.log", tmp_path / "gunicorn.conf.py"
    config.write_text(CONFIG)
    variables = {**PLATFORM, "WSGI_LOG": str(file), "APPSVC_LOG_MAX_BYTES": "0"}
    if command == "serve":
        words = SERVE
        variables["PYTHON_USE_GUNICORN_CONFIG_FROM_PATH"] = str(config)
    else:
        words = ("-m", "gunicorn", "-c", str(config), "-b", "127.0.0.1:{port}", "app:app")
    with serving(*words, cwd=EXAMPLES["flask"], **variables) as server:
        ask_often(server, processes=2)
        wait_for(file.read_text, "gunicorn.access", COUNT)
        assert server.stop() == 0
        assert "Said hello" not in server.log()
        assert "GET /" not in server.log()
    text = file.read_text()
    assert len(check_hellos(text)) == 2
    line = (
        rf"^{STAMP} INFO gunicorn\.access \d+@01234567 req=id-(\d+) client=203\.0\.113\.7: "
        r'203\.0\.113\.7 .* "GET /hello\?name=visitor%20(\d+) HTTP/1\.1" 200 '
    )
    found = re.findall(line, text, re.MULTILINE)
    assert all(number == name for number, name in found)
    assert len(set(found)) == len(found) == COUNT
    for theirs in ("Starting gunicorn", "Booting worker", "Shutting down: Master"):
        assert re.search(rf"^{STAMP} INFO gunicorn\.error \d+@01234567: {theirs}", text, re.M)
