"""Whether a startup command starts its server below the shell, and how it is written with `exec`.

Text in, text out. Must not know what runs the command.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

__all__ = ["Script", "describe", "script_in", "with_exec"]

# The last command of a line, and what stands before it; `;` and the like in quotes leave a quote
# open in either part, which is found when the part is split.
_LAST = re.compile(r"(?s)(?P<before>(?:.*(?:&&|;|\n))?\s*)(?P<last>[^;&|\n]+)")
_VARIABLES = re.compile(r"(?:[A-Za-z_]\w*=(?:'[^']*'|\"[^\"]*\"|[^\s'\"])*\s+)*")
_SERVERS = frozenset({"granian", "gunicorn", "hypercorn", "uvicorn", "waitress-serve"})
_MODULES = frozenset({"appsvc_runtime", "appsvc_runtime.runserver", *_SERVERS})
_OWN_SERVERS = frozenset({"serve", "runserver"})
_PYTHON = re.compile(r"python[0-9.]*")
_SHELLS = frozenset({"ash", "bash", "dash", "sh"})


@dataclass(frozen=True)
class Script:
    """The script that a startup command runs by its last command.

    `before` is what stands before that command, `arguments` what follows the script's name, and
    `shell` the command of the shell that runs it, "" if none is named.
    """

    name: str
    shell: str
    before: str
    arguments: str
    has_exec: bool

    def with_exec(self, shell: str = "sh") -> str:
        """Return the startup command with `exec`; `shell` runs the script if none is named."""
        words = (self.shell or shell, shlex.quote(self.name), self.arguments)
        return f"{self.before}exec {' '.join(filter(None, words))}"


def script_in(command: str) -> Script | None:
    """Return the shell script that a startup command runs by its last command, or None."""
    parts = _split_last(command)
    if parts is None:
        return None
    before, _, words = parts
    has_exec = words[:1] == ["exec"]
    words = words[1:] if has_exec else words
    at = 0
    if words and words[0].rpartition("/")[2] in _SHELLS:
        at = next((i for i, word in enumerate(words) if i and word[0:1] not in ("-", "+")), 0)
        # With `-c`, the commands are in the line itself.
        if not at or any("c" in word and word[:2] != "--" for word in words[1:at]):
            return None
    elif not (words and words[0].endswith(".sh")):
        return None
    return Script(
        words[at].removeprefix("./"),
        shlex.join(words[:at]),
        before,
        shlex.join(words[at + 1 :]),
        has_exec,
    )


def with_exec(command: str) -> str:
    """Return a startup command with `exec` before its server.

    Return "" if it has it, or starts no server in the foreground by its last command.
    """
    parts = _split_last(command)
    if parts is None or not _starts_server(parts[2]):
        return ""
    before, program, _ = parts
    return f"{before}exec {program}".strip()


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


def _split_last(command: str) -> tuple[str, str, list[str]] | None:
    """Return what stands before the last program of a command line, that program, and its words.

    Return None if it does not end with a program that runs in the foreground.
    """
    found = _LAST.fullmatch(command.rstrip().rstrip(";"))
    if found is None:
        return None
    variables = _VARIABLES.match(found["last"])
    start = variables.end() if variables else 0
    program = found["last"][start:]
    try:
        words = shlex.split(program)
        shlex.split(found["before"])
    except ValueError:
        return None
    return f"{found['before']}{found['last'][:start]}".lstrip(), program, words


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
