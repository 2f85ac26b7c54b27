"""The container as the platform makes it: its folders, its workers, the image's configuration."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.system import process
from tests.support.emulator import READY, emulating, make_site
from tests.support.pythons import only_on
from tests.support.servers import Server, run, serving
from tests.support.trees import snapshot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
# Shows where it is, and does to a file what the query says.
APP = """
    import json, os, sys

    def tried(work):
        try:
            return work() or "done"
        except OSError as error:
            return error.strerror

    def app(environ, start_response):
        verb, _, path = environ["QUERY_STRING"].partition("=")
        seen = {"cwd": os.getcwd(), "file": __file__, "app_path": os.environ.get("APP_PATH")}
        if verb == "write":
            seen["tried"] = tried(lambda: open(path, "a").close())
        elif verb == "read":
            seen["tried"] = tried(lambda: open(path).read())
        elif verb == "list":
            seen["tried"] = tried(lambda: sorted(os.listdir(path)))
        elif verb == "exit":
            os.kill(os.getppid(), 9)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(seen).encode()]
"""
DATA = "/home/site/wwwroot/data.txt"
ARCHIVE = ["oryx-manifest.toml", "output.tar.zst"]
FILES: dict[str, str | bytes] = {
    "app.py": APP, "requirements.txt": "", "data.txt": "of the site",
    "views.py": f'DATA = "{DATA}"\nDB = "sqlite:///shop.db"\n',
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Return a site that was built once, by `appsvc build`."""
    made = make_site(tmp_path_factory.mktemp("container") / "site", FILES)
    done = run("-m", "appsvc_runtime", "build", "site", cwd=made.parent, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@contextmanager
def container(
    site: Path, cache: Path, *options: str, ready: re.Pattern[str] = READY
) -> Iterator[Server]:
    variables = {"XDG_CACHE_HOME": str(cache)}
    with emulating(site, "--as", "linux", *options, ready=ready, **variables) as server:
        yield server


def ask(server: Server, query: str = "") -> dict[str, Any]:
    status, _, body = server.request(f"/?{query}")
    assert status == 200, body
    seen: dict[str, Any] = json.loads(body)
    return seen


def needs_namespace(server: Server) -> None:
    found = re.search(r"emulator +(The container has no /home of its own .*)", server.log())
    if found:
        pytest.skip(found[1])


@only_on(12)
def test_a_built_site(site: Path, cache: Path) -> None:
    """It runs from a folder below /tmp, and changes nothing of the build."""
    built = site.parent / ".appsvc/site/linux/built"
    before = snapshot(built)
    with container(site, cache, "--no-build") as server:
        needs_namespace(server)
        assert "the earlier build in" in server.log()
        seen = ask(server)
        point = seen["app_path"]
        assert re.fullmatch("/tmp/8d[0-9a-f]{13}", point)
        assert (seen["cwd"], seen["file"]) == (point, f"{point}/app.py")
        assert ask(server, "list=/home/site/wwwroot")["tried"] == ARCHIVE
        # A path in the app's code fails, as on the platform, and was named at the start.
        assert ask(server, f"read={DATA}")["tried"] == "No such file or directory"
        log = server.log()
        assert f"site         Warning: views.py, line 1: {DATA} is not where a built" in log
        assert "Warning: views.py, line 2: the database file shop.db: beside the app" in log
        # What the site writes is its own container's, until it ends.
        if "is lost at each restart" in log:
            assert ask(server, "write=new.txt")["tried"] == "done"
            assert "new.txt" in ask(server, "list=.")["tried"]
            server.request("/?exit")
            server.wait_for_match(re.compile(r"(It responds.*\n[^$]*){2}", re.DOTALL))
            assert "new.txt" not in ask(server, "list=.")["tried"]
            assert ask(server)["app_path"] == point
            ask(server, "write=again.txt")
            assert server.stop() == 0
            assert "(What it wrote into its folder is lost: again.txt.)" in server.log()
    assert not os.path.exists(point)
    assert snapshot(built) == before


@only_on(12)
def test_a_package(site: Path, cache: Path) -> None:
    """/home/site/wwwroot is read-only; the site's own folder and the rest of /home are not."""
    with container(site, cache, "--no-build", "--set", "WEBSITE_RUN_FROM_PACKAGE=1") as server:
        needs_namespace(server)
        if "/home/site/wwwroot is read-only" not in server.log():
            assert "/home/site/wwwroot can be written to here" in server.log()
            pytest.skip("this machine mounts nothing read-only")
        assert ask(server, f"write={DATA}")["tried"] == "Read-only file system"
        assert ask(server, "write=/home/LogFiles/x.log")["tried"] == "done"
        assert ask(server, "write=x.txt")["tried"] == "done"


@only_on(12)
def test_a_site_that_is_not_built(tmp_path: Path, cache: Path) -> None:
    """It runs from /home/site/wwwroot, where its files are and stay."""
    site = make_site(tmp_path / "site", FILES)
    options = ("--set", "SCM_DO_BUILD_DURING_DEPLOYMENT=false")
    for number in range(2):
        with container(site, cache, *options) as server:
            needs_namespace(server)
            assert ask(server)["app_path"] == "/home/site/wwwroot"
            assert ask(server, f"read={DATA}")["tried"] == "of the site"
            assert ("new.txt" in ask(server, "list=.")["tried"]) is bool(number)
            ask(server, "write=new.txt")
            assert "is not where a built site's files are" not in server.log()
    assert not (site / "new.txt").exists()


@only_on(12)
def test_the_output_of_a_build(site: Path, cache: Path, tmp_path: Path) -> None:
    """A folder made by `appsvc build --output` is run as built, and not changed."""
    output = tmp_path / "output"
    made = run(
        "-m", "appsvc_runtime", "build", "site", "--output", str(output), cwd=site.parent,
        timeout=240,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    before = snapshot(output)
    with container(output, cache, "--no-build") as server:
        needs_namespace(server)
        assert ask(server)["app_path"].startswith("/tmp/")
        if "is lost at each restart" in server.log():
            ask(server, "write=new.txt")
            assert server.stop() == 0
            assert snapshot(output) == before


CONFIG: dict[str, str | bytes] = {
    "app.py": APP,
    "gunicorn.conf.py": 'raise SystemExit("THE SITE\'S OWN CONFIGURATION WAS READ")\n',
}


@only_on(12)
def test_the_images_configuration(tmp_path: Path, cache: Path) -> None:
    """A detected app gets it, and 2N+1 workers; a startup command has the site's own read."""
    site = make_site(tmp_path / "site", CONFIG)
    with container(site, cache, "--no-build") as server:
        log = server.log()
        assert "Warning: gunicorn.conf.py is not read: gunicorn gets the image's own" in log
        workers = 2 * process.cpu_count() + 1
        server.wait_for_match(re.compile(rf"(Booting worker.*\n[^$]*){{{workers}}}"))
        assert f" --workers={workers} " in log
        assert "OWN CONFIGURATION" not in server.log()
    not_ready = re.compile(r"Not ready, http://127\.0\.0\.1:([0-9]+)")
    command = ("--startup-command", "exec gunicorn --bind 0.0.0.0:$PORT app:app")
    with container(site, cache, "--no-build", *command, ready=not_ready) as server:
        assert "THE SITE'S OWN CONFIGURATION WAS READ" in server.log()


@only_on(12)
@pytest.mark.parametrize(
    ("setting", "workers"),
    [
        pytest.param("PYTHON_ENABLE_GUNICORN_MULTIWORKERS=0", 1, id="one"),
        pytest.param("PYTHON_GUNICORN_CUSTOM_WORKER_NUM=2", 2, id="two"),
    ],
)
def test_another_number_of_workers(tmp_path: Path, cache: Path, setting: str, workers: int) -> None:
    """Settings of the site's choose it."""
    site = make_site(tmp_path / "site", {"app.py": APP})
    with container(site, cache, "--no-build", "--set", setting) as server:
        server.wait_for_match(re.compile(rf"(Booting worker.*\n[^$]*){{{workers}}}"))
        assert server.log().count("Booting worker") == workers
        assert server.stop() == 0


def test_a_setting_at_which_the_start_ends(tmp_path: Path) -> None:
    """The platform's start script ends with an error: so does this."""
    make_site(tmp_path / "site", {"app.py": APP})
    done = run(
        "-m", "appsvc_runtime", "emulate", "site", "--as", "linux", "--no-build", "--port", "0",
        "--set", "PYTHON_ENABLE_GUNICORN_MULTIWORKERS=yes", cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stdout + done.stderr
    assert "PYTHON_ENABLE_GUNICORN_MULTIWORKERS" in done.stderr


@only_on(12)
def test_the_default_port_is_taken(tmp_path: Path, cache: Path) -> None:
    """The site is at one of the next ports, and a line says so."""
    make_site(tmp_path / "site", {"app.py": APP})
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 8080))
            other.listen()
        except OSError:
            pass  # another program has it
        command = ("-m", "appsvc_runtime", "emulate", "site", "--as", "linux", "--no-build")
        with serving(
            *command, cwd=tmp_path, port=0, ready=READY, XDG_CACHE_HOME=str(cache)
        ) as server:
            assert server.port > 8080
            said = f"Port 8080 is taken: the site is at {server.port}. --port names another."
            assert said in server.log()
            assert server.request("/")[0] == 200
