"""The files of a site that a shell reads or that are run by their first line, and what is wrong.

Starts at command lines and follows the scripts that they name. Reads files only, and never one
outside of the site.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ....azure import names
from ....startup.command import split
from ....system import exact_names

__all__ = ["ShellFile", "shell_files"]

# A hint is not worth more.
_MAX_FILES, _MAX_BYTES = 50, 64 * 1024
_SHELLS = frozenset({"sh", "bash", "dash", "source", "."})
_ENDINGS = (".sh", ".bash")
_SHELL_LINE = re.compile(rb"#![^\n]*sh\b")
_ENDS = re.compile(r"&&|\|\||[;|&\n]")


@dataclass(frozen=True)
class ShellFile:
    """One file: its name in the site, and whether a shell is named that reads it.

    `crlf`: lines end with CR and LF. `bom`: it begins with a byte order mark. `shebang`: its first
    line names a program.
    """

    name: str
    by_shell: bool
    crlf: bool
    bom: bool
    shebang: bool


def shell_files(site: Path, commands: Iterable[str]) -> Iterator[ShellFile]:
    """Yield the scripts that command lines run, and those that these run, each once."""
    waiting = [name for command in commands for name in _named(site, command)]
    seen: set[str] = set()
    while waiting and len(seen) < _MAX_FILES:
        name, by_shell = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        try:
            with open(site / name, "rb") as file:
                data = file.read(_MAX_BYTES)
        except OSError:
            continue
        text = data.removeprefix(b"\xef\xbb\xbf")
        if not (by_shell or name.endswith(_ENDINGS) or _SHELL_LINE.match(text)):
            continue  # a program of its own, such as a Python script
        yield ShellFile(
            name, by_shell, b"\r\n" in text, len(text) < len(data), text.startswith(b"#!")
        )
        waiting += _named(site, text.decode("utf-8", "replace").replace("\r", ""))


def _named(site: Path, text: str) -> Iterator[tuple[str, bool]]:
    """Yield the site's files that a text for a shell runs, and whether it names their shell."""
    for part in _ENDS.split(text):
        words = split(part.partition(" #")[0]) if not part.lstrip().startswith("#") else []
        while words and ("=" in words[0] or words[0] in ("exec", "env", "nohup", "then", "do")):
            words.pop(0)  # a variable, or a word before the command
        if not words:
            continue
        by_shell = posixpath.basename(words[0]) in _SHELLS
        files = [word for word in words[1:] if not word.startswith("-")] if by_shell else words
        name = _in_site(site, files[0]) if files else ""
        if name:
            yield name, by_shell


def _in_site(site: Path, word: str) -> str:
    """Return a file's name in the site, or "" if it is elsewhere or not a file."""
    name = posixpath.normpath(word.removeprefix(f"{names.SITE_FOLDER}/"))
    is_inside = not posixpath.isabs(name) and not name.startswith("..")
    return name if is_inside and exact_names.is_file(site, name) else ""
