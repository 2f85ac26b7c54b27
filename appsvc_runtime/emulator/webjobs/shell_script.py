"""What a shell script needs so that Linux runs it by itself: a first line, line ends, permission.

Reads one file. Must not know of jobs. The documentation asks for a shebang and permission ("How
WebJobs run in Azure App Service"); what the kernel does without them: execve(2).
"""

from __future__ import annotations

import os
from pathlib import Path

from ...system import capabilities
from ...system.plain_file import read_plain

__all__ = ["find_problems"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_EXECUTABLE = 0o111


def find_problems(script: Path) -> list[tuple[str, str]]:
    """Return what keeps Linux from running a script: a sentence each, and what to do about it.

    Raise OSError if it cannot be read.
    """
    name, data = script.name, read_plain(script)
    found = []
    if data.startswith((_BYTE_ORDER_MARK, b"\xff\xfe", b"\xfe\xff")):
        found.append((f"{name} starts with a byte order mark.", "Save it as UTF-8 without one."))
        data = data.removeprefix(_BYTE_ORDER_MARK)
    elif not data.startswith(b"#!"):
        found.append((f"{name} has no shebang.", "Write #!/bin/bash into its first line."))
    if b"\r\n" in data:
        found.append(
            (
                f"{name} has line ends of Windows (CRLF), and Linux looks for a program whose "
                "name ends with a carriage return.",
                f"Save it with LF (sed -i 's/\\r$//' {name}), and write `*.sh text eol=lf` into "
                ".gitattributes.",
            )
        )
    program = _program(data)
    # Windows has other paths, and no such permission.
    if program and not capabilities.runs_batch_files() and not os.path.exists(program):
        found.append(
            (
                f"{name} names {program} in its first line, which this machine does not have.",
                "Write #!/bin/bash there.",
            )
        )
    if not capabilities.runs_batch_files() and not script.stat().st_mode & _EXECUTABLE:
        found.append(
            (
                f"{name} is not executable.",
                f"Run `chmod +x {name}`, and `git update-index --chmod=+x {name}`; a ZIP file that "
                "is made on Windows does not keep it.",
            )
        )
    return found


def _program(data: bytes) -> str:
    """Return the program that a shebang names, "" if there is none."""
    words = data.partition(b"\n")[0].removeprefix(b"#!").split() if data[:2] == b"#!" else []
    return os.fsdecode(words[0]) if words and b"\0" not in words[0] else ""
