r"""What a role's entry point runs with Python: a Windows command line to Python's arguments.

Takes text, returns words. Must not know of roles. Sources: the templates' `ps.cmd` and
LaunchWorker.ps1.
"""

from __future__ import annotations

import re

__all__ = ["python_arguments"]

_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_PYTHON = re.compile(r"python(w|[0-9.]+)?(\.exe)?")
_PY_SWITCH = re.compile(r"-[23V].*")
_SHELLS = frozenset(
    {"ps.cmd", "powershell", "powershell.exe", "pwsh", "pwsh.exe", "cmd", "cmd.exe"}
)
_LAUNCHER = "launchworker.ps1"


def python_arguments(command_line: str) -> list[str] | None:
    r"""Return what an entry point runs with Python: `worker.py ARG`, `-m module ARG`.

    `command_line` is `bin\ps.cmd LaunchWorker.ps1 …`, PowerShell with that script, or a Python
    itself. Return None if it runs another program; [] if Python gets no arguments.
    """
    words = [word.replace('"', "") for word in _WORD.findall(command_line)]
    if not words:
        return None
    program, rest = _base(words[0]), words[1:]
    if program in ("py", "py.exe"):
        while rest and _PY_SWITCH.fullmatch(rest[0]):
            rest = rest[1:]
        return rest
    if _PYTHON.fullmatch(program):
        return rest
    return _behind_launcher(rest) if program in _SHELLS else None


def _behind_launcher(words: list[str]) -> list[str] | None:
    """Return the words after the templates' script in a shell's arguments, or None without it."""
    for at, word in enumerate(words):
        if _base(word) == _LAUNCHER:
            return words[at + 1 :]
        if _base(word) == "ps.cmd":
            return python_arguments(" ".join(f'"{part}"' for part in words[at:]))
    return None


def _base(path: str) -> str:
    return path.replace("/", "\\").rpartition("\\")[2].lower()
