"""The README is true: its table of settings, its commands, and what it shows."""

from __future__ import annotations

import re

import click

from appsvc_runtime.cli import main
from appsvc_runtime.launcher.options import WORKER_OPTIONS
from appsvc_runtime.serving.servers import SERVERS
from appsvc_runtime.settings.options import OPTIONS
from tests.support.servers import ROOT, run

README = (ROOT / "README.md").read_text("utf-8")


def test_the_table_of_settings_is_that_of_the_package() -> None:
    """One table feeds the middleware, the doors, the help and the README."""
    expected = [f"| `{row.name}` | {row.help} |" for row in OPTIONS.values()]
    part = README.partition("appsvc_runtime.settings.options; a test compares -->")[2]
    assert table(part.partition("<!-- end -->")[0]) == expected


def test_the_table_of_the_launchers_settings_is_that_of_the_package() -> None:
    """The launcher's help and the README are fed from one table as well."""
    expected = [f"| `{row.name}` | {row.help} |" for row in WORKER_OPTIONS.values()]
    part = README.partition("appsvc_runtime.launcher.options; a test compares -->")[2]
    assert table(part.partition("<!-- end of the launcher's -->")[0]) == expected
    shown = run("-m", "appsvc_runtime.worker", "--help").stdout
    for name in WORKER_OPTIONS:
        assert f"--{name.removeprefix('APPSVC_WORKER_').lower().replace('_', '-')}" in shown


def test_the_table_of_servers_is_that_of_the_package() -> None:
    """What each can run, where, how to get it, and why to take it."""
    part = README.partition("appsvc_runtime.serving.servers; a test compares -->")[2]
    shown = table(part.partition("<!-- end of the servers -->")[0])
    assert len(shown) == len(SERVERS)
    for line, row in zip(shown, SERVERS.values(), strict=True):
        name, apps, systems, install, why = (cell.strip() for cell in line.strip("|").split("|"))
        assert (name, install, why) == (f"`{row.name}`", f"`{row.install}`", row.why)
        assert apps.lower().split(" and ") == list(row.interfaces)
        assert ("Windows" in systems) is row.windows


def table(part: str) -> list[str]:
    """Give the rows of a table of settings."""
    return [line for line in part.splitlines() if line.startswith("| `")]


def test_the_help_names_every_setting() -> None:
    """`appsvc settings --options` and the README say the same."""
    result = run("-m", "appsvc_runtime", "settings", "--options")
    assert [name for name in {**OPTIONS, **WORKER_OPTIONS} if name not in result.stdout] == []
    commands = main.cli.list_commands(click.Context(main.cli))
    assert commands == ["build", "emulate", "explain", "runserver", "serve", "settings", "worker"]


def test_the_map_shows_what_is_there() -> None:
    """docs/architecture.md names each folder of the package, and no file that is gone."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    paths = [
        path.relative_to(ROOT).as_posix()
        for top in ("appsvc_runtime", "tests")
        for path in (ROOT / top).rglob("*.py")
    ]
    folders = {path.rpartition("/")[0] for path in paths}
    named = set(re.findall(r"`([\w/.]+(?:\.py|/))`", text))
    assert len(named) > 60
    for name in named - {"emulator/NAME/", "tests/emulator/NAME/", "serving/NAME/run.py"}:
        there = paths if name.endswith(".py") else folders
        assert any(f"/{path}".endswith(f"/{name.rstrip('/')}") for path in there), name
    table = text.partition("| Folder |")[2].partition("## The layers")[0]
    for folder in folders:
        if folder.startswith("appsvc_runtime/") and "/serving/" not in folder:
            assert re.search(rf"`(emulator/)?{folder.rpartition('/')[2]}/`", table), folder


def test_ci_calls_the_test_command() -> None:
    """What the README says runs all tests is what CI runs."""
    command = re.search(r"^pip install (\S+) && (\S+)$", README, re.MULTILINE)
    assert command
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert re.search(rf"^{command[2]} ", script, re.MULTILINE)
    assert f"install --quiet --disable-pip-version-check {command[1]}" in script


def test_what_explain_shows() -> None:
    """The example in the README is what the command prints."""
    shown = README.partition("$ appsvc explain examples/flask_app\n")[2].partition("```")[0]
    # What is looked for depends on the container's Python, which the first line names; the folder
    # and the interpreter are this machine's.
    version = re.search(r"\(Python ([0-9.]+)\)", shown)
    assert version
    words = ("explain", "examples/flask_app", "--python-version", version[1])
    result = run("-m", "appsvc_runtime", *words)
    own = ("Site:", "Python:")
    for text in (shown, result.stdout):
        assert text.startswith(own)
    assert [line for line in shown.splitlines() if not line.startswith(own)] == [
        line for line in result.stdout.splitlines() if not line.startswith(own)
    ]
