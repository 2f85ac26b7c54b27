"""A Python interpreter: what it reports about itself, and the variables of what it runs.

Runs it once. Must not know where it was found or why it was chosen. This command may be installed
in an environment of its own, whose packages and variables an app's process must not see.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ...errors import ConfigError
from .asking import ask_program

__all__ = ["Interpreter", "app_environ", "examine", "require", "same_folder"]

_TIMEOUT = 30
# These change which modules a Python finds, or which Python it is. They belong to the shell or to
# this command's own interpreter (macOS sets the launcher's for each), not to the app.
_PYTHONS_OWN = frozenset(
    """
    PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONEXECUTABLE PYTHONPLATLIBDIR PYTHONSAFEPATH
    PYTHONINSPECT __PYVENV_LAUNCHER__ VIRTUAL_ENV VIRTUAL_ENV_PROMPT
    """.split()
)
# Runs on any Python 3: an app's own may be older than this package supports. -c puts the current
# folder first, which is the user's: nothing may be imported from it.
_CODE = """
import sys
sys.path[:1] = []
import importlib.util, json, site
def find(name):
    try:
        found = importlib.util.find_spec(name)
    except Exception:
        found = None
    return (found.origin or "") if found else ""
print("appsvc:" + json.dumps({
    "path": sys.executable, "version": list(sys.version_info[:3]), "prefix": sys.prefix,
    "base_prefix": sys.base_prefix, "user_base": site.getuserbase(),
    "wfastcgi": find("wfastcgi"), "runtime": find("appsvc_runtime"),
}))
"""
_MARK = "appsvc:"


@dataclass(frozen=True)
class Interpreter:
    """What an interpreter reports.

    `path` is its own, with links kept; `prefix` the folder of its environment, which is
    `base_prefix` outside of virtual environments; `wfastcgi` and `runtime` are the files of
    wfastcgi and of this package there, "" if not installed.
    """

    path: str
    version: tuple[int, int, int]
    prefix: str
    base_prefix: str
    user_base: str
    wfastcgi: str
    runtime: str

    @property
    def minor(self) -> tuple[int, int]:
        """The version that packages are installed for, such as (3, 13)."""
        return self.version[:2]

    @property
    def is_virtual(self) -> bool:
        """Whether this is the interpreter of a virtual environment."""
        return self.prefix != self.base_prefix

    @property
    def is_own(self) -> bool:
        """Whether this interpreter belongs to the environment that this command itself runs in."""
        return same_folder(self.prefix, sys.prefix)


def examine(python: str) -> Interpreter | None:
    """Run an interpreter and return what it reports; None if it does not run as Python 3.

    A name on the path may be a script, such as pyenv's, that chooses an interpreter by variables
    which an app does not have: `path` is that of the interpreter itself.
    """
    variables = {name: text for name, text in os.environ.items() if name not in _PYTHONS_OWN}
    return _examine(python, tuple(sorted(variables.items())))


@lru_cache(16)
def _examine(python: str, variables: tuple[tuple[str, str], ...]) -> Interpreter | None:
    printed = ask_program([python, "-c", _CODE], environ=dict(variables), seconds=_TIMEOUT)
    if printed is None:
        return None
    try:
        found = [line for line in printed.splitlines() if line.startswith(_MARK)]
        told = json.loads(found[-1].removeprefix(_MARK))
        version = told.pop("version")
        made = Interpreter(version=(version[0], version[1], version[2]), **told)
        return made if os.path.isfile(made.path) else None
    except (OSError, ValueError, TypeError, IndexError, KeyError):
        return None


def require(python: str, called: str) -> Interpreter:
    """Return what an interpreter reports; raise ConfigError naming it as `called` if it fails."""
    found = examine(python)
    if found is None:
        raise ConfigError(
            f"{called} does not run as Python 3.", hint="Name another interpreter with --python."
        )
    return found


def app_environ(base: Mapping[str, str], interpreter: Interpreter) -> dict[str, str]:
    """Return the variables of `base` for an app, as if the interpreter's environment were active.

    Its programs come first on PATH; those of this command's own environment and of another active
    environment are removed, as are variables that name places of other modules.
    """
    made = {name: text for name, text in base.items() if name not in _PYTHONS_OWN}
    own = os.path.dirname(interpreter.path)
    foreign = [os.path.join(base["VIRTUAL_ENV"], name) for name in ("bin", "Scripts")] if (
        base.get("VIRTUAL_ENV")
    ) else []  # fmt: skip
    if sys.prefix != sys.base_prefix:
        foreign.append(os.path.dirname(sys.executable))
    folders = [
        folder
        for folder in base.get("PATH", os.defpath).split(os.pathsep)
        if not any(same_folder(folder, other) for other in (own, *foreign))
    ]
    made["PATH"] = os.pathsep.join([own, *folders])
    if interpreter.is_virtual:
        made["VIRTUAL_ENV"] = interpreter.prefix
    else:
        # The app has another HOME, without the user's packages below it.
        made.setdefault("PYTHONUSERBASE", interpreter.user_base)
    return made


def same_folder(one: str | Path, other: str | Path) -> bool:
    """Return whether two paths are the same folder."""
    return os.path.realpath(one) == os.path.realpath(other)
