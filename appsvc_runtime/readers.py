"""Text to typed values: one table of what a setting may be read as.

Pure. Must not know where a text comes from. A reader raises ValueError with what was expected, and
never says what it was given.
"""

from __future__ import annotations

import enum
import json
import math
import re
import types
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin
from urllib.parse import urlsplit

from .options import parse_bool
from .secret import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Json", "Reader", "Url", "mask_url", "reader_for"]

# int() and float() also take underscores, other scripts' digits and blanks.
_INT = re.compile(r"[+-]?[0-9]{1,4000}", re.ASCII)
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)\s*", re.ASCII)
_CLOCK = re.compile(r"(?:([0-9]{1,8})\.)?([0-9]{1,2}):([0-5][0-9]):([0-5][0-9])(\.[0-9]{1,7})?")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


class Json:
    """Name this as the kind of a setting that holds any JSON; what comes is what it says."""


class Url(str):
    """An absolute URL, a plain `str` but for its `repr`, which hides a password and query."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Url({mask_url(self)!r})"


class Reader:
    """How one kind is read: `expected` in words, and `parse` from a text, ValueError if it fails.

    `optional` where None is a value of the kind, that of a setting which is not set.
    """

    __slots__ = ("expected", "optional", "parse")

    def __init__(
        self, expected: str, parse: Callable[[str], Any], *, optional: bool = False
    ) -> None:
        self.expected = expected
        self.parse = parse
        self.optional = optional


def mask_url(text: str) -> str:
    """Give a URL with its password and the values in its query hidden."""
    head, mark, query = text.partition("?")
    start, slashes, rest = head.partition("://")
    authority, slash, path = rest.partition("/")
    # The last @ ends the user's part; a password that was not quoted may hold others, and slashes.
    if "@" in path:
        authority, slash, path = rest, "", ""
    user, at, host = authority.rpartition("@")
    if ":" in user:
        user = f"{user.partition(':')[0]}:{MASK}"
    shown = re.sub(r"=[^&;#]*", f"={MASK}", query)
    if mark and "=" not in query:
        shown = MASK
    return f"{start}{slashes}{user}{at}{host}{slash}{path}{mark}{shown}"


def reader_for(kind: Any) -> Reader:
    """Give the reader of a type as an annotation names it; TypeError for a type there is none of.

    Known: str, int, float, bool, datetime.timedelta, pathlib.Path, Url, Secret, Json, Any, dict,
    list, tuple, set and frozenset of those, Literal, enumerations, and each of them `| None`.
    """
    if isinstance(kind, type) and kind in _READERS:
        return _READERS[kind]
    if kind is Any:
        return _READERS[Json]
    origin = get_origin(kind)
    arguments = get_args(kind)
    if origin is Annotated:
        return reader_for(arguments[0])
    if origin is Union or origin is types.UnionType:
        known = [part for part in arguments if part is not type(None)]
        if len(known) == 1 and len(known) < len(arguments):
            inner = reader_for(known[0])
            return Reader(inner.expected, inner.parse, optional=True)
    elif origin is Literal:
        return _choice({str(value): value for value in arguments})
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        names = {str(member.value): member for member in kind}
        return _choice({**{member.name: member for member in kind}, **names}, list(names))
    elif (origin or kind) in (dict, Mapping):
        return _READERS[dict]
    elif (origin or kind) in _SEQUENCES:
        known = [part for part in arguments if part is not Ellipsis] or [str]
        if len(known) == 1:
            return _many(_SEQUENCES[origin or kind], reader_for(known[0]))
    raise TypeError(f"there is no way to read a setting as {kind!r}")


def _choice(values: dict[str, Any], shown: list[str] | None = None) -> Reader:
    expected = "one of " + ", ".join(shown or values)
    folded = {name.lower(): value for name, value in values.items()}

    def parse(text: str) -> Any:
        found = values.get(text.strip(), folded.get(text.strip().lower()))
        if found is None:
            raise ValueError
        return found

    return Reader(expected, parse)


def _many(make: Callable[[list[Any]], Any], inner: Reader) -> Reader:
    def parse(text: str) -> Any:
        if text.lstrip().startswith("["):
            words = [w if isinstance(w, str) else json.dumps(w) for w in _json(text)]
        else:
            words = [word.strip() for word in text.split(",") if word.strip()]
        return make([inner.parse(word) for word in words])

    return Reader(f"a list with commas (or JSON), each {inner.expected}", parse)


def _int(text: str) -> int:
    if not _INT.fullmatch(text.strip()):
        raise ValueError
    return int(text)


def _float(text: str) -> float:
    number = float(text) if _FLOAT.fullmatch(text.strip()) else math.inf
    if not math.isfinite(number):
        raise ValueError
    return number


def _duration(text: str) -> timedelta:
    text = text.strip()
    clock = _CLOCK.fullmatch(text)
    try:
        if clock:
            days, hours, minutes, seconds, fraction = clock.groups("0")
            if days != "0" and int(hours) > 23:
                raise ValueError
            return timedelta(
                days=int(days), hours=int(hours), minutes=int(minutes),
                seconds=int(seconds) + float(fraction),
            )  # fmt: skip
        parts = _DURATION.findall(text)
        if not parts or _DURATION.sub("", text) or len({unit for _, unit in parts}) < len(parts):
            raise ValueError
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError from None


def _json(text: str) -> Any:
    def refuse(_: str) -> None:
        raise ValueError  # NaN and Infinity are no JSON

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError from None


def _object(text: str) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict):
        raise ValueError
    return value


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _url(text: str) -> Url:
    text = text.strip()
    parts = urlsplit(text)
    if (
        not _SCHEME.fullmatch(parts.scheme)
        or not (parts.netloc or parts.path.startswith("/"))
        or any(character <= " " or character == "\x7f" for character in text)
    ):
        raise ValueError
    if parts.netloc and not parts.hostname:
        raise ValueError
    _ = parts.port  # raises for what is no port
    return Url(text)


_READERS: dict[Any, Reader] = {
    str: Reader("a text", str),
    int: Reader("a whole number", _int),
    float: Reader("a number", _float),
    bool: Reader("true or false", parse_bool),
    timedelta: Reader("a duration such as 30s, 1h30m or 00:02:00", _duration),
    Path: Reader("a path", _path),
    Url: Reader("an absolute URL", _url),
    Secret: Reader("a secret", Secret),
    Json: Reader("JSON", _json),
    dict: Reader("a JSON object", _object),
}
_SEQUENCES: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    Sequence: tuple,
    tuple: tuple,
    set: set,
    AbstractSet: frozenset,
    frozenset: frozenset,
}
