"""What the pages state about the repository itself: the map, the test command."""

from __future__ import annotations

import re

import yaml

from tests.docs.pages import README
from tests.support.servers import ROOT


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
    """CI runs the command with which the README runs all tests."""
    command = re.search(
        r"^(?:\$ )?pip install (\S+) && (\S+)$", README.read_text("utf-8"), re.MULTILINE
    )
    assert command
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert re.search(rf"^{command[2]} ", script, re.MULTILINE)
    assert f"install --quiet --disable-pip-version-check {command[1]}" in script


def test_the_workflow_runs_the_same_commands() -> None:
    """It names each system, Pythons that are supported, and commands of this repository."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text("utf-8"))
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {"contents": "read"}
    matrix = jobs["fast"]["strategy"]["matrix"]
    assert matrix["os"] == ["windows-latest", "macos-latest", "ubuntu-latest"]
    setup = (ROOT / "setup.cfg").read_text("utf-8")
    for version in matrix["python"]:
        assert f"Programming Language :: Python :: {version}\n" in setup
    commands = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    assert ".ci/run" in commands
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    fast = [one for one in commands if "pytest" in one]
    assert fast
    for one in fast:
        assert one.removeprefix("python -m ") in guide
