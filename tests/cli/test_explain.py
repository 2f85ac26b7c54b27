"""`appsvc explain`: the plan as users see it, as text and as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.azure import names
from appsvc_runtime.cli.main import main
from appsvc_runtime.system import process
from tests.support.commands import call

EXAMPLES = Path(__file__).parents[2] / "examples"
ARGS = "GUNICORN_CMD_ARGS"
FIELDS = "framework app command rule site python_version environment looked_at warnings notes"
SETTINGS = (
    ARGS,
    names.DISABLE_FASTAPI,
    names.ENABLE_MULTIWORKERS,
    names.CUSTOM_WORKERS,
    names.CUSTOM_THREADS,
    names.GUNICORN_CONFIG_PATH,
    names.PRE_RUN_COMMAND,
    "PORT",
)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return the folder of a Flask site with the usual startup files."""
    (tmp_path / "app.py").write_text("app = Flask(__name__)\n")
    (tmp_path / "start.txt").write_text("\ufeffgunicorn -t 601 y:app\nsecond\n", encoding="utf-8")
    (tmp_path / "run.sh").write_text("#!/bin/sh\nexec gunicorn y:app\n")
    for name in ("x.py", "y.py"):  # what the startup commands name
        (tmp_path / name).write_text("app = Flask(__name__)\n")
    (tmp_path / "empty.txt").touch()
    return tmp_path


@pytest.fixture
def explain(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs `appsvc explain --json` and returns its JSON."""

    def run(*arguments: str | Path) -> dict[str, Any]:
        assert main(["explain", "--json", *map(str, arguments)]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        answer: dict[str, Any] = json.loads(out)
        assert list(answer) == FIELDS.split()
        return answer

    return run


def run_explain(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "appsvc_runtime", "explain", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**os.environ, "PYTHONUTF8": "1", **env},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("example", "framework", "app"),
    [
        pytest.param("flask_app", "flask", "app:app", id="flask"),
        pytest.param("django_app", "django", "mysite.wsgi", id="django"),
    ],
)
def test_both_examples_are_found_without_a_warning(
    explain: Any, example: str, framework: str, app: str
) -> None:
    """This holds for each Python of the container.

    The example's own startup file is found as well.
    """
    for version in ("3.10", "3.13", "3.14"):
        answer = explain(EXAMPLES / example, "--python-version", version)
        assert (answer["framework"], answer["app"]) == (framework, app)
        assert answer["command"].endswith(f" gunicorn {app}")
        assert (answer["python_version"], answer["warnings"]) == (version, [])
    answer = explain(EXAMPLES / example, "--startup-command", "startup.txt")
    assert (answer["framework"], answer["command"]) == ("custom", "exec appsvc serve")


def test_people_are_told_what_why_and_what_will_surprise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each fact has one line, under its name, on standard output."""
    (tmp_path / "app.py").write_text("site = Flask(__name__)\n")
    assert main(["explain", str(tmp_path), "--python-version", "3.12"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = [tuple(line.split(":", 1)) for line in out.splitlines()]
    told = {name: text.strip() for name, text in lines}
    assert told["Site"] == f"{tmp_path} (Python 3.12)"
    assert (told["Framework"], told["App"]) == ("flask", "app:app")
    assert told["Command"].startswith('GUNICORN_CMD_ARGS="--timeout 600 ')
    assert told["Because"].startswith("app.py is the first of application.py, app.py, ")
    assert [text.split(":")[0].strip() for name, text in lines if name == "Looked at"] == [
        "Django",
        "FastAPI",
        "Flask",
    ]
    assert "app.py defines no `app`" in told["Warning"]
    assert "`exec appsvc serve app:site`" in told["Warning"]


def test_where_no_app_is_known_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default site is not the user's app: JSON has null, the text has words."""
    assert main(["explain", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "Framework:  default\nApp:        not known\n" in out
    assert "Warning:" not in out
    assert main(["explain", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["app"] is None


@pytest.mark.parametrize(
    ("command", "env", "app", "warnings"),
    [
        pytest.param("gunicorn x:api", "", "x:api", [], id="as-it-is"),
        pytest.param("  gunicorn x:api\n", "", "x:api", [], id="blanks-around"),
        pytest.param("gunicorn s.wsgi", "", "s.wsgi", [], id="django"),
        pytest.param("gunicorn -t 600 x:api", "", "x:api", ["600 s in the startup"], id="timeout"),
        pytest.param("gunicorn x:api", "-t 300", "x:api", [f"300 s in {ARGS}"], id="timeout-env"),
        pytest.param("gunicorn -t 30 x:api", "-t 300", "x:api", [], id="the-command-wins"),
        pytest.param("start.txt", "", "y:app", ["601 s in the startup"], id="first-line-bom"),
        pytest.param("empty.txt", "", None, ["line of empty.txt is empty"], id="empty-file"),
        pytest.param("run.sh", "", None, [], id="script"),
        pytest.param("gunicron app:app", "", None, [], id="typo"),
        pytest.param("gunicorn 'app:app", "", None, [], id="unclosed-quote"),
        pytest.param("a\0b", "", None, [], id="nul"),
    ],
)
def test_a_startup_command_is_stronger_than_any_detection(
    explain: Any,
    site: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    env: str,
    app: str | None,
    warnings: list[str],
) -> None:
    """Detection is skipped, whatever the command is; no variable is set."""
    monkeypatch.setenv(ARGS, env)
    answer = explain(site, "--startup-command", command)
    first_lines = {"start.txt": "gunicorn -t 601 y:app", "empty.txt": ""}
    assert (answer["framework"], answer["app"], answer["environment"]) == ("custom", app, {})
    assert answer["command"] == first_lines.get(command, command.strip())
    # tests/startup/test_exec_check.py is about the advice to write `exec`.
    others = [text for text in answer["warnings"] if "write `exec " not in text]
    assert len(others) == len(warnings), others
    for text, part in zip(others, warnings, strict=True):
        assert part in text


@pytest.mark.parametrize("command", [pytest.param("", id="empty"), pytest.param(" \n", id="blank")])
def test_an_empty_startup_command_is_none(explain: Any, site: Path, command: str) -> None:
    """An empty command leaves the choice to detection."""
    assert explain(site, "--startup-command", command)["app"] == "app:app"


def test_the_sites_own_gunicorn_configuration(explain: Any, site: Path) -> None:
    """A detected app's is not read, as gunicorn gets the image's; a startup command's is."""
    assert not explain(site)["warnings"]
    (site / "gunicorn.conf.py").write_text("workers = 2\n")
    assert [text.split(":")[0] for text in explain(site)["warnings"]] == [
        "gunicorn.conf.py is not read"
    ]
    custom = explain(site, "--startup-command", "exec appsvc serve")
    assert custom["notes"] == ["This command reads the site's own gunicorn.conf.py."]
    assert not custom["warnings"]


def test_paths_that_a_built_site_does_not_have(explain: Any, site: Path) -> None:
    """They are named, in the startup command and in files, as are databases that are lost."""
    (site / "views.py").write_text('DB = "sqlite:///shop.db"\nDATA = "/home/site/wwwroot/x"\n')
    warnings = explain(site, "--startup-command", "bash /home/site/wwwroot/run.sh")["warnings"]
    assert [text.partition(": ")[0] for text in warnings] == [
        "The startup command", "views.py, line 1", "views.py, line 2",
    ]  # fmt: skip


def test_the_app_settings_shape_the_command(
    explain: Any, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configuration, workers and threads appear as the container's script adds them."""
    for name, value in {
        names.GUNICORN_CONFIG_PATH: "conf.py",
        names.ENABLE_MULTIWORKERS: "true",
        names.CUSTOM_WORKERS: "3",
        names.CUSTOM_THREADS: "5",
        names.PRE_RUN_COMMAND: "python prepare.py",
    }.items():
        monkeypatch.setenv(name, value)
    answer = explain(site)
    arguments = (
        "--timeout 600 --access-logfile '-' --error-logfile '-' -c conf.py --workers=3 "
        "--threads=5 --chdir=$APP_PATH"
    )
    assert answer["environment"] == {ARGS: arguments}
    assert answer["command"] == f'{ARGS}="{arguments}" gunicorn app:app'
    before = f"{names.PRE_RUN_COMMAND} is run before it: python prepare.py"
    assert answer["looked_at"][-1] == before
    assert explain(site, "--startup-command", "x")["looked_at"] == [before]


def test_workers_are_counted_by_the_cores(
    explain: Any, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number is twice the cores and one, unless it is set."""
    monkeypatch.setattr(process, "cpu_count", lambda: 3)
    assert " --workers=7 --chdir=" in explain(site)["command"]
    monkeypatch.setattr(process, "cpu_count", lambda: 1)
    assert " --workers=3 --chdir=" in explain(site)["command"]
    monkeypatch.setenv(names.ENABLE_MULTIWORKERS, "false")
    assert "--workers" not in explain(site)["command"]


@pytest.mark.parametrize(
    ("version", "framework"),
    [
        pytest.param("3.13", "flask", id="3.13"),
        pytest.param("3.14", "fastapi", id="3.14"),
        pytest.param("3.14.2", "fastapi", id="with-a-patch-level"),
        pytest.param("3.9", "flask", id="3.9-is-before-3.14"),
    ],
)
def test_the_containers_python_is_an_option(
    explain: Any, tmp_path: Path, version: str, framework: str
) -> None:
    """The rules are those of the container's Python.

    Versions are compared as numbers, not as text.
    """
    (tmp_path / "app.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    assert explain(tmp_path, "--python-version", version)["framework"] == framework


def test_this_python_and_this_folder_are_the_defaults(
    explain: Any, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without options the command uses this Python and the current folder."""
    monkeypatch.chdir(site)
    answer = explain()
    assert answer["python_version"] == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert (answer["site"], answer["app"]) == (".", "app:app")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["no-such"], "folder 'no-such' cannot be read: No such file", id="missing"),
        pytest.param(["app.py"], "'app.py' cannot be read: Not a directory", id="file"),
        pytest.param(
            ["--python-version", "3.x"], "'3.x' is not a Python version", id="version-word"
        ),
        pytest.param(["--python-version", "3"], "'3' is not a Python version", id="version-major"),
        pytest.param(["--python-version", "٣.١٣"], "is not a Python version", id="version-arabic"),
        pytest.param(["--nonsense"], "No such option", id="unknown-option"),
        pytest.param([".", "x"], "unexpected extra argument", id="two-sites"),
    ],
)
def test_a_wrong_argument_ends_with_2_and_one_message(
    site: Path, arguments: list[str], message: str
) -> None:
    """The message is on standard error, without a traceback; standard output is empty."""
    done = call("explain", *arguments, cwd=site)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert done.stderr.count("Error: ") == 1


def test_the_real_command_prints_json_and_nothing_else(site: Path) -> None:
    """This includes names beyond ASCII, with warnings as errors."""
    folder = site / "größe"
    folder.mkdir()
    (folder / "wsgi.py").write_text("application = '\\d'\n")
    done = run_explain(".", "--json", cwd=site, PYTHONWARNINGS="error")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert (answer["app"], answer["warnings"]) == ("größe.wsgi", [])


def test_no_secret_of_a_command_is_shown(
    explain: Any, site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """This holds for the startup command and commands in settings, unless secrets are requested."""
    monkeypatch.setenv(names.PRE_RUN_COMMAND, "export API_KEY=S3cr3t")
    monkeypatch.setenv(names.GUNICORN_CONFIG_PATH, "x.py --raw-env DB_PASSWORD=S3cr3t")
    (site / "first.txt").write_text("DB_PASSWORD=S3cr3t gunicorn y:app\n")
    commands = ("DB_PASSWORD=S3cr3t gunicorn --api-key S3cr3t y:app", "first.txt", None)
    for command in commands:
        arguments = [str(site), *(["--startup-command", command] if command else [])]
        assert "S3cr3t" not in json.dumps(explain(*arguments))
        assert main(["explain", *arguments]) == 0
        assert "S3cr3t" not in capsys.readouterr().out
        assert main(["explain", "--show-secrets", *arguments]) == 0
        assert "export API_KEY=S3cr3t" in capsys.readouterr().out
    shown = explain(str(site), "--startup-command", commands[0])["command"]
    assert shown == "DB_PASSWORD=******** gunicorn --api-key ******** y:app"


@pytest.mark.skipif(sys.platform == "win32", reason="no such name can be there")
def test_no_file_writes_to_the_terminal(tmp_path: Path) -> None:
    """Names of folders and the contents of the startup file are printed without control codes."""
    folder = tmp_path / "ab\x1b[31m\x9b2Jcd\n"
    folder.mkdir()
    (folder / "wsgi.py").touch()
    (tmp_path / "startup.txt").write_text(
        "gunicorn \x1b]0;title\x07 \x9b2J \u202e app:app\n", "utf-8"
    )
    calls = [["."], [".", "--startup-command", "startup.txt"], ["no\x1b[31m\x07such"]]
    for arguments in [*calls, *(["--json", *one] for one in calls)]:
        done = call("explain", *arguments, cwd=tmp_path)
        for line in (done.stdout + done.stderr).split("\n"):
            assert line.isprintable(), line
