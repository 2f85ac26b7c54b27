"""JSON as Newtonsoft.Json reads it, the reader of Kudu: more than JSON, and not JSON5.

It accepts comments, a comma after the last entry, single quotes, names without quotes, line ends in
texts, missing values (`a:,`), `undefined`, and numbers such as `0x3C`, `074` and `.5`. It refuses
what JSON5 has beyond that: `+1`, `-0x1`, other escapes, a comment between a name and its colon.
Not read here: `new Date(…)`. Takes text, returns values. Sources: JsonTextReader.cs; 64 is the
MaxDepth of Newtonsoft.Json 13.
"""

from __future__ import annotations

import math
import re

__all__ = ["MalformedError", "read_json"]

# .NET's white space; the reader skips null characters as well.
_SPACE = re.compile(r"(?:[^\S\x1c-\x1f]|\0)+")
_COMMENT = re.compile(r"//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_TEXT = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u(.{4})|(.))", re.DOTALL)
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r",
            "\\": "\\", "/": "/", '"': '"', "'": "'"}  # fmt: skip
_NAME = re.compile(r"[\w$]+")
_VALUE_END = r"(?=[^\S\x1c-\x1f]|[\0,}\]/]|\Z)"
_WORD = re.compile(rf"(true|false|null|undefined|NaN|-?Infinity){_VALUE_END}")
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}
_NUMBER = re.compile(rf"[-.0-9][-+.0-9a-fA-FxX]*{_VALUE_END}")
_INTEGER = re.compile(r"-?[0-9]{1,380}")
_FLOAT = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]{1,16}")
_OCTAL = re.compile(r"0[0-7]{1,22}")
_DEEPEST = 64
_LINE_END = re.compile(r"\r\n|\r|\n")


class MalformedError(ValueError):
    """The text is malformed; `line` counts from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"malformed in line {line}")
        self.line = line


def read_json(text: str) -> object:
    """Return the value in a text, None if there is none; raise MalformedError.

    Of two entries with one name, the last is used.
    """
    reader = _Reader(text)
    reader.skip()
    if reader.at == len(text):
        return None
    value = reader.value(0)
    reader.skip()
    if reader.at < len(text):
        raise reader.error()
    return value


class _Reader:
    """Reads one value after another; `at` is the position in the text."""

    def __init__(self, text: str) -> None:
        self.at = 0
        self._text = text

    def error(self) -> MalformedError:
        return MalformedError(len(_LINE_END.findall(self._text, 0, self.at)) + 1)

    def skip(self) -> None:
        """Skip white space and comments."""
        while self._take(_SPACE) or self._take(_COMMENT):
            pass

    def value(self, depth: int) -> object:
        start = self._text[self.at : self.at + 1]
        if start in ("{", "["):
            if depth == _DEEPEST:
                raise self.error()
            self.at += 1
            return self._object(depth + 1) if start == "{" else self._array(depth + 1)
        if start in ('"', "'"):
            return self._string()
        if (word := self._take(_WORD)) is not None:
            return _WORDS[word] if word in _WORDS else float(word)
        return self._number()

    def _object(self, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        while True:
            self.skip()
            if self._accept("}"):
                return found
            name = self._string() if self._next() in ("'", '"') else self._take(_NAME)
            self._take(_SPACE)  # but no comment
            if name is None or not self._accept(":"):
                raise self.error()
            self.skip()
            found[name] = None if self._next() == "," else self.value(depth)
            self.skip()
            if not self._accept(",") and self._next() != "}":
                raise self.error()

    def _array(self, depth: int) -> list[object]:
        found: list[object] = []
        while True:
            self.skip()
            if self._accept("]"):
                return found
            found.append(None if self._next() == "," else self.value(depth))
            self.skip()
            if not self._accept(",") and self._next() != "]":
                raise self.error()

    def _string(self) -> str:
        quoted = self._take(_TEXT)
        if quoted is None:
            raise self.error()
        return _ESCAPE.sub(self._escaped, quoted[1:-1]).encode(
            "utf-16", "surrogatepass"
        ).decode("utf-16", "replace")  # fmt: skip

    def _escaped(self, found: re.Match[str]) -> str:
        code, letter = found[1], found[2]
        if code is not None and re.fullmatch("[0-9a-fA-F]{4}", code):
            return chr(int(code, 16))
        if letter not in _ESCAPES:
            raise self.error()
        return _ESCAPES[letter]

    def _number(self) -> float:
        value = _parse_number(self._take(_NUMBER) or "")
        if value is None:
            raise self.error()
        return value

    def _next(self) -> str:
        return self._text[self.at : self.at + 1]

    def _accept(self, mark: str) -> bool:
        """Return whether the next character is `mark`, and take it if so."""
        found = self._next() == mark
        self.at += found
        return found

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[0]


def _parse_number(text: str) -> float | None:
    """Return the value of a number, or None if Newtonsoft.Json refuses it."""
    if text[:1] == "0" and text[1:2] not in ("", ".", "e", "E"):
        base = 16 if _HEXADECIMAL.fullmatch(text) else 8
        if base == 8 and not _OCTAL.fullmatch(text):
            return None
        bits = int(text, base)
        if bits >= 1 << 64:
            return None
        return bits - (1 << 64) if bits >= 1 << 63 else bits  # a signed number of 64 bits
    if _INTEGER.fullmatch(text):
        return int(text)
    value = float(text) if _FLOAT.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None
