r"""What a role's entry point runs with Python: a Windows command line to Python's arguments.

Takes text, returns words. Must not know of roles. Sources: the templates' `ps.cmd` and
LaunchWorker.ps1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["EntryPoint", "is_python", "python_arguments", "read_entry_point"]

_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_PYTHON = re.compile(r"python(w|[0-9.]+)?(\.exe)?")
_PY_SWITCH = re.compile(r"-[23V].*")
_PS = "ps.cmd"
_SHELLS = frozenset({_PS, "powershell", "powershell.exe", "pwsh", "pwsh.exe", "cmd", "cmd.exe"})
_LAUNCHER = "launchworker.ps1"


@dataclass(frozen=True)
class EntryPoint:
    """The words of an entry point: Python's arguments or, with `script`, LaunchWorker.ps1's.

    `from_bin`: ps.cmd has made `bin` the current folder.
    """

    words: tuple[str, ...]
    script: bool = False
    from_bin: bool = False


def read_entry_point(command_line: str) -> EntryPoint | None:
    r"""Return what an entry point runs with Python, or None if it runs another program.

    `command_line` is `bin\ps.cmd LaunchWorker.ps1 …`, PowerShell with that script, or a Python
    itself.
    """
    return _read([word.replace('"', "") for word in _WORD.findall(command_line)])


def is_python(program: str) -> bool:
    """Return whether a program's path names a Python or the launcher `py`."""
    name = _base(program)
    return name in ("py", "py.exe") or _PYTHON.fullmatch(name) is not None


def _read(words: list[str], *, from_bin: bool = False) -> EntryPoint | None:
    if not words:
        return None
    program, rest = _base(words[0]), words[1:]
    if is_python(program):
        return EntryPoint(tuple(python_arguments(words)))
    if program not in _SHELLS:
        return None
    from_bin = from_bin or program == _PS
    for at, word in enumerate(rest):
        if _base(word) == _LAUNCHER:
            return EntryPoint(tuple(rest[at + 1 :]), script=True, from_bin=from_bin)
        if _base(word) == _PS:
            return _read(rest[at:])
    return None


def python_arguments(words: list[str]) -> list[str]:
    """Return the arguments of a Python's command line, without those for the launcher `py`."""
    rest = words[1:]
    if _base(words[0]) in ("py", "py.exe"):
        while rest and _PY_SWITCH.fullmatch(rest[0]):
            rest = rest[1:]
    return rest


def _base(path: str) -> str:
    return path.replace("/", "\\").rpartition("\\")[2].lower()
