"""`appsvc emulate --as linux` as users run it: the examples and small sites, built and run."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.apps import copy_app, copy_example, digest
from tests.support.browser import Page, browse, missing
from tests.support.emulator import READY, alive_with, emulating, make_site
from tests.support.postgres import skip_or_fail
from tests.support.pythons import only_on
from tests.support.servers import Server, clean_environ, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
NOT_READY = re.compile(r"Not ready, http://127\.0\.0\.1:([0-9]+)")
LIMIT = ("--set", "WEBSITES_CONTAINER_START_TIME_LIMIT=10")
Check = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def check(cache: Path) -> Check:
    """Return a function that runs `appsvc emulate --as linux --check`."""

    def call(site: Path, *options: str, path: str = "/") -> subprocess.CompletedProcess[str]:
        return run(
            "-m", "appsvc_runtime", "emulate", str(site), "--as", "linux", "--port", "0",
            "--check", path, *options,
            cwd=site.parent, timeout=240, XDG_CACHE_HOME=str(cache),
        )  # fmt: skip

    return call


@contextmanager
def container(
    site: Path, cache: Path, *options: str, ready: re.Pattern[str] = READY
) -> Iterator[Server]:
    """Emulate until the block ends."""
    with emulating(
        site, "--as", "linux", *options, ready=ready, XDG_CACHE_HOME=str(cache)
    ) as server:
        yield server


@only_on(12)
def test_the_flask_example(tmp_path: Path, cache: Path, check: Check) -> None:
    """It is built with this very package; https, client and redirects are right; the site stays."""
    site = copy_example("flask_app", tmp_path)
    before = digest(site)
    with container(site, cache, "--https") as server:
        log = server.log()
        assert re.search(r"packages +appsvc-runtime is installed from ", log)
        assert re.search(r"plan +Flask: app\.py is the first of", log)
        assert re.search(r"container +GET /robots933456\.txt 200 in \d+ ms", log)
        assert re.search(r"container +\(It responds, \d+\.\d s after its start\.\)", log)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
        connection.request("GET", "/visitor")
        answer = connection.getresponse()
        page = answer.read().decode()
        cookies = answer.headers.get_all("Set-Cookie") or []
        connection.close()
        assert answer.status == 200
        assert "https" in page
        assert [cookie.partition("=")[0] for cookie in cookies] == [
            "ARRAffinity", "ARRAffinitySameSite",
        ]  # fmt: skip
    again = check(site, "--startup-command", "exec appsvc serve", path="/nothing-here")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "antenv and its packages are kept" in again.stdout
    assert "GET /nothing-here 404" in again.stdout
    assert "(Stopped: SIGTERM ended it after" in again.stdout
    assert digest(site) == before


@only_on(14)
def test_the_django_example(tmp_path: Path, check: Check) -> None:
    """Its static files are collected and served."""
    site = copy_example("django_app", tmp_path)
    done = check(site, "--set", "SECRET_KEY=of-a-test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"collectstatic +\d+ static files copied", done.stdout)
    assert "Django: mysite is the first folder by name that holds a wsgi.py." in done.stdout
    assert "GET / 200" in done.stdout


@only_on(12)
@pytest.mark.parametrize("name", ["fastapi_app", "starlette_app"])
def test_the_asgi_examples(name: str, tmp_path: Path, check: Check) -> None:
    """They run by their startup command; the server gets the stop signal."""
    site = copy_example(name, tmp_path)
    done = check(site, "--startup-command", "startup.txt", path="/healthz")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Serving main:app .* with uvicorn, \d+ workers?\.", done.stdout)
    assert "GET /healthz 200" in done.stdout
    assert "(Stopped: SIGTERM ended it after" in done.stdout


@only_on(12, 14)
def test_fastapi(tmp_path: Path, check: Check) -> None:
    """The platform starts it from Python 3.14 on, before that only by its startup command."""
    site = copy_app("fastapi_app", tmp_path)
    options = () if sys.version_info >= (3, 14) else ("--startup-command", "startup.txt")
    done = check(site, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Using worker: uvicorn_worker.UvicornWorker" in done.stdout
    assert "GET / 200" in done.stdout


@only_on(12)
def test_another_asgi_app(tmp_path: Path, check: Check) -> None:
    """It needs no requirements: uvicorn and its worker are the image's."""
    site = copy_app("asgi_plain", tmp_path)
    done = check(site, "--no-build", "--startup-command", "startup.txt")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Using worker: uvicorn_worker.UvicornWorker" in done.stdout
    assert "(Stopped: SIGTERM ended it after" in done.stdout


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Occupy a port, if it is not in use already."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("0.0.0.0", port))
            other.listen()
        except OSError:
            pass
        yield


@only_on(14)
def test_startup_files(tmp_path: Path, check: Check) -> None:
    """A script that names /home/site/wwwroot and port 8000; the first line of another file."""
    site = copy_app("startup_file", tmp_path)
    script = check(site, "--no-build", "--startup-command", "startup.sh")
    if "8000 is taken on this machine" not in script.stdout:  # otherwise another process uses it
        assert script.returncode == 0, script.stdout
        assert "Listening at: http://0.0.0.0:8000" in script.stdout
    with taken(8000):
        line = check(site, "--no-build", "--startup-command", "startup.txt")
    assert line.returncode == 0, line.stdout
    assert "because 8000 is taken on this machine" in line.stdout
    assert "(Stopped: SIGTERM ended it after" in line.stdout


FAULTS = [
    # site, options, a part of the last line
    pytest.param("no_app", (), "the module app has no `app`", id="no-app"),
    pytest.param("raising", (), "KeyError: 'SECRET_THAT_IS_NOT_SET', at ", id="raising"),
    pytest.param("missing_module", (), "the module 'yaml' is missing", id="missing-module"),
    pytest.param(
        "no_app", ("--startup-command", "gunicron app"), "no command 'gunicron'", id="typo"
    ),
    pytest.param(
        "loopback",
        ("--startup-command", "startup.txt", *LIMIT),
        "cannot be reached from outside",
        id="loopback",
    ),
    pytest.param(
        "wrong_port",
        ("--startup-command", "startup.txt", *LIMIT),
        "listens on 0.0.0.0:8765 instead of port",
        id="wrong-port",
    ),
    pytest.param("pages_only", (), "by appsvc emulate", id="no-python"),
    pytest.param("subfolder", (), "by appsvc emulate", id="subfolder"),
]

STOPPING = re.compile(r"\(Stopped| container +\[[-\d]{10} ")


@only_on(10)
@pytest.mark.parametrize(("name", "options", "said"), FAULTS)
def test_faults(
    tmp_path: Path, check: Check, name: str, options: tuple[str, ...], said: str
) -> None:
    """Each is found before a deployment, with exit code 1, without a traceback of this package."""
    site = copy_app(name, tmp_path)
    before = digest(site)
    done = check(site, "--no-build", *options)
    assert done.returncode == 1, done.stdout + done.stderr
    # gunicorn's own lines about its stop come when they like.
    lines = [line for line in done.stdout.splitlines() if not STOPPING.search(line)]
    assert said in "\n".join(lines[-3:])
    assert done.stderr == ""
    assert digest(site) == before
    assert not alive_with(str(site.parent))


def test_the_reason_is_on_the_page(tmp_path: Path, cache: Path) -> None:
    """Application Error, with command and output; in a browser too."""
    site = copy_app("raising", tmp_path)
    with container(site, cache, "--no-build", ready=NOT_READY) as server:
        status, _, body = server.request("/", {"Accept": "text/plain"})
        text = body.decode()
        assert status == 503
        assert text.startswith("503 Application Error\n")
        assert "KeyError: 'SECRET_THAT_IS_NOT_SET'" in text
        assert "What was run:\nGUNICORN_CMD_ARGS=" in text
        assert "What the process printed:" in text


def test_no_secret_of_a_command_is_shown(tmp_path: Path, cache: Path) -> None:
    """Neither the page, which any client gets, nor the log shows it."""
    site = make_site(tmp_path / "site", {"app.py": ""})
    command = "DB_PASSWORD=S3cr3t python -c 'raise SystemExit(3)' --api-key S3cr3t"
    options = ("--no-build", "--startup-command", command)
    with container(site, cache, *options, ready=NOT_READY) as server:
        page = server.request("/", {"Accept": "text/plain"})[2].decode()
        log = server.log()
    assert "What was run:\nDB_PASSWORD=******** python -c" in page
    assert "$ DB_PASSWORD=******** python -c" in log
    assert "S3cr3t" not in page + log


@pytest.mark.skipif(bool(missing()) and "CI" not in os.environ, reason=missing())
def test_the_default_site_in_a_browser(tmp_path: Path, cache: Path) -> None:
    """It shows that no app was found, why, and what to do; it fits into a narrow window."""
    if missing():
        skip_or_fail(missing())
    site = copy_app("subfolder", tmp_path)
    with container(site, cache, "--no-build", "--https") as server:

        async def drive(page: Page) -> None:
            await page.go(f"https://127.0.0.1:{server.port}/")
            heading = await page.run("document.querySelector('h1').textContent")
            assert heading == "The default site: no app was found"
            text = await page.run("document.body.innerText")
            assert "src/shop/wsgi.py is too deep" in text
            assert "exec appsvc serve --site src shop.wsgi" in text
            assert "Flask: none of application.py" in text
            fits = "document.documentElement.scrollWidth <= window.innerWidth"
            assert await page.run(fits) is True

        authority = tmp_path / ".appsvc/subfolder/linux/authority.pem"
        browse(drive, server.port, authority)
        plain = server.log()
        assert "127.169.254.1" in plain or sys.platform != "linux"


def test_a_site_that_was_not_built(tmp_path: Path, check: Check) -> None:
    """Without a build the site's packages are missing; so also with the setting against builds."""
    site = make_site(
        tmp_path / "site", {"app.py": "import flask_that_is_not_here\n", "requirements.txt": ""}
    )
    off = check(site, "--set", "SCM_DO_BUILD_DURING_DEPLOYMENT=false")
    assert off.returncode == 1
    assert "Not built, because of SCM_DO_BUILD_DURING_DEPLOYMENT" in off.stdout
    assert "The site was not built" in off.stdout


def test_a_build_for_another_python(tmp_path: Path, check: Check) -> None:
    """Its packages would not be found: that is reported before anything is started."""
    site = copy_app("counting", tmp_path)
    told = {"format": 1, "finished": True, "python": "/a/python3.2", "version": [3, 2]}
    (site / ".appsvc-build.json").write_text(json.dumps(told))
    done = check(site, "--no-build")
    assert done.returncode == 2
    assert "was built for Python 3.2, but would be run by Python 3." in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root mounts without more ado"
)
def test_a_read_only_site(tmp_path: Path, cache: Path) -> None:
    """If nothing may be written beside it either, the cache folder is used."""
    copy_app("counting", tmp_path / "sites")
    emulate = f"exec {sys.executable} -m appsvc_runtime emulate --as linux --no-build --port 0"
    script = (
        "mount --bind sites sites && mount -o remount,ro,bind sites || exit 99\n"
        f"{emulate} sites/counting --check /"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], cwd=tmp_path, check=False, timeout=120,
        env=clean_environ(XDG_CACHE_HOME=str(cache)), capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode == 99:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GET / 200" in done.stdout
    assert list((cache / "appsvc-runtime/sites").glob("counting-*/linux/built/app.py"))
    assert not (tmp_path / "sites/.appsvc").exists()


@only_on(12)
def test_instances(tmp_path: Path, cache: Path) -> None:
    """Three instances count separately; a health check takes one out; a cookie keeps one."""
    site = copy_app("counting", tmp_path)
    one_worker = ("--set", "PYTHON_ENABLE_GUNICORN_MULTIWORKERS=false")  # it counts in memory
    options = ("--no-build", "--instances", "3", "--health-check", "/health", *one_worker)
    with container(site, cache, *options, "--health-check-interval", "0.2") as server:
        assert "there are several instances on this machine" in server.log()
        server.wait_for_match(re.compile(r"health +instance 3: /health healthy"))
        told = [server.request()[2].decode().split() for _ in range(6)]
        assert len({instance for instance, *_ in told}) == 3
        assert sorted(count for _, count, *_ in told) == list("111222")
        pair = server.request()[1]["set-cookie"].partition(";")[0]
        assert re.fullmatch("ARRAffinity=[0-9a-f]{64}", pair)
        kept = {server.request("/", {"Cookie": pair})[2].split()[0] for _ in range(5)}
        assert kept == {pair.removeprefix("ARRAffinity=")[:8].encode()}
        peers = {server.request()[2].decode().split()[2] for _ in range(3)}
        assert peers == {"127.169.254.1"} or sys.platform != "linux"
        home = tmp_path / ".appsvc/counting/linux/home"
        (home / "unhealthy").touch()
        server.wait_for_match(re.compile(r"failure 1 of 10: 500"))
        (home / "unhealthy").unlink()
        server.wait_for_match(re.compile(r"healthy again after \d+ failure"))


def test_the_front_end_is_not_trusted_by_gunicorn(tmp_path: Path, cache: Path) -> None:
    """As on the platform: without the middleware an https request looks like an http one."""
    if sys.platform != "linux":
        pytest.skip("only Linux has all of 127.0.0.0/8")
    site = copy_app("counting", tmp_path)
    with container(site, cache, "--no-build", "--https") as server:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
        connection.request("GET", "/")
        assert connection.getresponse().read().decode().split()[3] == "http"
        connection.close()


def test_a_container_that_crashes(tmp_path: Path, cache: Path) -> None:
    """It is started again, and that is logged."""
    site = copy_app("counting", tmp_path)
    command = ("--startup-command", "exec gunicorn --bind 0.0.0.0:$PORT app:app")
    with container(site, cache, "--no-build", *command) as server:
        server.request("/exit")
        server.wait_for_match(re.compile(r"The container was ended by signal 9; it is started"))
        server.wait_for_match(re.compile(r"(It responds.*\n[^$]*){2}", re.DOTALL))
        assert server.request()[0] == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end(tmp_path: Path, cache: Path, number: int) -> None:
    """A signal ends it completely, with exit code 0, and the log has how the container ended."""
    site = copy_app("counting", tmp_path)
    command = ("--startup-command", "exec gunicorn --bind 0.0.0.0:$PORT app:app")
    with container(site, cache, "--no-build", *command) as server:
        assert server.stop(number) == 0
        assert "(Stopped: SIGTERM ended it after" in server.log()
    deadline = time.monotonic() + 60
    while alive_with(str(tmp_path)):
        assert time.monotonic() < deadline
    assert not list((tmp_path / ".appsvc/counting/linux").glob("run-*"))


REFUSED = [
    pytest.param(["missing"], "does not exist", id="no-site"),
    pytest.param(["site", "--config", "x"], "--config means nothing to the Linux", id="config"),
    pytest.param(["site", "--map", r"D:\home=x"], "--map /home=DIR", id="map"),
    pytest.param(["site", "--health-check", "up"], "is not a path", id="health"),
    pytest.param(["site", "--python", "/bin/cat"], "does not run as Python", id="python"),
    pytest.param(["site", "--python-version", "3.2"], "there is no python3.2", id="version"),
    pytest.param(
        ["site", "--python-version", "3.2", "--python", sys.executable], "needs Python 3.2",
        id="other-version",
    ),
    pytest.param(["site", "--set", "PORT=x"], "The port from PORT is not a port", id="port"),
    pytest.param(["site", "--port", "99999"], "which is not a port", id="front-port"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), REFUSED)
def test_refusals(tmp_path: Path, cache: Path, arguments: list[str], said: str) -> None:
    """The error is one sentence with exit code 2."""
    make_site(tmp_path / "site", {"app.py": ""})
    done = run(
        "-m", "appsvc_runtime", "emulate", "--as", "linux", "--no-build", "--port", "0", *arguments,
        cwd=tmp_path, timeout=60, XDG_CACHE_HOME=str(cache),
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stdout + done.stderr
    assert said in done.stderr


def test_linux_options_mean_nothing_to_iis(tmp_path: Path) -> None:
    """They are refused, not ignored."""
    done = run(
        "-m", "appsvc_runtime", "emulate", "--as", "fastcgi", "--instances", "2", cwd=tmp_path
    )
    assert "--instances means nothing to IIS" in done.stderr
