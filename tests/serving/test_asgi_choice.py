"""An ASGI app without `--server`: the server that is installed for such apps is started."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from appsvc_runtime.errors import AppLoadError, ConfigError
from appsvc_runtime.serving.servers import SERVERS, Server
from tests.support.plans import planned
from tests.support.serverapps import ASGI, PLATFORM, WSGI, asked
from tests.support.servers import run, serving

BOTH = pytest.mark.parametrize("container", [True, False], ids=["serve", "runserver"])
NAMED = [
    pytest.param({}, "gunicorn", id="option"),
    pytest.param({"APPSVC_SERVER": "waitress"}, None, id="variable"),
]


def install(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Have only these servers installed."""
    monkeypatch.setattr(Server, "is_installed", lambda row: row.name in names)


@pytest.fixture
def site(tmp_path: Path) -> str:
    """Return the folder of an ASGI app, `app:app`."""
    (tmp_path / "app.py").write_text(ASGI)
    return str(tmp_path)


@BOTH
@pytest.mark.parametrize(
    ("installed", "server"), [(("granian", "uvicorn"), "uvicorn"), (("granian",), "granian")]
)
def test_the_server_that_is_installed(
    container: bool, installed: tuple[str, ...], server: str, site: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """uvicorn, else granian; the reason says so. A detected app is recognised as well."""
    install(monkeypatch, "gunicorn", "waitress", *installed)
    for app in ("app:app", None):
        plan = planned({}, container=container, site=site, app=app)
        assert (plan.server, plan.may_change) == (server, False)
        assert plan.reason.endswith("; an ASGI app")


def test_gunicorns_own_file_is_not_used(site: str) -> None:
    """A warning names it."""
    Path(site, "gunicorn.conf.py").write_text("workers = 3\n")
    assert any(
        "gunicorn.conf.py means nothing to" in one for one in planned({}, site=site).warnings
    )
    assert not planned({}, container=False, site=site).warnings


@BOTH
def test_none_is_installed(container: bool, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, with what to install."""
    install(monkeypatch, "gunicorn", "waitress")
    with pytest.raises(ConfigError, match=r"'app:app' is an ASGI app, and no server") as caught:
        planned({}, container=container, site=site)
    assert "`pip install uvicorn`" in caught.value.hint


@BOTH
@pytest.mark.parametrize(("environ", "server"), NAMED)
def test_a_named_server_for_wsgi_apps(
    container: bool, environ: dict[str, str], server: str | None, site: str
) -> None:
    """It is not replaced: one sentence says what to do."""
    with pytest.raises(AppLoadError, match="is an ASGI app, which a WSGI server cannot") as caught:
        planned(environ, server, container=container, site=site)
    assert "appsvc serve --server uvicorn app:app" in caught.value.hint
    assert planned(environ, "granian", container=container, site=site).server == "granian"


@BOTH
def test_a_wsgi_app_keeps_its_server(container: bool, tmp_path: Path) -> None:
    """Also one that cannot be told by its text, whose server may change later."""
    default = "gunicorn" if container else "waitress"
    for text in (WSGI, "from x import app\n"):
        (tmp_path / "app.py").write_text(text)
        plan = planned({}, container=container, site=str(tmp_path))
        assert (plan.server, plan.may_change) == (default, True)
        named = planned({}, default, container=container, site=str(tmp_path))
        assert (named.server, named.may_change) == (default, False)


def test_the_table_of_servers_has_both_kinds() -> None:
    """The default servers run no ASGI apps, and those for such apps do."""
    assert {name for name, row in SERVERS.items() if "asgi" in row.interfaces} == {
        "granian", "uvicorn",
    }  # fmt: skip


# On real servers. The app's file counts the processes that import it.

COUNT = """\
import os
with open(os.path.join(os.path.dirname(__file__), "imports"), "a") as file:
    file.write(f"{os.getpid()}\\n")
"""
WRAPPED = {
    # the name, and the text that makes an app of `inner`; whether the text alone shows what it is
    "app": ("app:app", "app = inner\n", True),
    "factory": ("app:create_app()", "def create_app():\n    return inner\n", True),
    "object": (
        "app:app",
        "class App:\n    async def __call__(self, *given):\n        await inner(*given)\n"
        "app = App()\n",
        False,
    ),
    "wrapped": ("app:app", "import functools\napp = functools.partial(inner)\n", False),
    "made-elsewhere": ("app:app", "app = {'x': inner}['x']\n", False),
}
SERVE = ("-m", "appsvc_runtime", "serve", "--host", "127.0.0.1", "--port", "{port}")
RUNSERVER = ("-m", "appsvc_runtime.runserver", "--port", "{port}")
COMMANDS = {
    "serve": pytest.param(
        SERVE, id="serve",
        marks=pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there"),
    ),
    "runserver": pytest.param(RUNSERVER, id="runserver"),
}  # fmt: skip


def write(folder: Path, kind: str) -> str:
    """Write an app of some kind; return its name."""
    name, text, _ = WRAPPED[kind]
    (folder / "app.py").write_text(
        COUNT + ASGI.replace("async def app(", "async def inner(") + text
    )
    return name


@pytest.mark.integration
@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.parametrize("command", COMMANDS.values())
def test_every_kind_of_app(command: tuple[str, ...], kind: str, tmp_path: Path) -> None:
    """It is served by uvicorn, whatever shows that it is an ASGI app, and stops in order."""
    name = write(tmp_path, kind)
    with serving(*command, name, cwd=tmp_path, APPSVC_WORKERS="2", **PLATFORM) as server:
        server.wait_for_log("is ready", 60)
        assert asked(server, {"X-Forwarded-Proto": "https"})["scheme"] == "https"
        log = server.log()
        assert log.count("with uvicorn, 2 workers.") == 1, log
        if WRAPPED[kind][2]:
            assert "; an ASGI app) on http://127.0.0.1:" in log
            assert "gunicorn" not in log
        else:
            assert f"The app {name!r} is an ASGI app: uvicorn runs it in place of " in log
            assert "Traceback" not in log
            assert "ERROR" not in log
        assert server.stop() == 0
        imports = (tmp_path / "imports").read_text().split()
        # No process imports the app twice.
        assert len(imports) == len(set(imports)), server.log()


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
def test_gunicorn_is_named_for_an_app_that_only_its_import_shows(tmp_path: Path) -> None:
    """gunicorn is not replaced; the sentence is there once."""
    name = write(tmp_path, "wrapped")
    done = run(*SERVE[:3], name, "--server", "gunicorn", "--port", "0", cwd=tmp_path)
    assert done.returncode == 4
    said = done.stdout + done.stderr
    assert said.count("is an ASGI app, which a WSGI server cannot run") == 1
    assert "Traceback" not in said


@pytest.mark.integration
@pytest.mark.parametrize("command", COMMANDS.values())
@pytest.mark.parametrize("shown", [True, False], ids=["by-its-text", "by-its-import"])
def test_an_app_whose_import_fails(command: tuple[str, ...], shown: bool, tmp_path: Path) -> None:
    """The error is there once, from one process."""
    text = ASGI if shown else "from json import nothing as app\n"
    (tmp_path / "app.py").write_text(f"{text}\nraise ValueError('no database')\n")
    words = [word.replace("{port}", "0") for word in command]
    done = run(*words, "app:app", cwd=tmp_path, APPSVC_WORKERS="2")
    said = done.stdout + done.stderr
    assert done.returncode in (1, 4)
    assert said.count("Traceback") == 1, said
    assert said.count("cannot be loaded") == 1, said


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
def test_options_and_hooks_survive_the_change(tmp_path: Path) -> None:
    """The number of workers goes along, and a user's own `on_exit` runs."""
    name = write(tmp_path, "wrapped")
    (tmp_path / "gunicorn.conf.py").write_text("def on_exit(server):\n    print('own hook')\n")
    with serving(
        *SERVE, name, "--workers", "3", "--graceful-timeout", "4", cwd=tmp_path, **PLATFORM
    ) as server:
        server.wait_for_log("own hook", 60)
        server.wait_for_match(re.compile(r"is ready[\s\S]*?is ready[\s\S]*?is ready"))
        assert server.log().count("Serving ") == 2
        assert server.stop() == 0
        assert server.log().count("is ready") == 3
