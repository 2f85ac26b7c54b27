r"""What a role's `bin\LaunchWorker.ps1` runs, as far as its known versions go.

Takes its text, returns what it does. Must not know of files. The versions, all of Microsoft's but
the last:

- the script in the article on Python roles: `cd..`, `iex "py worker.py"`, whatever its arguments;
- Python Tools 2.0 to 2.2: `worker_command` of `bin\AzureSetup.cfg`, whatever its arguments;
- Visual Studio 2017's first: its own arguments, by Start-Process, in the folder that it starts in;
- Visual Studio 2017's last: the same, in the role root (`-WorkingDirectory`);
- that of `examples/worker`: its own arguments, in the role root.

Sources: "Python web and worker roles with Python Tools for Visual Studio" (Azure documentation);
PTVS, Python/Templates (SharedFiles and WorkerRoleProject, LaunchWorker.ps1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .entry_point import is_python, python_arguments
from .powershell import code_lines, split_words

__all__ = ["LaunchScript", "read_launch_script"]

_ARGUMENTS = re.compile(r"[$@]args\b(?!\.|\[)", re.IGNORECASE)
_ASSIGNED = r"(?:\$\w+\s*=\s*)?"
_START_PROCESS = re.compile(rf"{_ASSIGNED}(?:start-process|saps|start)\b", re.IGNORECASE)
_STARTS = re.compile(
    rf"{_ASSIGNED}(?:&|start-process\b|saps\b|start\b|iex\b|invoke-expression\b|py\b|python)",
    re.IGNORECASE,
)
_CHANGES_FOLDER = re.compile(
    r"(?:cd|chdir|sl|set-location|push-location|pushd)(?![\w-])|.*\s-WorkingDirectory\b",
    re.IGNORECASE,
)
_EVALUATES = re.compile(r"(?:iex|invoke-expression)\s+", re.IGNORECASE)
_SETUP = "azuresetup.cfg"
# In the article's script, `PYTHON2` chooses between these and the launcher `py`.
_OF_PYTHON2 = re.compile(r"\$\{?env:PYPATH\b", re.IGNORECASE)
# A program named by a variable, such as `& $python` or `"$interpreter_path"`.
_PROGRAM = re.compile(r"(?:&\s*)?([\"']?)\$\{?(?:env:)?\w*(?:py|interpreter)\w*\}?", re.IGNORECASE)
_NO_WORKERS = (["-V"], ["--version"], ["-m", "pip"])


@dataclass(frozen=True)
class LaunchScript:
    """What a LaunchWorker.ps1 runs.

    `runs`: its own `arguments`, the `setup` of AzureSetup.cfg, a `command` written in it (`words`
    are Python's arguments, `shown` the same as they are written), or `unknown`. `in_root`: it makes
    the role root the current folder. `joins`: Start-Process drops the quotes around arguments.
    `others`: it has more than one command, of which `words` is the last.
    """

    runs: Literal["arguments", "setup", "command", "unknown"]
    words: tuple[str, ...] = field(default=(), repr=False)
    shown: tuple[str, ...] = ()
    in_root: bool = True
    joins: bool = False
    others: bool = False


def read_launch_script(text: str, variables: Mapping[str, str]) -> LaunchScript:
    """Return what the script `text` runs in a process with these variables."""
    lines = code_lines(text)
    if any(_SETUP in line.lower() for line in lines):
        return LaunchScript("setup")
    in_root = any(_CHANGES_FOLDER.match(line) for line in lines)
    passing = [line for line in lines if _STARTS.match(line) and _ARGUMENTS.search(line)]
    if passing:
        joins = _START_PROCESS.match(passing[-1]) is not None
        return LaunchScript("arguments", in_root=in_root, joins=joins)
    python2 = variables.get("PYTHON2", "").lower() == "on"
    found = [
        (line, (_OF_PYTHON2.search(line) is not None) == python2)
        for line in lines
        if _command(line, variables) is not None
    ]
    commands = [line for line, is_chosen in found if is_chosen] or [line for line, _ in found]
    if not commands:
        return LaunchScript("unknown")
    words, shown = _command(commands[-1], variables), _command(commands[-1], None)
    others = any(_command(line, variables) != words for line in commands)
    return LaunchScript("command", tuple(words or ()), tuple(shown or ()), in_root, others=others)


def _command(line: str, variables: Mapping[str, str] | None) -> list[str] | None:
    """Return Python's arguments if a line runs a worker with it, else None."""
    evaluated = _EVALUATES.match(line)
    if evaluated:
        line = next(iter(split_words(line[evaluated.end() :], variables)), "")
    by_variable = _PROGRAM.match(line) if evaluated or line.startswith("&") else None
    if by_variable:
        line = f"{by_variable[1]}python{line[by_variable.end() :]}"
    words = split_words(line.lstrip("& "), variables)
    if not words or not (is_python(words[0]) or words[0] == (variables or {}).get("PYTHON")):
        return None
    arguments = python_arguments(words)
    is_worker = arguments and arguments[:1] not in _NO_WORKERS and arguments[:2] not in _NO_WORKERS
    return arguments if is_worker else None
