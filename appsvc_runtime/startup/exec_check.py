"""Whether a startup command starts its server below the shell, and how it is written with `exec`.

Text in, text out. Must not know what runs the command.
"""

from __future__ import annotations

import re
import shlex

__all__ = ["describe", "with_exec"]

# The last command of a line, and what stands before it; `;` and the like in quotes leave a quote
# open in either part, which is found when the part is split.
_LAST = re.compile(r"(?s)(?P<before>(?:.*(?:&&|;|\n))?\s*)(?P<last>[^;&|\n]+)")
_VARIABLES = re.compile(r"(?:[A-Za-z_]\w*=(?:'[^']*'|\"[^\"]*\"|[^\s'\"])*\s+)*")
_SERVERS = frozenset({"granian", "gunicorn", "hypercorn", "uvicorn", "waitress-serve"})
_MODULES = frozenset({"appsvc_runtime", "appsvc_runtime.runserver", *_SERVERS})
_OWN_SERVERS = frozenset({"serve", "runserver"})
_PYTHON = re.compile(r"python[0-9.]*")


def with_exec(command: str) -> str:
    """Return a startup command with `exec` before its server.

    Return "" if it has it, or starts no server in the foreground by its last command.
    """
    found = _LAST.fullmatch(command.rstrip().rstrip(";"))
    if found is None:
        return ""
    variables = _VARIABLES.match(found["last"])
    start = variables.end() if variables else 0
    program = found["last"][start:]
    try:
        words = shlex.split(program)
        shlex.split(found["before"])
    except ValueError:
        return ""
    if not _starts_server(words):
        return ""
    return f"{found['before']}{found['last'][:start]}exec {program}".strip()


def describe(command: str) -> str:
    """Return a sentence if a startup command needs `exec`, without secrets, else ""."""
    right = with_exec(command)
    if not right:
        return ""
    from ..redaction.masking import mask_command  # loaded only if there is such a command

    right = mask_command(right)
    return (
        "The server runs below a shell that does not pass SIGTERM on, and is killed at each stop: "
        f"write `{right}`."
    )


def _starts_server(words: list[str]) -> bool:
    if not words:
        return False
    program = words[0].rpartition("/")[2]
    if _PYTHON.fullmatch(program) and words[1:2] == ["-m"]:
        words = words[2:]
        program = words[0] if words else ""
        if program not in _MODULES:
            return False
    if program in ("appsvc", "appsvc_runtime"):
        return bool(_OWN_SERVERS.intersection(words[1:]))
    return program in _SERVERS or program in _MODULES
