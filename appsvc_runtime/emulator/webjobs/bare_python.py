"""The Python of a WebJob on Linux: an interpreter without any package of the site or the machine.

Whether the platform's finds the site's `antenv` is documented nowhere, so this one does not: a job
that runs here needs nothing that it may lack there. Must not know of jobs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ...errors import ConfigError
from ...system import folders
from ..processes.asking import ask_program
from ..processes.interpreter import Interpreter, app_environ

__all__ = ["bare_environ", "make_bare_python"]

_SECONDS = 60


def make_bare_python(interpreter: Interpreter, folder: Path) -> None:
    """Make a virtual environment without packages in `folder`, with this Python.

    Raise ConfigError if that fails.
    """
    argv = [interpreter.path, "-m", "venv", "--without-pip", str(folder)]
    made = ask_program(argv, environ=app_environ(os.environ, interpreter), seconds=_SECONDS)
    if made is None or not folders.python_in(folder).exists():
        raise ConfigError(
            f"{interpreter.path} cannot make a virtual environment in {folder}.",
            hint="Name an interpreter that has venv with --python (Debian: install python3-venv).",
        )


def bare_environ(base: Mapping[str, str], interpreter: Interpreter, folder: Path) -> dict[str, str]:
    """Return the variables of `base` for a job: the first Python on PATH is the one in `folder`."""
    made = app_environ(base, interpreter)
    own, *others = made["PATH"].split(os.pathsep)
    if not interpreter.is_virtual:
        others.insert(0, own)  # there are other programs in it
    programs = str(folders.python_in(folder).parent)
    made["PATH"] = os.pathsep.join([programs, *others])
    made.pop("VIRTUAL_ENV", None)
    made.pop("PYTHONUSERBASE", None)
    return made
