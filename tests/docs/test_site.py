"""The built site has every public name, command and option; `tox -e docs` runs this."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import zlib

import click
import pytest

import appsvc_runtime
from appsvc_runtime.cli.main import cli
from appsvc_runtime.launcher.command import command as worker
from appsvc_runtime.runserver import command as runserver
from tests.support.servers import ROOT

pytest.importorskip("sphinx", reason="sphinx is in the extra docs: `tox -e docs`")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the kinds of all objects that the site documents, by name."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    result = subprocess.run(
        [*command, "-d", str(folder / "doctrees"), "docs", str(folder / "html")],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    data = (folder / "html" / "objects.inv").read_bytes()
    # A head of four lines, then one line for each object, compressed.
    lines = zlib.decompress(data.split(b"\n", 4)[4]).decode().splitlines()
    return {line.split(" ")[0]: line.split(" ")[1] for line in lines}


def test_public_names(objects: dict[str, str]) -> None:
    """The site has each module directly in the package, and each name of its `__all__`."""
    modules = ["appsvc_runtime"] + [
        f"appsvc_runtime.{module.name}"
        for module in pkgutil.iter_modules(appsvc_runtime.__path__)
        if not module.ispkg and not module.name.startswith("_")
    ]
    assert len(modules) > 8
    for name in modules:
        assert objects.get(name) == "py:module", name
        if name == "appsvc_runtime.gunicorn_conf":  # its names are settings of gunicorn
            continue
        for public in importlib.import_module(name).__all__:
            assert f"{name}.{public}" in objects, f"{name}.{public} is not in the reference"


def test_commands_and_options(objects: dict[str, str]) -> None:
    """The site has each command, also those with their own entry point, with every option."""
    context = click.Context(cli)
    commands = [cli.get_command(context, name) for name in cli.list_commands(context)]
    assert len(commands) >= 5
    for command in (*commands, worker, runserver):
        assert command is not None
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert any(
                    name.endswith(option) and kind == "std:cmdoption"
                    for name, kind in objects.items()
                    if (command.name or "") in name
                ), f"{command.name} {option} is not in the reference"
