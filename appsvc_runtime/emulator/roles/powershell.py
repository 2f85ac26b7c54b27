"""Words of a PowerShell command line, as far as the scripts of worker roles need them.

Takes text, returns words. Must not know of roles. What follows `;`, `|`, `>` or `#` is no part of a
command line here. Expressions other than `$env:NAME` stay as they are written.
Source: "about_Parsing" and "about_Quoting_Rules" in PowerShell's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["code_lines", "split_words"]

_BLOCK_COMMENT = re.compile(r"<#.*?(?:#>|\Z)", re.DOTALL)
_END = re.compile(r"[;|<#]|[0-9*]?>|\Z")
_PART = re.compile(
    r"""(?P<text>'(?:[^']|'')*'|"(?:[^"`]|`.|"")*")|`(?P<escaped>.)|(?P<plain>[^\s"'`;|<>]+)""",
    re.DOTALL,
)
_VARIABLE = re.compile(r"\$(?:env:(\w+)|\{env:(\w+)\})", re.IGNORECASE)
_ESCAPED = re.compile(r'`(.)|"(")', re.DOTALL)


def code_lines(script: str) -> list[str]:
    """Return the lines of a script that are neither empty nor comments, without indentation."""
    lines = (line.strip() for line in _BLOCK_COMMENT.sub("", script).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def split_words(command: str, variables: Mapping[str, str] | None) -> list[str]:
    """Return the words of a command line, without their quotes, up to the command's end.

    A quotation mark that is never closed ends it as well. `$env:NAME` is replaced by these
    `variables`, in any letter case; None leaves it as it is written.
    """
    upper = None if variables is None else {k.upper(): value for k, value in variables.items()}
    words: list[str] = []
    at = 0
    while True:
        while command[at : at + 1].isspace():
            at += 1
        if _END.match(command, at):
            return words
        start, word = at, ""
        while part := _PART.match(command, at):
            word += _read(part, upper)
            at = part.end()
        if at == start:
            return words
        words.append(word)


def _read(part: re.Match[str], variables: Mapping[str, str] | None) -> str:
    """Return what a quoted text, an escaped character or plain ones stand for."""
    if part["escaped"]:
        return part["escaped"]
    text = part["plain"] or part["text"]
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if variables is not None:
        text = _VARIABLE.sub(lambda found: variables.get((found[1] or found[2]).upper(), ""), text)
    return _ESCAPED.sub(r"\1\2", text[1:-1]) if part["text"] else text
