"""The table of servers: which row is used, what it requires, which options it cannot support."""

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
from tests.support.plans import planned, settings_of
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
    """The order is: argument, variable, the entry point's default."""
    assert choose(argument, environ, "waitress").name == chosen


@pytest.mark.parametrize("source", ["--server", "APPSVC_SERVER"])
def test_a_name_that_is_in_no_row(source: str) -> None:
    """The error lists the valid names."""
    argument = "apache" if source == "--server" else None
    with pytest.raises(ConfigError, match=f"^{source} names 'apache'") as caught:
        choose(argument, {"APPSVC_SERVER": "apache"}, "waitress")
    assert all(name in (caught.value.hint or "") for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_is_not_installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is one sentence with the command that installs it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="is not installed") as caught:
        SERVERS[name].check()
    assert SERVERS[name].install in (caught.value.hint or "")
    assert SERVERS[name].install.startswith("pip install ")


def test_a_server_that_is_not_for_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the other servers, which are accepted."""
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
    """The user sees the message without a traceback."""
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
    ("name", "environ", "given", "said"),
    [
        pytest.param(
            "gunicorn", {"GUNICORN_CMD_ARGS": "-w 3"}, {"threads": 3, "workers": 2}, [],
            id="gunicorn-knows-all",
        ),
        pytest.param("waitress", {}, {"threads": 3}, [], id="waitress"),
        pytest.param("waitress", {"APPSVC_WORKERS": " "}, {}, [], id="set-to-nothing"),
        pytest.param(
            "granian", {"APPSVC_WORKERS": "2", "APPSVC_THREADS": "2"}, {"threads": 3}, [],
            id="granian",
        ),
        pytest.param(
            "granian",
            {"GUNICORN_CMD_ARGS": "x", "PYTHON_USE_GUNICORN_CONFIG_FROM_PATH": "y"},
            {},
            ["GUNICORN_CMD_ARGS", "PYTHON_USE_GUNICORN_CONFIG_FROM_PATH"],
            id="gunicorns-own",
        ),
        pytest.param(
            "uvicorn", {"APPSVC_THREADS": "2"}, {"threads": 3, "workers": 2},
            ["--threads", "APPSVC_THREADS"], id="uvicorn",
        ),
    ],
)  # fmt: skip
def test_what_a_server_cannot_honour_is_reported(
    name: str, environ: dict[str, str], given: dict[str, int], said: list[str]
) -> None:
    """There is one sentence for each."""
    sentences = [one for one in planned(environ, name, **given).warnings if "not used" in one]
    assert sentences == [f"{one} means nothing to {name} and is not used." for one in said]


@pytest.mark.parametrize("name", ["--workers", "APPSVC_WORKERS", "WEB_CONCURRENCY"])
@pytest.mark.parametrize(("server", "windows"), [("waitress", False), ("granian", True)])
def test_a_server_of_one_process_says_so(
    name: str, server: str, windows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever sets the number of workers, the server runs one process."""
    monkeypatch.setattr(process, "WINDOWS", windows)
    given = {"workers": 3} if name == "--workers" else {}
    environ = {} if name == "--workers" else {name: "3"}
    plan = planned(environ, server, container=not windows, **given)
    assert [one for one in plan.warnings if "not used" in one] == [
        f"{name} means nothing to {server}, which has one process here, and is not used."
    ]
    assert plan.workers == 1


def test_a_release_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has a hint, and is not a traceback."""
    monkeypatch.setitem(sys.modules, "granian._signals", None)
    monkeypatch.delitem(sys.modules, "appsvc_runtime.serving.granian.run", raising=False)
    with pytest.raises(
        ConfigError, match="does not support the installed release of granian"
    ) as caught:
        SERVERS["granian"].load()
    assert "--upgrade" in (caught.value.hint or "")


def test_gunicorn_20_without_the_setuptools_that_it_imports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It needs pkg_resources, which setuptools no longer contains: the hint names the solution."""
    missing = ModuleNotFoundError("No module named 'pkg_resources'", name="pkg_resources")

    def import_module(*_: object) -> None:
        raise missing

    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(ConfigError, match="No module named 'pkg_resources'") as caught:
        SERVERS["gunicorn"].load()
    assert 'pip install "setuptools<82"' in (caught.value.hint or "")
    assert "pip install gunicorn --upgrade" in (caught.value.hint or "")


@pytest.mark.parametrize("name", NAMES)
def test_every_row_has_a_runner(name: str) -> None:
    """Each has a function that runs it, and settings."""
    assert callable(SERVERS[name].load())
    assert settings_of({}, name)
    assert set(SERVERS[name].interfaces) <= {"wsgi", "asgi"}
    assert "SIGTERM" in SERVERS[name].stop_signals


def test_granian_and_uvicorn_take_every_setting() -> None:
    """Each setting is one of their arguments."""
    for name, target in (("granian", granian.Granian), ("uvicorn", uvicorn.Config)):
        assert set(settings_of({}, name)) <= set(inspect.signature(target).parameters)


@pytest.mark.parametrize("name", ["granian", "uvicorn"])
def test_workers_follow_the_cores_and_what_is_said(name: str) -> None:
    """The numbers are those for gunicorn."""
    for cores in (1, 2, 4, 64):
        expected = settings_of({}, "gunicorn", cores=cores)["workers"]
        assert settings_of({}, name, cores=cores)["workers"] == expected
    both = {"APPSVC_WORKERS": "3", "WEB_CONCURRENCY": "5"}
    assert settings_of(both, name, workers=7)["workers"] == 7
    assert settings_of(both, name)["workers"] == 3
    assert settings_of({"WEB_CONCURRENCY": "5"}, name)["workers"] == 5
    with pytest.raises(ConfigError, match="APPSVC_WORKERS"):
        settings_of({"APPSVC_WORKERS": "many"}, name)


def test_granian_has_one_worker_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot share a socket on Windows."""
    monkeypatch.setattr(process, "WINDOWS", True)
    assert settings_of({}, "granian", cores=8)["workers"] == 1


def test_threads_of_granian() -> None:
    """The order is: argument, APPSVC_THREADS, the platform's if switched on, ours."""
    platform = {"PYTHON_ENABLE_GUNICORN_MULTIWORKERS": "true"}
    platform |= {"PYTHON_GUNICORN_CUSTOM_THREAD_NUM": "9"}
    ours = {**platform, "APPSVC_THREADS": "7"}
    assert planned({}, "granian").threads == defaults.GRANIAN_THREADS
    assert planned(platform, "granian").threads == 9
    assert planned(ours, "granian").threads == 7
    assert planned(ours, "granian", threads=5).threads == 5


def test_nobody_else_asks_for_a_server_by_its_name() -> None:
    """All differences between servers are in the table: no comparison contains a server's name."""
    package = Path(appsvc_runtime.__file__).parent
    looked_at = 0
    for path in package.rglob("*.py"):
        # Two folders describe what the platform does, which knows only gunicorn; the doctor reads
        # commands that a user wrote, also of servers that are not ours.
        if {"emulator", "startup", "doctor"} & set(path.relative_to(package).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Compare):
                looked_at += 1
                words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
                assert not words & set(NAMES), f"{path.name}:{node.lineno}"
    assert looked_at > 100
    assert package in Path(servers.__file__).parents
