"""One known line of a log. Must not know any log.

A shape is a regular expression for one line, what the line means, and what to do. `{name}` in these
texts is a group of the expression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...redaction.masking import mask_command

__all__ = ["Shape", "shape"]


@dataclass(frozen=True)
class Shape:
    """A row: `is_cause` is False for a line that only says that something else has failed.

    `check` is the id of the check that finds the same in a site, "" for none.
    """

    name: str
    pattern: re.Pattern[str]
    cause: str
    fix: str
    check: str = ""
    is_cause: bool = True

    def filled(self, text: str, found: re.Match[str]) -> str:
        """Return one of the texts with the groups of a match in it, without secrets."""
        groups = {name: mask_command(value or "") for name, value in found.groupdict().items()}
        return text.format(**groups)


def shape(
    name: str, pattern: str, cause: str, fix: str, check: str = "", *, is_cause: bool = True
) -> Shape:
    """Return a row of a table."""
    return Shape(name, re.compile(pattern), cause, fix, check, is_cause)
