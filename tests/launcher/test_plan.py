"""What the launcher decides before it starts anything, and the settings for that."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.errors import AppServiceError
from appsvc_runtime.launcher import options, script
from appsvc_runtime.launcher.options import WORKER_OPTIONS
from appsvc_runtime.launcher.plan import WorkerPlan, make_worker_plan


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with a worker."""
    (tmp_path / "worker.py").write_text("pass")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(environ: dict[str, str] | None = None, **given: Any) -> WorkerPlan:
    named = {f"APPSVC_WORKER_{name}": value for name, value in given.items()}
    return make_worker_plan(["worker.py", "x"], environ or {}, module=False, given=named)


def test_defaults() -> None:
    """Always restarted, a second less than the platform's five, no liveness check, no lease."""
    made = plan()
    assert made.argv == (sys.executable, "worker.py", "x")
    assert (made.name, made.mode, made.grace) == ("worker.py", "always", 4.0)
    assert (made.heartbeat_file, made.health_url, made.singleton, made.logs) == ("", "", "", ())
    assert made.to_stdout


@pytest.mark.parametrize(
    ("settings", "grace"),
    [
        (None, 4.0),
        ('{"stopping_wait_time": 30}', 29.0),
        ('{"stopping_wait_time": 1}', 0.5),
        ('{"stopping_wait_time": 0}', 0.0),
        ('{"stopping_wait_time": 172800}', 172799.0),
        ("{stopping_wait_time: 30, /* seconds */}", 29.0),
        ('{"stopping_wait_time": "soon"}', 4.0),
        ("[]", 4.0),
    ],
    ids=["none", "30", "1", "0", "two-days", "comment", "wrong-type", "no-object"],
)
def test_grace(folder: Path, settings: str | None, grace: float) -> None:
    """In a WebJob it follows settings.job; an explicit value wins, unchanged."""
    if settings is not None:
        (folder / "settings.job").write_text(settings)
    webjob = {"WEBJOBS_NAME": "a"}
    assert plan(webjob).grace == grace
    assert plan().grace == 4.0
    assert plan(webjob, GRACE="7").grace == 7
    assert plan({**webjob, "APPSVC_WORKER_GRACE": "8"}).grace == 8


def test_settings_job_beside_the_script_of_webjobs_path(tmp_path: Path) -> None:
    """It is found even if the job does not run in its own folder."""
    job = tmp_path / "job"
    job.mkdir()
    (job / "settings.job").write_text('{"stopping_wait_time": 11}')
    for path in (job, job / "run.py"):
        assert plan({"WEBJOBS_NAME": "a", "WEBJOBS_PATH": str(path)}).grace == 10


@pytest.mark.parametrize(
    ("environ", "logs", "to_stdout"),
    [
        ({}, [], True),
        ({"WSGI_LOG": "a.log"}, ["a.log"], False),
        ({"WSGI_LOG": "/dev/stdout"}, [], True),
        ({"DiagnosticStore": "store"}, ["store/LogFiles/LaunchWorker.ps1.log"], True),
        ({"DIAGNOSTICSTORE": "store"}, ["store/LogFiles/LaunchWorker.ps1.log"], True),
        (
            {"WSGI_LOG": "a.log", "DiagnosticStore": "s"},
            ["a.log", "s/LogFiles/LaunchWorker.ps1.log"],
            False,
        ),
        (
            {"WSGI_LOG": "s/LogFiles/LaunchWorker.ps1.log", "DiagnosticStore": "s"},
            ["s/LogFiles/LaunchWorker.ps1.log"],
            False,
        ),
    ],
    ids=["stdout", "file", "dev-stdout", "role", "role-upper-case", "both", "the-same"],
)
def test_where_the_output_goes(environ: dict[str, str], logs: list[str], to_stdout: bool) -> None:
    """It goes to the log of every app, and in a role to where tools read it, once each."""
    made = plan(environ)
    assert made.logs == tuple(os.path.abspath(log) for log in logs)
    assert made.to_stdout == to_stdout


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "worker.py"),
        ({"WEBSITE_SITE_NAME": "site"}, "site/worker.py"),
        ({"WEBSITE_SITE_NAME": "site", "WEBJOBS_NAME": "job"}, "site/job/worker.py"),
        ({"WEBSITE_SITE_NAME": "site", "WEBSITE_SLOT_NAME": "b"}, "site/b/worker.py"),
        ({"RoleDeploymentID": "d1"}, "d1/worker.py"),
        ({"APPSVC_WORKER_SINGLETON_NAME": "mine"}, "mine"),
    ],
    ids=["laptop", "site", "webjob", "slot", "role", "named"],
)
def test_name_of_the_lease(environ: dict[str, str], name: str) -> None:
    """All instances of a worker share it, other workers have another."""
    made = plan({"AzureWebJobsStorage": "s", **environ}, SINGLETON=True)
    assert (made.singleton, made.storage) == (name, "s")


@pytest.mark.parametrize(
    "variable",
    ["Store", "APPSETTING_Store", "CUSTOMCONNSTR_Store", "AZUREBLOBSTORAGE_Store", "STORE"],
)
def test_storage_setting(variable: str) -> None:
    """It is an app setting or one of the portal's connection strings, by its name."""
    made = plan({variable: " secret "}, SINGLETON=True, SINGLETON_STORAGE="Store")
    assert made.storage == "secret"
    assert "secret" not in repr(made)


def test_restart_time_of_the_platform() -> None:
    """It applies if the platform's timing is selected."""
    assert plan({"WEBJOBS_RESTART_TIME": "5"}, KUDU_TIMING=True).kudu_pause == 5
    assert plan({"WEBJOBS_RESTART_TIME": "soon"}).kudu_pause == 60


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8081/health", "HTTPS://worker/", "http://[::1]:80"], ids=str
)
def test_health_address(url: str) -> None:
    """It is used as written."""
    assert plan(HEALTH_URL=url).health_url == url


@pytest.mark.parametrize(
    "url",
    "localhost ftp://x/ http:// http:///health http://:80/ http://x:99999/ http://x:port/ "
    "http://x:0/ http://[::1/ http://user:TOPSECRET@/".split(),
    ids=str,
)
def test_health_address_that_nobody_can_have(url: str) -> None:
    """It is refused at the start, and never shown."""
    with pytest.raises(AppServiceError, match="--health-url is not an http") as caught:
        plan(HEALTH_URL=url)
    assert "TOPSECRET" not in str(caught.value)


def test_script_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exit code differs from that of a missing script."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(script, "open", refuse, raising=False)
    with pytest.raises(AppServiceError, match="cannot be read: Permission denied") as caught:
        plan()
    assert caught.value.exit_code == 77


@pytest.mark.parametrize(
    "source",
    [b"x = (", b"\xff", b"# -*- coding: none -*-", b"(" * 10_000, b"a\x00b", b"def f(:\n"],
    ids=["open", "no-utf-8", "no-such-coding", "deep", "nul", "def"],
)
def test_syntax_errors(folder: Path, source: bytes) -> None:
    """The error is one sentence, whatever the compiler raises."""
    (folder / "worker.py").write_bytes(source)
    with pytest.raises(AppServiceError, match="has a syntax error") as caught:
        plan()
    assert caught.value.exit_code == 65


def test_syntax_of_another_python_is_not_judged(folder: Path) -> None:
    """An error in this version's syntax may be correct in the other's."""
    (folder / "worker.py").write_text("x = (")
    other = folder / "python"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert plan(PYTHON=str(other)).argv[0] == str(other)


def test_zip_file_is_run_as_python_runs_it(folder: Path) -> None:
    """It is not checked as source code."""
    (folder / "worker.py").write_bytes(b"PK\x03\x04\xff\x00")
    assert plan().name == "worker.py"


def shown(value: object) -> str:
    """Return an id that is the same in every process."""
    return getattr(value, "__name__", str(value))


Parser = Callable[[str], Any]


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        (options.parse_duration, "2.5", 2.5),
        (options.parse_duration, " 3 ", 3.0),
        (options.parse_duration, "0", 0.0),
        (options.parse_timeout, "0.5", 0.5),
        (options.parse_mode, "Always", "always"),
        (options.parse_mode, " on-failure ", "on-failure"),
        (options.parse_lease, "15", 15),
        (options.parse_lease, "60", 60),
    ],
    ids=shown,
)
def test_parsers_read(parser: Parser, text: str, value: object) -> None:
    """Values as users write them are parsed."""
    assert parser(text) == value


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        (parser, text)
        for parser, texts in (
            (options.parse_duration, ["-1", "nan", "inf", "1e99", "1_0", "a", "", "\u0661"]),
            (options.parse_timeout, ["0", "-0", "0.0", "-1", "nan"]),
            (options.parse_mode, ["", "yes", "on failure"]),
            (options.parse_lease, ["14", "61", "15.5", "-1", "nan"]),
        )
        for text in texts
    ],
    ids=shown,
)
def test_parsers_refuse(parser: Parser, text: str) -> None:
    """ValueError has what was expected."""
    with pytest.raises(ValueError, match=r"^expected "):
        parser(text)


@given(text=st.text(max_size=20))
def test_parsers_give_a_value_or_a_value_error(text: str) -> None:
    """This holds for any text, and the error never contains the text."""
    for option in WORKER_OPTIONS.values():
        said = "expected"
        try:
            option.parser(text)
        except ValueError as error:
            said = str(error)
        assert said.startswith("expected")


@pytest.mark.parametrize("name", WORKER_OPTIONS)
def test_rows(name: str) -> None:
    """Each has its name, a help sentence, and a default without a variable."""
    row = WORKER_OPTIONS[name]
    assert row.name == name
    assert row.help.endswith(".")
    assert row.resolve(None, {}) == row.default
