"""Whether only shells are between this process and process 1, as in a container without `exec`.

As process 1 a shell ignores SIGTERM, unless its script handles it, and passes it to no child: the
program that it runs is not stopped but killed. Reads /proc, so it finds nothing on other systems.
Sources: kill(2) and pid_namespaces(7), on signals for process 1.
"""

from __future__ import annotations

import os

from . import procfs

__all__ = ["Shell", "shells_above"]

_SHELLS = frozenset({"ash", "bash", "dash", "ksh", "sh", "zsh"})
_BUSYBOX = "busybox"
_INIT = 1


class Shell:
    """A shell that runs a script: its `name`, and the `script`, "" for commands behind `-c`."""

    def __init__(self, name: str, script: str) -> None:
        self.name = name
        self.script = script


def shells_above() -> list[Shell]:
    """Return the shells above this process, its parent first and process 1 last.

    The list is empty if another program is among them, such as systemd, tini or a terminal, and if
    a user types into the shell that is process 1.
    """
    if not procfs.shows_own_namespace():
        return []
    found = []
    pid = os.getppid()
    while (process := procfs.look(pid)) is not None:
        shell = read_shell(procfs.words(pid))
        if shell is None:
            return []
        found.append(shell)
        if pid == _INIT:
            return found
        pid = process.parent
    return []


def read_shell(words: list[str]) -> Shell | None:
    """Return the shell with the command line `words`; None for one that reads its standard input.

    None for other programs too.
    """
    words = words[1:] if words and os.path.basename(words[0]) == _BUSYBOX else words
    if not words:
        return None
    name = os.path.basename(words[0]).removeprefix("-")
    if name not in _SHELLS:
        return None
    rest = words[1:]
    while rest and rest[0].startswith(("-", "+")):
        option = rest.pop(0)
        if not option.startswith("--") and "c" in option:
            return Shell(name, "")
        if option in ("-o", "+o", "-O", "+O", "--rcfile", "--init-file"):  # these have a value
            rest = rest[1:]
    return Shell(name, rest[0]) if rest else None
