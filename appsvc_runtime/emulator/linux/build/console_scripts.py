"""The console scripts of an environment that `uv venv` has made: a container cannot run them.

uv links `antenv/bin/python` to the interpreter of the build machine, in a folder that the container
does not have (it has its own in /opt/python). A script with that path in its first line is then
"not found" (github.com/microsoft/Oryx/issues/2703), while `python -m NAME` works: the shell finds
the container's own Python, and the start script names the packages by PYTHONPATH. That this link is
the cause is our reading of the reports and of Oryx's scripts; Oryx's setting
CreateVenvWithPythonVenv avoids it.

Must not know how the environment was made.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ....azure import names
from ....system import folders
from ....system.own_folder import OwnFolder, is_link

__all__ = ["WARNING", "hide", "show", "target"]

WARNING = (
    "A container does not find the console scripts of an antenv that uv has made, such as "
    "uvicorn or appsvc: write `python -m uvicorn`, `python -m appsvc_runtime`, or set "
    "CreateVenvWithPythonVenv=true."
)
# Where the build machine has a Python that its image does not bring.
_ELSEWHERE = "/tmp/oryx/platforms/python/{version}/bin/python3"


def target(output: OwnFolder) -> str:
    """Return where the environment's interpreter leads, "" if it is no link to another folder.

    If it is none, the scripts work in a container as well.
    """
    with _programs(output) as (programs, name):
        found = programs.status(name)
        led = programs.read_link(name) if found is not None and is_link(found) else ""
    return led if os.path.isabs(led) else ""


def hide(output: OwnFolder, version: tuple[int, int]) -> None:
    """Lead the environment's interpreter to where a container has none."""
    _relink(output, _ELSEWHERE.format(version=".".join(map(str, version))))


def show(output: OwnFolder, leads_to: str) -> None:
    """Lead the interpreter to where it led before `hide`, for the steps of the next build."""
    if target(output):
        _relink(output, leads_to)


def _relink(output: OwnFolder, leads_to: str) -> None:
    with _programs(output) as (programs, name):
        programs.remove(name)
        programs.make_link(name, leads_to, to_folder=False)


@contextlib.contextmanager
def _programs(output: OwnFolder) -> Iterator[tuple[OwnFolder, str]]:
    """Open the environment's folder of programs; yield it, and the interpreter's name in it."""
    path = folders.python_in(Path(names.VIRTUAL_ENVIRONMENT))
    with (
        output.enter(names.VIRTUAL_ENVIRONMENT) as antenv,
        antenv.enter(path.parent.name) as programs,
    ):
        yield programs, path.name
