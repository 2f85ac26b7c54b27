"""The patterns of rewrite rules: ECMAScript expressions, wildcards and exact texts.

Pure: takes text and returns matches, within a time limit. Must not know of rules or requests.
Sources: the URL Rewrite Module configuration reference, "Rule pattern syntax"; ECMA-262, 3rd
edition, 15.10, which that module follows.

Expressions run in the library `regex` instead of `re`. Some patterns take time that grows
exponentially with the length of the URL; `re` cannot be interrupted, so one such request would
block the emulator for good. `regex` stops at a deadline and lets other threads run meanwhile. It
also supports possessive and atomic groups before Python 3.11, and lookbehinds of any length.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import regex

__all__ = ["Captures", "Pattern", "PatternError", "TooSlowError", "compile_pattern"]

# Longer than any written by hand; the time to compile an expression grows with its length.
MAX_PATTERN = 8192
# The engine writes a repeated piece out as often as it must occur, and once more for the rest, so
# each count or `+` around others multiplies: twenty nested ones would fill any memory.
MAX_WRITTEN_OUT = 20_000
# More than http.sys accepts for a request line and its headers (MaxRequestBytes).
MAX_INPUT = 65536

# A match and its groups: the whole match first, "" for a group that did not take part.
Captures = tuple[str, ...]

_WORD = "A-Za-z0-9_"
_CLASSES = {"d": "[0-9]", "D": "[^0-9]", "w": f"[{_WORD}]", "W": f"[^{_WORD}]"}
_IN_CLASS = {
    "d": "0-9",
    "D": r"\x00-/:-\U0010ffff",
    "w": _WORD,
    "W": r"\x00-/:-@\[-\^`\{-\U0010ffff",
    "b": r"\x08",
}
_BOUNDARY = f"(?:(?<=[{_WORD}])(?![{_WORD}])|(?<![{_WORD}])(?=[{_WORD}]))"
_NO_BOUNDARY = f"(?:(?<=[{_WORD}])(?=[{_WORD}])|(?<![{_WORD}])(?![{_WORD}]))"
_LINE_ENDS = r"\n\r\u2028\u2029"

_TOKEN = re.compile(
    r"""
    \\k<\w+> | \\[pP]\{\^?\w+\} | \\x[0-9A-Fa-f]{2} | \\u[0-9A-Fa-f]{4} | \\c[A-Za-z]
    | \\[1-9][0-9]? | \\. | \(\?<(?![=!]) | \(\?(?:<[=!]|[=>!:])? | .
    """,
    re.VERBOSE | re.DOTALL,
)
_PIECES = {"(?<": "(?P<", "$": r"\Z", ".": rf"[^{_LINE_ENDS}]", "}": r"\}"}
_COUNT = re.compile(r"\{([0-9]+)(?:,[0-9]*)?\}")
# Syntax of other engines that ECMAScript does not have; IIS refuses it or gives it another meaning.
_FOREIGN = {
    "(?<=": "a lookbehind",
    "(?<!": "a lookbehind",
    "(?<": "a named group",
    "(?>": "an atomic group",
    "(?": "an inline option",
}
_NET_ESCAPES = "pPAZzGk"
_QUANTIFIERS = ("*", "+", "?")


class PatternError(ValueError):
    """A pattern is not valid; the message says why."""


class TooSlowError(Exception):
    """Matching a pattern did not end before the deadline, or its input is too long."""


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern; `foreign` names its syntax that ECMAScript does not have, or is ""."""

    text: str
    foreign: str
    _engine: regex.Pattern[str] | None
    _ignore_case: bool

    def search(self, text: str, deadline: float) -> Captures | None:
        """Return the captures of the first match in a text, or None if there is no match.

        `deadline` is a value of time.monotonic(). On a busy machine the search may run past it,
        because the engine counts processor time. Raises TooSlowError.
        """
        if len(text) > MAX_INPUT:
            raise TooSlowError(f"the input is longer than {MAX_INPUT} characters")
        if self._engine is None:
            same = text == self.text or (
                self._ignore_case and text.casefold() == self.text.casefold()
            )
            return (text,) if same else None
        left = deadline - time.monotonic()
        if left <= 0:
            raise TooSlowError("the time for all rules is over")
        try:
            found = self._engine.search(text, timeout=left, concurrent=True)
        except TimeoutError:
            raise TooSlowError("the expression backtracks without end") from None
        except (MemoryError, RecursionError) as error:
            raise TooSlowError("the expression takes too much memory") from error
        return None if found is None else (found[0], *found.groups(""))


def compile_pattern(text: str, syntax: str, ignore_case: bool) -> Pattern:
    r"""Compile a pattern of a rule or condition; `syntax` is ECMAScript, Wildcard or ExactMatch.

    Expressions keep their ECMAScript meaning: `\d`, `\w` and `\b` match ASCII only, `$` matches at
    the very end only, and `.` matches no line end. Raises PatternError.
    """
    if len(text) > MAX_PATTERN:
        raise PatternError(f"it is longer than {MAX_PATTERN} characters")
    if syntax == "ExactMatch":
        return Pattern(text, "", None, ignore_case)
    foreign = ""
    if syntax == "Wildcard":
        source = _wildcard(text)
    else:
        source, foreign = _translate(text)
    flags = regex.VERSION0 | (regex.IGNORECASE if ignore_case else 0)
    try:
        return Pattern(text, foreign, regex.compile(source, flags), ignore_case)
    except (regex.error, RecursionError, OverflowError, ValueError, MemoryError, IndexError) as e:
        raise PatternError(str(e).partition(" at position")[0] or "it is not valid") from None


def _wildcard(text: str) -> str:
    """Translate `*`, which captures, and `?`, which does not; the whole input must match."""
    pieces = {"*": "(.*)", "?": "."}
    inner = "".join(pieces.get(letter) or regex.escape(letter) for letter in text)
    return rf"(?s)\A{inner}\Z"


def _translate(text: str) -> tuple[str, str]:
    """Return an ECMAScript expression in the syntax of `regex`, and what in it is foreign."""
    out: list[str] = []
    foreign = ""
    repeated = False  # whether the token before is a quantifier
    size = _Size()
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        piece = token[0] if token else text[at]
        at += len(piece)
        was_repeated, repeated = repeated, piece in _QUANTIFIERS
        foreign = foreign or _foreign(piece, was_repeated)
        size.take(piece, was_repeated)
        if piece == "[":
            piece, at = _translate_class(text, at - 1)
        elif piece.startswith("\\"):
            piece = _escape(piece)
        elif piece == "{":
            piece, at, repeated = _read_count(text, at - 1, size)
        elif was_repeated and piece in ("+", "?"):
            repeated = False
        else:
            piece = _PIECES.get(piece, piece)
        out.append(piece)
    return "".join(out), foreign


def _foreign(piece: str, was_repeated: bool) -> str:
    """Return the kind of syntax of a piece that ECMAScript does not have, or "" for others."""
    if piece.startswith("\\") and piece[1:2] and piece[1] in _NET_ESCAPES:
        return "an escape of .NET"
    if piece == "+" and was_repeated:
        return "a possessive quantifier"
    return _FOREIGN.get(piece, "")


def _read_count(text: str, start: int, size: _Size) -> tuple[str, int, bool]:
    """Return the translation of a brace, the position after it, and whether it is a count."""
    count = _COUNT.match(text, start)
    if count:
        size.repeat(count[1])
        return count[0], count.end(), True
    # A literal brace; `regex` would read some of them as its own approximate matching.
    size.add(r"\{")
    return r"\{", start + 1, False


class _Size:
    """Counts the pieces that an expression has once its counts are written out."""

    def __init__(self) -> None:
        self._groups = [0]  # the pieces of each open group, the outermost group first
        self._last = 0  # the pieces that a following count would repeat

    def take(self, token: str, was_repeated: bool) -> None:
        """Count a token: `+` doubles what it repeats; the other quantifiers add nothing."""
        if token == "+" and not was_repeated:
            self.repeat("1")
        elif token not in "*+?{":
            self.add(token)

    def add(self, token: str) -> None:
        """Count one more token of the expression."""
        if token.startswith("("):
            self._groups.append(0)
        elif token == ")" and len(self._groups) > 1:
            self._last = self._groups.pop()
            self._groups[-1] += self._last
        else:
            self._last = 1
            self._groups[-1] += 1

    def repeat(self, digits: str) -> None:
        """Add the last piece that many more times. Raises PatternError past MAX_WRITTEN_OUT."""
        times = int(digits[:9])
        if times:
            self._groups[-1] += self._last * times
            self._last *= times + 1
        if self._groups[-1] > MAX_WRITTEN_OUT:
            raise PatternError(f"its repetitions add up to more than {MAX_WRITTEN_OUT} pieces")


def _escape(piece: str) -> str:
    if piece == "\\":
        raise PatternError("it ends with a backslash")
    letter = piece[1]
    if letter == "b":
        return _BOUNDARY
    if letter == "B":
        return _NO_BOUNDARY
    return _CLASSES.get(letter) or _plain_escape(piece)


# Escapes that mean the same to `regex` and ECMAScript, and .NET's own, which are reported.
_SAME_ESCAPES = "sSfnrtv123456789A"
_OTHER_ESCAPES = {"0": r"\x00", "z": r"\Z", "Z": r"(?=\n?\Z)", "G": r"\A"}


def _plain_escape(piece: str) -> str:
    """Return an escape that means the same inside and outside a class."""
    letter, is_long = piece[1], len(piece) > 2
    if letter == "c" and len(piece) == 3:
        return f"\\x{ord(piece[2]) % 32:02x}"
    if letter == "k" and is_long:
        return f"(?P={piece[3:-1]})"
    if letter in _SAME_ESCAPES or (letter in "xupP" and is_long):  # \\p is .NET's, and reported
        return piece
    return _OTHER_ESCAPES.get(letter) or regex.escape(letter)


def _translate_class(text: str, start: int) -> tuple[str, int]:
    r"""Return the translation of a character class, and the position after it.

    A `-` next to a class of several characters, as in `[\w-.]`, is a literal `-`, just as it is at
    either end. ECMA-262, 3rd edition, refuses it there; all engines since accept it (annex B).
    """
    at = start + 1
    negated = text[at : at + 1] == "^"
    at += negated
    out: list[str] = []
    while at < len(text):
        if text[at] == "]":
            inner = "".join(out)
            if not inner:  # in ECMAScript, [] matches nothing and [^] matches anything
                return (r"[\s\S]" if negated else r"(?!)"), at + 1
            return f"[{'^' if negated else ''}{inner}]", at + 1
        first, several, at = _read_member(text, at)
        out.append(first)
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("", "]"):
            last, also_several, at = _read_member(text, at + 1)
            out += [r"\-" if several or also_several else "-", last]
    raise PatternError("a class of characters is not closed")


def _read_member(text: str, at: int) -> tuple[str, bool, int]:
    """Return one member of a class, whether it is several characters, and the position after it."""
    if text[at] != "\\":
        return (f"\\{text[at]}" if text[at] in "[&|~^-" else text[at]), False, at + 1
    token = _TOKEN.match(text, at)
    if token is None or len(token[0]) == 1:
        raise PatternError("it ends with a backslash")
    letter = token[0][1]
    several = letter in "dDwWsS" or (letter in "pP" and len(token[0]) > 2)
    return _IN_CLASS.get(letter) or _in_class(token[0]), several, token.end()


def _in_class(piece: str) -> str:
    if piece[1] in "123456789":  # inside a class this is an octal number, not a reference
        digits = re.match("[0-7]+", piece[1:])
        return f"\\x{int(digits[0], 8):02x}" if digits else piece[1:]
    if piece[1] in "AZzGkB":
        return regex.escape(piece[1:])
    return _plain_escape(piece)
