"""The table of servers: which row is taken, what it needs, what it cannot honour."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path

import granian
import pytest
import uvicorn

import appsvc_runtime
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.serving import defaults, servers
from appsvc_runtime.serving.servers import SERVERS, choose
from appsvc_runtime.system import process
from tests.support.servers import clean_environ

NAMES = list(SERVERS)


@pytest.mark.parametrize(
    ("argument", "environ", "chosen"),
    [
        pytest.param(None, {}, "waitress", id="default"),
        pytest.param(None, {"APPSVC_SERVER": "granian"}, "granian", id="variable"),
        pytest.param(None, {"APPSVC_SERVER": " Granian\n"}, "granian", id="as-people-write"),
        pytest.param(None, {"APPSVC_SERVER": " "}, "waitress", id="set-to-nothing"),
        pytest.param("uvicorn", {"APPSVC_SERVER": "granian"}, "uvicorn", id="argument-first"),
    ],
)
def test_which_row_is_taken(argument: str | None, environ: dict[str, str], chosen: str) -> None:
    """The argument, the variable, the door's own."""
    assert choose(argument, environ, "waitress").name == chosen


@pytest.mark.parametrize("source", ["--server", "APPSVC_SERVER"])
def test_a_name_that_is_in_no_row(source: str) -> None:
    """Is refused with those that are."""
    argument = "apache" if source == "--server" else None
    with pytest.raises(ConfigError, match=f"^{source} names 'apache'") as caught:
        choose(argument, {"APPSVC_SERVER": "apache"}, "waitress")
    assert all(name in (caught.value.hint or "") for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_is_not_installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with what helps."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="is not installed") as caught:
        SERVERS[name].check()
    assert SERVERS[name].install in (caught.value.hint or "")
    assert SERVERS[name].install.startswith("pip install ")


def test_a_server_that_is_not_for_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are named; they are not refused."""
    monkeypatch.setattr(process, "WINDOWS", True)
    others = [row for row in SERVERS.values() if row.windows]
    for row in others:
        row.check()
    for row in SERVERS.values():
        if not row.windows:
            with pytest.raises(ConfigError, match="does not run on Windows") as caught:
                row.check()
            assert all(other.name in (caught.value.hint or "") for other in others)


def test_the_command_says_so_with_code_2(tmp_path: Path) -> None:
    """As a user sees it, without a traceback."""
    code = "import sys; sys.modules['granian'] = None; from appsvc_runtime.cli.main import main; "
    code += "sys.exit(main(['serve', 'app:app', '--server', 'granian']))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.startswith("Error: The server granian is not installed for this Python.")
    assert 'pip install "appsvc-runtime[granian]"' in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "environ", "threads", "said"),
    [
        pytest.param("gunicorn", {"GUNICORN_CMD_ARGS": "x"}, 3, [], id="gunicorn-knows-all"),
        pytest.param("waitress", {"WEB_CONCURRENCY": "2"}, 3, ["WEB_CONCURRENCY"], id="waitress"),
        pytest.param("waitress", {"APPSVC_WORKERS": " "}, None, [], id="set-to-nothing"),
        pytest.param(
            "granian", {"APPSVC_WORKERS": "2", "APPSVC_THREADS": "2"}, 3, [], id="granian"
        ),
        pytest.param(
            "granian",
            {"GUNICORN_CMD_ARGS": "x", "PYTHON_USE_GUNICORN_CONFIG_FROM_PATH": "y"},
            None,
            ["GUNICORN_CMD_ARGS", "PYTHON_USE_GUNICORN_CONFIG_FROM_PATH"],
            id="gunicorns-own",
        ),
        pytest.param(
            "uvicorn", {"APPSVC_THREADS": "2"}, 3, ["--threads", "APPSVC_THREADS"], id="uvicorn"
        ),
    ],
)
def test_what_a_server_cannot_honour_is_said(
    name: str, environ: dict[str, str], threads: int | None, said: list[str]
) -> None:
    """A sentence for each."""
    sentences = SERVERS[name].unused(environ, threads)
    assert sentences == [f"{one} means nothing to {name} and is not used." for one in said]


def test_a_release_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is said with what helps, and not by a traceback."""
    monkeypatch.setitem(sys.modules, "granian._signals", None)
    monkeypatch.delitem(sys.modules, "appsvc_runtime.serving.granian.run", raising=False)
    with pytest.raises(ConfigError, match="granian that is installed is none") as caught:
        SERVERS["granian"].load()
    assert "--upgrade" in (caught.value.hint or "")


def test_gunicorn_20_without_the_setuptools_that_it_imports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It needs pkg_resources, which is in setuptools no more: what helps is said."""
    missing = ModuleNotFoundError("No module named 'pkg_resources'", name="pkg_resources")

    def import_module(*_: object) -> None:
        raise missing

    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(ConfigError, match="No module named 'pkg_resources'") as caught:
        SERVERS["gunicorn"].load()
    assert 'pip install "setuptools<82"' in (caught.value.hint or "")
    assert "pip install gunicorn --upgrade" in (caught.value.hint or "")


@pytest.mark.parametrize("name", NAMES)
def test_every_row_has_a_door(name: str) -> None:
    """A function that runs it; and its options are there."""
    assert callable(SERVERS[name].load())
    assert SERVERS[name].settings({})
    assert set(SERVERS[name].interfaces) <= {"wsgi", "asgi"}
    assert "SIGTERM" in SERVERS[name].stop_signals


def test_granian_and_uvicorn_take_every_setting() -> None:
    """Each is an argument of theirs."""
    ours = defaults.granian_settings({}, 2)
    assert set(ours) <= set(inspect.signature(granian.Granian).parameters)
    assert set(defaults.uvicorn_settings({}, 2)) <= set(
        inspect.signature(uvicorn.Config).parameters
    )


@pytest.mark.parametrize("settings", [defaults.granian_settings, defaults.uvicorn_settings])
def test_workers_follow_the_cores_and_what_is_said(settings: object) -> None:
    """As gunicorn's do."""
    assert callable(settings)
    for cores in (1, 2, 4, 64):
        expected = defaults.gunicorn_settings({}, cores)["workers"]
        assert settings({}, cores)["workers"] == expected
    assert settings({"APPSVC_WORKERS": "3", "WEB_CONCURRENCY": "5"}, 2)["workers"] == 3
    assert settings({"WEB_CONCURRENCY": "5"}, 2)["workers"] == 5
    with pytest.raises(ConfigError, match="APPSVC_WORKERS"):
        settings({"APPSVC_WORKERS": "many"}, 2)


def test_granian_has_one_worker_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot share a socket there."""
    monkeypatch.setattr(process, "WINDOWS", True)
    assert defaults.granian_settings({}, 8)["workers"] == 1


def test_threads_of_granian() -> None:
    """The argument, APPSVC_THREADS, the platform's where they are switched on, ours."""
    threads = defaults.granian_threads
    platform = {"PYTHON_ENABLE_GUNICORN_MULTIWORKERS": "true"}
    platform |= {"PYTHON_GUNICORN_CUSTOM_THREAD_NUM": "9"}
    assert threads({}) == defaults.GRANIAN_THREADS
    assert threads(platform) == 9
    assert threads({**platform, "APPSVC_THREADS": "7"}) == 7
    assert threads({**platform, "APPSVC_THREADS": "7"}, 5) == 5


def test_nobody_else_asks_for_a_server_by_its_name() -> None:
    """A server is a row: no comparison anywhere has its name."""
    package = Path(appsvc_runtime.__file__).parent
    looked_at = 0
    for path in package.rglob("*.py"):
        if "emulator" in path.parts:  # plays the platform, which knows gunicorn alone
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Compare):
                looked_at += 1
                words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
                assert not words & set(NAMES), f"{path.name}:{node.lineno}"
    assert looked_at > 100
    assert package in Path(servers.__file__).parents
