"""The texts of rewrite rules with `{…}` references: parsed once, filled in per request.

Pure. Must not know of rules' patterns or actions. Sources: the URL Rewrite Module configuration
reference ("Using server variables", "back-references", "String functions"). The names of the
variables are those of IIS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from .patterns import MAX_INPUT, Captures

__all__ = ["Substitution", "TooLongError", "read_substitution"]

_MAX_DEPTH = 20
_FUNCTIONS: dict[str, Callable[[str], str]] = {
    "tolower": str.lower,
    # Escapes all but the unreserved characters; a blank becomes %20, in paths and queries alike.
    "urlencode": lambda text: quote(text, safe="", errors="replace"),
    "urldecode": lambda text: unquote(text, errors="replace"),
}

# Maps the name of a server variable, in capitals, to its text.
Lookup = Callable[[str], str]


class TooLongError(Exception):
    """The filled-in text is longer than any URL."""


@dataclass(frozen=True)
class _Rule:
    number: int


@dataclass(frozen=True)
class _Condition:
    number: int


@dataclass(frozen=True)
class _Variable:
    name: str


@dataclass(frozen=True)
class _Call:
    name: str  # in lower case; the name of a function, otherwise of a rewrite map
    argument: Substitution


_Part = str | _Rule | _Condition | _Variable | _Call


@dataclass(frozen=True)
class Substitution:
    """A parsed text: its parts."""

    parts: tuple[_Part, ...]

    def fill(self, rule: Captures, condition: Captures, variable: Lookup) -> str:
        """Return the text with all references filled in; a missing value is empty.

        Raises TooLongError.
        """
        pieces: list[str] = []
        size = 0
        for part in self.parts:
            if isinstance(part, str):
                piece = part
            elif isinstance(part, _Rule):
                piece = _capture(rule, part.number)
            elif isinstance(part, _Condition):
                piece = _capture(condition, part.number)
            elif isinstance(part, _Variable):
                piece = variable(part.name)
            else:
                function = _FUNCTIONS.get(part.name)
                piece = function(part.argument.fill(rule, condition, variable)) if function else ""
            size += len(piece)
            if size > MAX_INPUT:
                raise TooLongError(f"a text of the rule became longer than {MAX_INPUT} characters")
            pieces.append(piece)
        return "".join(pieces)

    def variables(self) -> Iterator[str]:
        """Yield the names of all server variables in the text, in capitals."""
        for part in self.parts:
            if isinstance(part, _Variable):
                yield part.name
            elif isinstance(part, _Call):
                yield from part.argument.variables()

    def maps(self) -> Iterator[str]:
        """Yield the names before a colon that are not functions: rewrite maps."""
        for part in self.parts:
            if isinstance(part, _Call):
                if part.name not in _FUNCTIONS:
                    yield part.name
                yield from part.argument.maps()


def read_substitution(text: str) -> Substitution:
    """Parse a text; unbalanced braces are literal."""
    return _read(text, 0)


def _read(text: str, depth: int) -> Substitution:
    parts: list[_Part] = []
    at = 0
    while True:
        start = text.find("{", at)
        end = _closing(text, start) if start >= 0 else -1
        if start < 0 or end < 0 or depth >= _MAX_DEPTH:
            if text[at:]:
                parts.append(text[at:])
            return Substitution(tuple(parts))
        if start > at:
            parts.append(text[at:start])
        parts.append(_part(text[start + 1 : end], depth))
        at = end + 1


def _closing(text: str, start: int) -> int:
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return at
    return -1


def _part(inner: str, depth: int) -> _Part:
    name, colon, argument = inner.partition(":")
    if not colon or "{" in name:
        return _Variable(inner.upper())
    if name.upper() in ("R", "C") and argument.isascii() and argument.isdigit():
        number = int(argument[:4])
        return _Rule(number) if name.upper() == "R" else _Condition(number)
    return _Call(name.lower(), _read(argument, depth + 1))


def _capture(captures: Sequence[str], number: int) -> str:
    return captures[number] if number < len(captures) else ""
