"""Which Python runs a site: the one the user names, else its project's, else this command's.

Chooses and checks. Must not know what is run with it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError
from .interpreter import Interpreter, require, same_folder
from .virtual_environments import Environment, built_for, find_environments, locate_python

__all__ = ["ProjectPython", "choose_python", "find_interpreter", "read_version"]

_NOT_PASSED = (
    "PYTHONPATH of this shell is not passed on, because the platform has none: set one with "
    "--set PYTHONPATH=DIR."
)
_OWN = "this command's own, as the site has no virtual environment and none is active"
_OWN_INSTEAD = "this command's own, as the project's environment cannot be used"
# Files that pipx and uv leave in an environment made for one tool.
_TOOLS = ("pipx_metadata.json", "uv-receipt.toml")


@dataclass(frozen=True)
class ProjectPython:
    """The chosen interpreter, why it was chosen, and notes on others that were not."""

    interpreter: Interpreter
    reason: str
    notes: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The interpreter's path."""
        return self.interpreter.path

    @property
    def lines(self) -> list[str]:
        """Lines for the user about the choice: one, and one for each note."""
        version = ".".join(map(str, self.interpreter.version))
        return [f"Python: {self.reason} ({version})", *(f"Note: {note}" for note in self.notes)]


def choose_python(
    site: Path,
    python: str,
    environ: Mapping[str, str],
    *,
    runs_app: bool = True,
    version: tuple[int, int] | None = None,
    default: ProjectPython | None = None,
) -> ProjectPython:
    """Choose the Python of a site; `python` is the value of `--python`, or "".

    A broken environment of the project is an error if the app runs in it (`runs_app`), because
    another would lack the app's packages; if only its version counts, it is a note. With `version`,
    skip environments of another version. `default` is used in place of this command's own Python
    if the project has no environment. Raise ConfigError if no Python can be used.
    """
    notes = [_NOT_PASSED] if runs_app and environ.get("PYTHONPATH") else []
    if python:
        named = require(find_interpreter(python), f"--python {python!r}")
        return ProjectPython(named, f"{named.path}, from --python", tuple(notes))
    broken: list[str] = []
    for found, called in _usable(site, environ, None if runs_app else broken):
        if version is None or found.minor == version:
            return ProjectPython(found, called, (*notes, *broken))
    if default is not None and not broken:
        return default
    found, reason = _own(_OWN_INSTEAD if broken else _OWN, version)
    return ProjectPython(found, reason, (*notes, *broken))


def _own(reason: str, version: tuple[int, int] | None) -> tuple[Interpreter, str]:
    """Return this command's own Python and `reason`, or the machine's Python of a given version."""
    own = require(sys.executable, "This command's own Python")
    if version is None:
        return own, reason
    if own.minor != version:
        return _of_version(version)
    return own, "this command's own, which has the version of --python-version"


def _usable(
    site: Path, environ: Mapping[str, str], broken: list[str] | None
) -> Iterator[tuple[Interpreter, str]]:
    """Yield the interpreters of a project's environments, and the names of these.

    Environments that cannot be used are added to `broken`; if that is None, raise ConfigError.
    """
    environments = find_environments(site, environ)
    while True:
        try:
            environment = next(environments, None)
            if environment is None:
                return
            found = None if _is_tools_own(environment) else _use(environment)
        except (
            ConfigError
        ) as error:  # also for a file `.venv` without a valid folder: then it is the last
            if broken is None:
                raise
            broken.append(f"{error.message} Its version is not used.")
        else:
            if found is not None:
                yield found, environment.called


def read_version(site: Path, environ: Mapping[str, str]) -> tuple[tuple[int, int], str]:
    """Return the version of a site's Python and a line about it, without running anything.

    For commands that only read a site: its content may come from anybody.
    """
    broken = False
    try:
        for environment in find_environments(site, environ, ask=False):
            if _is_tools_own(environment):
                continue
            try:
                locate_python(environment)
            except ConfigError:
                broken = True  # a build reports what is wrong with it, and does not use its version
                continue
            found = built_for(environment)
            if found is not None:
                version = ".".join(map(str, found))
                return (found[0], found[1]), f"{environment.called} ({version})"
    except ConfigError:
        broken = True
    version = ".".join(map(str, sys.version_info[:3]))
    return sys.version_info[:2], f"{_OWN_INSTEAD if broken else _OWN} ({version})"


def find_interpreter(python: str) -> str:
    """Return the path of what `--python` names: a file, a program, or a virtual environment.

    Symbolic links stay: a virtual environment's interpreter is one.
    """
    if not python:
        return sys.executable
    path = Path(python)
    if path.is_dir():
        return os.path.abspath(locate_python(Environment(path, f"--python {python!r}")))
    there = str(path) if path.is_file() and os.access(path, os.X_OK) else None
    found = there or (None if path.parent.name else shutil.which(python))
    if found is None:
        raise ConfigError(
            f"--python {python!r} is not an interpreter that can be run.",
            hint="Name a python, or the folder of a virtual environment.",
        )
    return os.path.abspath(found)


def _use(environment: Environment) -> Interpreter:
    python = locate_python(environment)
    found = require(python, f"{environment.called}: {python}")
    made_for = built_for(environment)
    if made_for is not None and made_for[:2] != found.minor:
        then, now = (".".join(map(str, version[:2])) for version in (made_for, found.version))
        raise ConfigError(
            f"{environment.called} was made for Python {then}, but its interpreter is now {now}, "
            "which finds none of its packages.",
            hint="Make it again, or name another interpreter with --python.",
        )
    return found


def _is_tools_own(environment: Environment) -> bool:
    """Return whether it is the environment of this command alone, which some runners activate."""
    return same_folder(environment.folder, sys.prefix) and any(
        os.path.exists(os.path.join(sys.prefix, name)) for name in _TOOLS
    )


def _of_version(version: tuple[int, int]) -> tuple[Interpreter, str]:
    name = f"python{version[0]}.{version[1]}"
    wanted = f"Python {version[0]}.{version[1]}"
    path = shutil.which(name)
    try:
        found = require(path or name, name)
    except ConfigError:
        raise ConfigError(
            f"The container needs {wanted}, but there is no {name} on the path.",
            hint="Install it, or name one with --python.",
        ) from None
    return found, f"{found.path}, from --python-version"
