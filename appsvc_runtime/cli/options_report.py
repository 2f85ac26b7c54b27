"""The output of `appsvc settings --options`: this package's own settings, from their tables.

Must not print or read the environment.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..launcher.options import WORKER_OPTIONS
from ..settings.options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["OptionRow", "make_list", "make_rows"]

_MAX_WIDTH = 100
_MIN_WIDTH = 40
_INDENT = "  "


@dataclass(frozen=True)
class OptionRow:
    """One setting; `group` is web or worker, by what reads it."""

    group: str
    name: str
    help: str


def make_rows() -> list[OptionRow]:
    """Return every `APPSVC_*` setting, in the order of the tables."""
    tables = {"web": OPTIONS, "worker": WORKER_OPTIONS}
    return [
        OptionRow(group, row.name, row.help)
        for group, table in tables.items()
        for row in table.values()
    ]


def make_list(rows: Iterable[OptionRow], width: int) -> Iterator[str]:
    """Return the lines of a list for a terminal that is `width` columns wide."""
    wrap = max(_MIN_WIDTH, min(width, _MAX_WIDTH))
    for row in rows:
        yield row.name
        yield from textwrap.wrap(
            row.help, wrap, initial_indent=_INDENT, subsequent_indent=_INDENT,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
