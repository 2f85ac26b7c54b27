"""The command and its help: what is listed, what is imported, and the same code elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import appsvc_runtime
from appsvc_runtime.cli import commands, main
from appsvc_runtime.cli.commands import Commands
from appsvc_runtime.launcher.options import WORKER_OPTIONS
from appsvc_runtime.settings.options import OPTIONS
from tests.support.servers import clean_environ, free_port, run

COMMANDS = [
    "build", "doctor", "emulate", "explain", "runserver", "serve", "settings", "worker",
]  # fmt: skip
LINES = 24
COLUMNS = 80


def shown_help(*words: str) -> str:
    result = run("-m", "appsvc_runtime", *words, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_the_help_fits_a_screen() -> None:
    """Every command is on one line, with its whole summary.

    The help names the command for settings.
    """
    shown = shown_help()
    lines = shown.splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    listed = shown.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS
    for line in listed:
        assert re.fullmatch(r"  \w+ +[A-Z].*[^.]\.", line), line
    assert "appsvc settings --options" in shown


def test_every_command_that_is_listed_is_there() -> None:
    """Each listed command can be loaded."""
    context = click.Context(main.cli)
    for name in COMMANDS:
        command = main.cli.get_command(context, name)
        assert isinstance(command, click.Command)
        assert name in (command.name, "settings")
    assert [*commands._SUMMARIES] == COMMANDS


def test_a_summary_does_not_end_in_the_middle() -> None:
    """This is for an added command with a long summary, which click would cut."""
    words = "Do one thing after another until every one of them is done and none is left to do."
    group = Commands("group", commands=[click.Command("long", help=words)])
    shown = group.get_help(click.Context(group, info_name="group"))
    assert words in " ".join(shown.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_in_users_words(command: str) -> None:
    """The help has no internal word for an entry point, and shows defaults by name and value."""
    shown = shown_help(command)
    assert shown.startswith(f"Usage: appsvc {command} ")
    assert not re.search(r"\b(door|room)s?\b", shown.replace("Front Door", ""), re.IGNORECASE)
    assert not re.search(r"\[default:[^]]*\belse\b", shown)


def test_texts_and_messages_use_the_fields_words() -> None:
    """This includes help texts of the tables; Front Door is the name of a product."""
    for row in [*OPTIONS.values(), *WORKER_OPTIONS.values()]:
        assert not re.search(r"\bdoors?\b", row.help.replace("Front Door", ""), re.IGNORECASE)


LOADED = """
import json, sys
from appsvc_runtime.cli.main import main
code = main(json.loads(sys.argv[1]))
print(json.dumps(sorted(sys.modules)))
sys.exit(code)
"""
HEAVY = {"aiohttp", "gunicorn", "waitress", "granian", "uvicorn", "asyncio", "defusedxml"}


@pytest.mark.parametrize(
    "words", [["--help"], ["serve", "--help"], ["settings", "--options"], ["--version"]]
)
def test_what_the_help_loads(words: list[str]) -> None:
    """No server, no library of the emulator, and of the launcher only its table is imported."""
    result = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(words)], env=clean_environ(),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    loaded = set(json.loads(result.stdout.splitlines()[-1]))
    assert not loaded & HEAVY
    launcher = {name for name in loaded if name.startswith("appsvc_runtime.launcher.")}
    assert launcher <= {"appsvc_runtime.launcher.options"}
    assert not {name for name in loaded if name.startswith("appsvc_runtime.emulator")}


@pytest.mark.parametrize(
    ("words", "module", "code"),
    [
        pytest.param(["worker", "missing.py"], "worker", 66, id="worker-no-script"),
        pytest.param(["worker", "--grace", "x", "w.py"], "worker", 2, id="worker-option"),
        pytest.param(["worker", "--once", "w.py", "--help"], "worker", 7, id="worker-own-code"),
        pytest.param(["worker"], "worker", 2, id="worker-nothing"),
        pytest.param(["runserver", "--port", "x"], "runserver", 2, id="runserver-port"),
        pytest.param(["runserver", "no:app", "--port", "0"], "runserver", 1, id="runserver-app"),
        pytest.param(["runserver", "--server", "apache"], "runserver", 2, id="runserver-server"),
    ],
)
@pytest.mark.integration
def test_subcommands_are_the_modules(
    words: list[str], module: str, code: int, tmp_path: Path
) -> None:
    """Exit codes and messages are the same, whether as subcommand or as module."""
    (tmp_path / "w.py").write_text("import sys; print(sys.argv[1:]); sys.exit(7)\n")
    below = run("-m", "appsvc_runtime", *words, cwd=tmp_path)
    alone = run("-m", f"appsvc_runtime.{module}", *words[1:], cwd=tmp_path)
    assert below.returncode == alone.returncode == code, below.stderr + below.stdout
    assert said(below.stderr) == said(alone.stderr)


def said(text: str) -> list[str]:
    """Return the lines of errors, without the times of a log."""
    return [line for line in text.splitlines() if line.startswith("Error")]


@pytest.mark.integration
def test_a_workers_queue_is_not_the_launchers(tmp_path: Path) -> None:
    """`python -m` searches the current folder first, where modules belong to the worker."""
    for name in ("queue", "json", "click", "threading"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')\n")
    (tmp_path / "w.py").write_text("print('it works')\n")
    result = run("-m", "appsvc_runtime", "worker", "--once", "w.py", cwd=tmp_path)
    assert (result.returncode, "it works" in result.stdout) == (0, True), result.stderr


@pytest.mark.integration
def test_runserver_below_the_command_serves_the_current_folder(tmp_path: Path) -> None:
    """It does not serve the folder of the command's own script."""
    (tmp_path / "app.py").write_text("raise SystemExit('found')\n")
    script = tmp_path / "bin" / "appsvc"
    script.parent.mkdir()
    script.write_text("from appsvc_runtime.cli.main import entry_point\nentry_point()\n")
    result = run(str(script), "runserver", "--port", str(free_port()), cwd=tmp_path)
    assert result.returncode == 1
    assert "Error: The app 'app:app' cannot be loaded" in result.stderr, result.stderr


def test_settings_that_the_package_has() -> None:
    """Each is listed with its sentence, in lines that fit a terminal, and as JSON."""
    result = run("-m", "appsvc_runtime", "settings", "--options", COLUMNS=str(COLUMNS))
    assert max(map(len, result.stdout.splitlines())) <= COLUMNS
    joined = " ".join(result.stdout.split())
    for row in [*OPTIONS.values(), *WORKER_OPTIONS.values()]:
        assert f"{row.name} {row.help}" in joined
    rows = json.loads(run("-m", "appsvc_runtime", "settings", "--options", "--json").stdout)
    assert [row["name"] for row in rows] == [*OPTIONS, *WORKER_OPTIONS]
    assert {row["group"] for row in rows} == {"web", "worker"}


@pytest.mark.parametrize(
    ("line", "completed"),
    [("appsvc s", {"serve", "settings"}), ("appsvc w", {"worker"}),
     ("appsvc serve --wo", {"--workers"}), ("appsvc worker --gr", {"--grace"})],
)  # fmt: skip
def test_shells_complete_commands_and_options(line: str, completed: set[str]) -> None:
    """click's own script for bash makes such requests, also for commands that are imported late."""
    variables = {"_APPSVC_COMPLETE": "bash_complete", "COMP_WORDS": line}
    result = run("-m", "appsvc_runtime", COMP_CWORD=str(line.count(" ")), **variables)
    assert (result.returncode, result.stderr) == (0, "")
    assert {one.partition(",")[2] for one in result.stdout.split()} == completed


def test_an_unknown_command() -> None:
    """The error is one sentence, with exit code 2."""
    result = run("-m", "appsvc_runtime", "servve")
    assert (result.returncode, "No such command 'servve'" in result.stderr) == (2, True)
    assert main.main(["servve"]) == 2
    assert Path(appsvc_runtime.__file__).is_file()
