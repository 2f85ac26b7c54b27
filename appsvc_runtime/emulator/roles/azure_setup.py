r"""`bin\AzureSetup.cfg`, which Python Tools for Visual Studio write for a role: `NAME=VALUE`.

Takes text, returns values. Must not know of files. Read as LaunchWorker.ps1 reads it: a name may
stand anywhere in a line, the last line with it is used. Sources: PTVS, WorkerRoleProject's
LaunchWorker.ps1 (`read_value`), and Microsoft.PythonTools.Worker.targets, which writes the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .powershell import split_words
from .windows_variables import expand

__all__ = ["FILE", "SCRIPT", "AzureSetup", "read_azure_setup"]

FILE = "AzureSetup.cfg"
SCRIPT = "worker.py"
_COMMAND, _FOLDER = "worker_command", "worker_directory"
_PATH, _PATH_VARIABLE = "python_path", "python_path_variable"
_DEFAULT_PATH_VARIABLE = "PYTHONPATH"


@dataclass(frozen=True)
class AzureSetup:
    r"""A role's set-up: Python's arguments `words`, in the Windows path `folder` of the role root.

    `shown` and `folder_shown` are as they are written: a variable may hold a secret. `variables`
    are set for the worker; their values are lists of Windows paths.
    """

    words: tuple[str, ...] = field(default=(SCRIPT,), repr=False)
    shown: tuple[str, ...] = (SCRIPT,)
    folder: str = field(default=".", repr=False)
    folder_shown: str = "."
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_azure_setup(text: str, variables: Mapping[str, str]) -> AzureSetup:
    """Return the set-up; `%NAME%` is replaced with these variables."""

    def value(name: str, default: str) -> str:
        found = re.findall(rf"{name}=(.+)", text)
        return found[-1].strip() if found else default

    command = value(_COMMAND, SCRIPT)
    folder = value(_FOLDER, ".")
    variable = value(_PATH_VARIABLE, _DEFAULT_PATH_VARIABLE)
    if not variable or "=" in variable:  # no variable can have such a name
        variable = _DEFAULT_PATH_VARIABLE
    return AzureSetup(
        tuple(split_words(expand(command, variables), variables)),
        tuple(split_words(command, None)),
        expand(folder, variables),
        folder,
        {variable: expand(value(_PATH, ""), variables)},
    )
