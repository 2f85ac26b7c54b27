"""Comparison of a program's output with what a page shows, where `…` stands for what varies.

`…` within a line stands for any text in that line; a line of only `…` stands for any number of
lines. Blanks at the ends of lines do not count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["is_shown", "mismatch"]

_ANY_LINES = "…"


def is_shown(shown: str, printed: str, *, prefix: bool = False) -> bool:
    """Return whether `printed` is what is shown; with `prefix`, whether it begins like that."""
    return not mismatch(shown, printed, prefix=prefix)


def mismatch(shown: str, printed: str, *, prefix: bool = False) -> str:
    """Return "" if `printed` is as shown, else the first difference, and all of `printed`."""
    wanted, got = _lines(shown), _lines(printed)
    ends, furthest = _ends(wanted, got)
    if (prefix and ends) or len(got) in ends:
        return ""
    number, at = furthest
    line = wanted[number] if number < len(wanted) else "(nothing more)"
    instead = got[at] if at < len(got) else "(nothing more)"
    return (
        f"shown:   {line}\nprinted: {instead}\n"
        "Show what is printed; write … for what varies, and a line … for lines left out.\n"
        f"All that was printed:\n{printed.rstrip() or '(nothing)'}"
    )


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _ends(wanted: Sequence[str], got: Sequence[str]) -> tuple[set[int], tuple[int, int]]:
    """Return the numbers of printed lines after which all shown lines are found, and the mismatch.

    The mismatch is the numbers of the first shown line that was not found, and of the printed line
    at that position.
    """
    at = {0}
    for number, line in enumerate(wanted):
        if line.strip() == _ANY_LINES:
            following = set(range(min(at), len(got) + 1))
        else:
            parts = map(re.escape, line.split(_ANY_LINES))
            pattern = re.compile(".*".join(parts))
            following = {i + 1 for i in at if i < len(got) and pattern.fullmatch(got[i])}
        if not following:
            # After a line of only … the printed line for comparison is not known: show the last
            # one.
            return set(), (number, min(at))
        at = following
    return at, (len(wanted), min(at))
