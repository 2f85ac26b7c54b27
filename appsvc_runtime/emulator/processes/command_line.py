"""A Windows command line, split into arguments as a program on Windows does.

Takes text, returns words. Must not know what is started.
"""

from __future__ import annotations

import re

__all__ = ["split_command_line"]

# Groups: backslashes and quotes after them; blanks; other text, including lone backslashes.
_COMMAND_LINE = re.compile(r"""(\\*)("+)|([ \t]+)|(\\+|[^\\" \t]+)""")


def split_command_line(text: str) -> list[str]:
    r"""Split a command line into arguments as the C runtime of Windows programs does.

    Blanks and tabs separate arguments, and quotes hold them together. 2n backslashes before a quote
    are n backslashes; 2n+1 are n backslashes and a literal quote. Two quotes inside quotes are one
    (learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments).
    """
    words: list[str] = []
    word: str | None = None
    quoted = False
    for match in _COMMAND_LINE.finditer(text):
        slashes, quotes, blanks, plain = match.groups()
        if blanks and not quoted:
            words += [word] if word is not None else []
            word = None
        elif quotes:
            added, quoted = _read_quotes(slashes, quotes, quoted)
            word = (word or "") + added
        else:
            word = (word or "") + (blanks or plain)
    return [*words, word] if word is not None else words


def _read_quotes(slashes: str, quotes: str, quoted: bool) -> tuple[str, bool]:
    """Return the text that backslashes and quotes stand for, and whether quotes are then open."""
    text = slashes[: len(slashes) // 2]
    at = len(slashes) % 2
    text += '"' * at
    while at < len(quotes):
        if quoted and quotes.startswith('""', at):
            text += '"'
            at += 2
        else:
            quoted = not quoted
            at += 1
    return text, quoted
