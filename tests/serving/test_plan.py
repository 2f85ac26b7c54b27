"""The plan of a start: what is resolved, from which source, and only once."""

from __future__ import annotations

import ast
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest

import appsvc_runtime
from appsvc_runtime.errors import AppLoadError, ConfigError
from appsvc_runtime.serving.servers import SERVERS
from appsvc_runtime.settings.options import OPTIONS
from tests.support.plans import planned

PACKAGE = Path(appsvc_runtime.__file__).parent
BOTH = pytest.mark.parametrize("container", [True, False], ids=["serve", "runserver"])
ROWS = pytest.mark.parametrize("server", SERVERS)


@ROWS
@BOTH
def test_a_plan_is_plain_frozen_data(server: str, container: bool) -> None:
    """It can be passed to another process, and cannot be changed on the way."""
    plan = planned({}, server, container=container)
    assert pickle.loads(pickle.dumps(plan)) == plan
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.port = 1  # type: ignore[misc]


@ROWS
@pytest.mark.parametrize(
    ("container", "environ", "given", "bind"),
    [
        pytest.param(True, {}, {}, "0.0.0.0:8000", id="serve"),
        pytest.param(True, {"PORT": "81"}, {}, "0.0.0.0:81", id="serve-PORT"),
        pytest.param(True, {"HTTP_PLATFORM_PORT": "x"}, {}, "0.0.0.0:8000", id="serve-others"),
        pytest.param(True, {"PORT": "x"}, {"port": "82"}, "0.0.0.0:82", id="serve-argument"),
        pytest.param(True, {}, {"host": "::1", "port": "0"}, "[::1]:0", id="serve-free"),
        pytest.param(False, {}, {}, "127.0.0.1:8000", id="runserver"),
        pytest.param(
            False, {"PORT": "x", "HTTP_PLATFORM_PORT": "83"}, {}, "127.0.0.1:83", id="runserver-iis"
        ),
    ],
)
def test_where_every_server_listens(
    server: str, container: bool, environ: dict[str, str], given: dict[str, str], bind: str
) -> None:
    """The order is: command line, variables of the entry point, 8000."""
    assert planned(environ, server, container=container, **given).bind == bind


@ROWS
@BOTH
@pytest.mark.parametrize("name", [n for n, row in OPTIONS.items() if row.default is not None])
def test_a_setting_that_only_a_worker_reads_is_refused_beforehand(
    server: str, container: bool, name: str
) -> None:
    """Every server refuses it, whether it uses the setting or not."""
    try:
        OPTIONS[name].parser("s3cret/\0p4ss")
    except ValueError:
        with pytest.raises(ConfigError, match=name) as caught:
            planned({name: "s3cret/\0p4ss"}, server, container=container)
        assert "s3cret" not in str(caught.value)


def test_what_only_the_middleware_finds_wrong_is_refused_beforehand() -> None:
    """An invalid address is well-formed text for the table of settings."""
    with pytest.raises(ConfigError, match="APPSVC_TRUSTED_PROXIES"):
        planned({"APPSVC_TRUSTED_PROXIES": "no-network"}, "waitress")


@ROWS
@pytest.mark.parametrize(
    ("container", "variable", "lines"),
    [
        pytest.param(True, "", None, id="container"),
        pytest.param(True, "false", False, id="container-switched-off"),
        pytest.param(True, "true", True, id="container-switched-on"),
        pytest.param(False, "", False, id="runserver"),
        pytest.param(False, "1", True, id="runserver-switched-on"),
    ],
)
def test_access_lines(server: str, container: bool, variable: str, lines: bool | None) -> None:
    """In a container the middleware writes them if the server does not.

    A variable overrides this.
    """
    plan = planned({"APPSVC_ACCESS_LOG": variable}, server, container=container)
    assert plan.access_lines is (not SERVERS[server].own_access_line if lines is None else lines)


def test_the_app_is_chosen_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is: argument, variable, detection in the site's folder; its path is absolute."""
    (tmp_path / "app.py").write_text("app = None\n")
    monkeypatch.chdir(tmp_path.parent)  # on Windows the tests may be on another drive
    site = tmp_path.name
    plan = planned({}, "waitress", app=None, site=site)
    assert (plan.app, plan.site) == ("app:app", str(tmp_path))
    assert plan.reason.startswith("detected: ")
    assert planned({"APPSVC_APP": "b:c"}, "waitress", app=None).app == "b:c"
    assert planned({"APPSVC_APP": "b:c"}, "waitress", app="d:e").app == "d:e"
    (tmp_path / "app.py").unlink()
    with pytest.raises(AppLoadError, match="No app was found"):
        planned({}, "waitress", app=None, site=site)


@pytest.mark.parametrize(
    ("environ", "location", "binds"),
    [
        pytest.param({}, "", False, id="none"),
        pytest.param({"GUNICORN_CMD_ARGS": "-w 2 -b :81"}, "", True, id="bind"),
        pytest.param({"GUNICORN_CMD_ARGS": "-c mine.py"}, "mine.py", True, id="arguments"),
        pytest.param(
            {"PYTHON_USE_GUNICORN_CONFIG_FROM_PATH": " mine.py\n"}, "mine.py", True, id="variable"
        ),
        pytest.param(
            {"PYTHON_USE_GUNICORN_CONFIG_FROM_PATH": "file:mine.py"}, "file:mine.py", True,
            id="file",
        ),
        pytest.param(
            {"GUNICORN_CMD_ARGS": "-c python:a.b"}, "python:a.b", True, id="module"
        ),
    ],
)  # fmt: skip
def test_the_configuration_of_gunicorns_user(
    environ: dict[str, str], location: str, binds: bool, tmp_path: Path
) -> None:
    """It is searched in the site's folder, not the current one; only gunicorn has such a file."""
    (tmp_path / "mine.py").touch()
    own = planned(environ, "gunicorn", site=str(tmp_path)).own
    assert (own.location, own.binds) == (location, binds)
    assert not planned(environ, "waitress", site=str(tmp_path)).own.location
    (tmp_path / "gunicorn.conf.py").touch()
    own = planned(environ, "gunicorn", site=str(tmp_path)).own
    assert own.location == (location or "gunicorn.conf.py")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        pytest.param(
            {"PYTHON_USE_GUNICORN_CONFIG_FROM_PATH": "no.py"},
            "PYTHON_USE_GUNICORN_CONFIG_FROM_PATH does not exist", id="variable",
        ),
        pytest.param(
            {"GUNICORN_CMD_ARGS": "-c no.py"}, "GUNICORN_CMD_ARGS does not exist", id="arguments"
        ),
        pytest.param({"GUNICORN_CMD_ARGS": "-c 'no.py"}, "not closed", id="quotation-mark"),
        pytest.param({"GUNICORN_CMD_ARGS": "--nonsense"}, "--nonsense", id="unknown"),
        pytest.param({"GUNICORN_CMD_ARGS": "--threads x"}, "CMD_ARGS .*--threads", id="x"),
        pytest.param({"GUNICORN_CMD_ARGS": "-b"}, "CMD_ARGS .*expected one", id="no-value"),
    ],
)  # fmt: skip
def test_a_configuration_of_gunicorns_user_that_cannot_be_read(
    environ: dict[str, str], said: str
) -> None:
    """The error is one sentence, with the variable."""
    with pytest.raises(ConfigError, match=said) as caught:
        planned(environ, "gunicorn")
    assert caught.value.hint


def calls(path: Path) -> list[str]:
    """Return the last names of what a module calls."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            named: Any = node.func
            found.append(getattr(named, "attr", getattr(named, "id", "")))
    return found


@pytest.mark.parametrize("function", ["choose_port", "make_plan"])
def test_one_place_chooses(function: str) -> None:
    """The port is chosen in one module; plans are made at a start, or by gunicorn's settings."""
    allowed = {
        "choose_port": {"serving/plan.py", "settings/settings.py"},  # a property of the settings
        "make_plan": {"serving/start.py", "gunicorn_conf.py"},
    }
    others = ("emulator", "startup", "cli", "doctor")  # these have other plans
    callers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if function in calls(path) and path.relative_to(PACKAGE).parts[0] not in others
    }
    assert callers - {"apps/load.py"} == allowed[function]
