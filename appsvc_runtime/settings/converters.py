"""Convert text to typed values: one table of the types that a setting can have.

Pure. Must not know where a text comes from. A reader raises ValueError that says what was expected,
and never contains the text.
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

from ..redaction.secret import WEB_SCHEMES, Secret, Url
from .option_parsers import parse_bool

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Json", "Reader", "Url", "fault", "reader_for"]

# int() and float() also take underscores, other scripts' digits and blanks.
_INT = re.compile(r"[+-]?[0-9]{1,4000}", re.ASCII)
_FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)
# Bounded, so that a megabyte of digits is refused at once, and not searched from each position.
_DURATION = re.compile(r"([0-9]{1,15}(\.[0-9]{1,15})?\s{0,9}[A-Za-z]{1,7}\s{0,9}){1,5}", re.ASCII)
_DURATION_PART = re.compile(r"([0-9.]{1,31})\s{0,9}([A-Za-z]{1,7})", re.ASCII)
_CLOCK = re.compile(r"(?:([0-9]{1,8})\.)?([0-9]{1,6}):([0-5][0-9]):([0-5][0-9])(\.[0-9]{1,7})?")
_SECONDS = {
    **dict.fromkeys(("ms", "msec"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
_BRACKETED_HOST = re.compile(r"\[[0-9A-Fa-f.]{0,9}:[0-9A-Fa-f:.]{0,45}\]")


class Json:
    """The kind of a setting that holds any JSON; its value is the parsed JSON."""


class Reader:
    """How a kind is read: `expected` in words, and `parse`, which raises ValueError if it fails.

    `optional`: None is a value of the kind, that of a setting that is not set.
    """

    __slots__ = ("expected", "optional", "parse")

    def __init__(
        self, expected: str, parse: Callable[[str], Any], *, optional: bool = False
    ) -> None:
        self.expected = expected
        self.parse = parse
        self.optional = optional


def fault(text: str) -> str:
    """Return why a text cannot be a setting of any kind, or "" if it can."""
    if "\0" in text:
        return "it contains a NUL character"
    # Bytes that are not UTF-8 arrive as surrogates. Nearly all values are ASCII: check this first.
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "it is not UTF-8"
    return ""


def reader_for(kind: Any) -> Reader:
    """Return the reader for a type annotation; TypeError if there is no reader for it.

    Known: str, int, float, bool, datetime.timedelta, pathlib.Path, Url, Secret, Json, Any, object,
    dict and dict[str, …], list, tuple[…, ...], set and frozenset of those, Literal, enumerations,
    NewType of those, and each of them `| None`.
    """
    if isinstance(kind, type) and kind in _READERS:
        return _READERS[kind]
    if kind is Any:
        return _READERS[Json]
    reader = _made_of_others(kind, get_origin(kind), get_args(kind))
    if reader is None:
        raise TypeError(f"there is no way to read a setting as {kind!r}")
    return reader


def _made_of_others(kind: Any, origin: Any, arguments: tuple[Any, ...]) -> Reader | None:
    if origin in _FORMS:
        return _FORMS[origin](arguments)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _enumeration(kind)
    base = origin or kind
    if base in (dict, Mapping):
        return _mapping(arguments)
    if base in _SEQUENCES:
        return _sequence(base, arguments)
    new_type = getattr(kind, "__supertype__", None)
    return None if new_type is None else reader_for(new_type)


def _optional(arguments: tuple[Any, ...]) -> Reader | None:
    known = [part for part in arguments if part is not type(None)]
    if len(known) != 1 or len(known) == len(arguments):
        return None
    inner = reader_for(known[0])
    return Reader(inner.expected, inner.parse, optional=True)


def _mapping(arguments: tuple[Any, ...]) -> Reader | None:
    if not arguments:
        return _READERS[dict]
    return _table(reader_for(arguments[1])) if arguments[0] is str else None


def _sequence(kind: Any, arguments: tuple[Any, ...]) -> Reader | None:
    # A tuple without an ellipsis has one place for each of its types.
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        return None
    if len(arguments) > (2 if kind is tuple else 1):
        return None
    return _many(_SEQUENCES[kind], reader_for(arguments[0] if arguments else str))


def _enumeration(kind: type[enum.Enum]) -> Reader:
    """Return a reader of a member by its value or its name; the value takes precedence."""
    values: dict[str, Any] = {member.name: member for member in kind}
    values |= {str(member.value): member for member in kind}
    texts = [member.value if isinstance(member.value, str) else member.name for member in kind]
    return _choice(values, texts)


def _choice(values: dict[str, Any], shown: list[str] | None = None) -> Reader:
    folded: dict[str, Any] = {}
    for name, value in values.items():
        folded.setdefault(name.lower(), value)

    def parse(text: str) -> Any:
        text = text.strip()
        if text in values:
            return values[text]
        if text.lower() in folded:
            return folded[text.lower()]
        raise ValueError

    return Reader("one of " + ", ".join(shown or values), parse)


def _many(make: Callable[[list[Any]], Any], inner: Reader) -> Reader:
    def parse(text: str) -> Any:
        text = text.strip()
        # `[::1],localhost` starts like JSON, but is not.
        if text.startswith("[") and not _BRACKETED_HOST.match(text):
            items = [_from_json(inner, item) for item in _json(text)]
        else:
            items = [inner.parse(word.strip()) for word in text.split(",") if word.strip()]
        try:
            return make(items)
        except TypeError:  # a set of unhashable values
            raise ValueError from None

    return Reader(f"a list with commas (or JSON), each {inner.expected}", parse)


def _table(inner: Reader) -> Reader:
    def parse(text: str) -> dict[str, Any]:
        return {name: _from_json(inner, value) for name, value in _object(text).items()}

    if inner.parse is _json:
        return _READERS[dict]
    return Reader(f"a JSON object, each value {inner.expected}", parse)


def _from_json(inner: Reader, value: Any) -> Any:
    """Read a value inside JSON as if it were a setting of its own."""
    if inner.parse is _json:
        return value
    if value is None:
        if inner.optional:
            return None
        raise ValueError
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError from None
    if fault(text):
        raise ValueError
    return inner.parse(text)


def _int(text: str) -> int:
    text = text.strip()
    if not _INT.fullmatch(text):
        raise ValueError
    return int(text)


def _float(text: str) -> float:
    text = text.strip()
    number = float(text) if _FLOAT.fullmatch(text) else math.inf
    if not math.isfinite(number):
        raise ValueError
    return number


def _duration(text: str) -> timedelta:
    """Read `1h30m`, or .NET's `d.hh:mm:ss.fffffff`; without days, hours may exceed 23."""
    text = text.strip()
    clock = _CLOCK.fullmatch(text)
    if clock:
        return _clock_time(clock)
    return timedelta() if text == "0" else _units_time(text)


def _clock_time(clock: re.Match[str]) -> timedelta:
    days, hours, minutes, seconds, fraction = clock.groups("0")
    if clock[1] and int(hours) > 23:
        raise ValueError
    return timedelta(
        days=int(days), hours=int(hours), minutes=int(minutes),
        seconds=int(seconds) + float(fraction),
    )  # fmt: skip


def _units_time(text: str) -> timedelta:
    parts = _DURATION_PART.findall(text.lower()) if _DURATION.fullmatch(text) else []
    units = [_SECONDS.get(unit) for _, unit in parts]
    if not parts or None in units or len(set(units)) < len(units):
        raise ValueError
    try:
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError from None


def _json(text: str) -> Any:
    def refuse(_: str) -> None:
        raise ValueError  # NaN and Infinity are not JSON

    try:
        return json.loads(text, parse_constant=refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError from None


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError  # 1e999
    return number


def _object(text: str) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict):
        raise ValueError
    return value


def _path(text: str) -> Path:
    try:
        return Path(text.strip()).expanduser()
    except RuntimeError:  # `~user` of an unknown user
        raise ValueError from None


def _url(text: str) -> Url:
    text = text.strip()
    # Checked first, because urlsplit removes line breaks. A blank counts as printable.
    if " " in text or not text.isprintable():
        raise ValueError
    parts = urlsplit(text)
    scheme = parts.scheme
    # Before Python 3.11 urlsplit accepts digits as a scheme.
    if not scheme[:1].isalpha() or not text[len(scheme) :].startswith("://"):
        raise ValueError
    # sqlite://, memory:// and file:///path have no host; http:// and the like must have one.
    if not parts.hostname and (parts.netloc or scheme in WEB_SCHEMES):
        raise ValueError
    _ = parts.port  # raises ValueError for an invalid port
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
    object: Reader("JSON", _json),
    dict: Reader("a JSON object", _object),
}
_FORMS: dict[Any, Callable[[tuple[Any, ...]], Reader | None]] = {
    Annotated: lambda arguments: reader_for(arguments[0]),
    Literal: lambda values: _choice({str(value): value for value in values if value is not None}),
    Union: _optional,
    types.UnionType: _optional,
}
_SEQUENCES: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    Sequence: tuple,
    tuple: tuple,
    set: set,
    AbstractSet: frozenset,
    frozenset: frozenset,
}
