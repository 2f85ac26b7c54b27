r"""The ways in which connection strings are written: text to names and values, and back.

Pure. Must not know what the names mean. Errors say at which character, and never what stands there.

- `adonet`: `Name=value;…` with the quoting of .NET's DbConnectionStringBuilder: values in double or
  single quotes, the quote itself doubled; `==` in a name is `=`. Braces quote here too, as in ODBC:
  a value that really begins with a brace stands in quotes. Of repeated names the last counts, and
  an empty value takes the name out.
- `odbc`: as written for an ODBC driver: braces quote, `}}` in them is `}`, quotes mean nothing. Of
  repeated names the first counts.
- `libpq`: `name=value name='it\'s'`, the last counts (postgresql.org, libpq-connect).
- `pairs`: what Azure's own services use: `Name=value;…`, nothing quotes, only the first `=` counts.
- `redis`: StackExchange.Redis: `host:port,name=value,…`.
- `url`: `scheme://user:password@host:port/path?name=value`, percent-encoded.
- `text`: none of these.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Form", "Pairs", "parse", "write"]

Form: TypeAlias = Literal["adonet", "odbc", "libpq", "pairs", "redis"]
Pairs: TypeAlias = list[tuple[str, str]]

_BLANK = " \t\r\n\f\v"
# Far more than any service hands out; it bounds the work on what is no connection string at all.
_MAX_LENGTH = 100_000


def parse(form: Form, text: str) -> Pairs:
    """Read a connection string of a known form; ValueError with what is wrong, and where.

    Redis end points come as pairs named `endpoint`.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"it is longer than {_MAX_LENGTH} characters")
    if "\0" in text:
        raise ValueError(f"there is a NUL at character {text.index(chr(0)) + 1}")
    if form == "libpq":
        return _last_counts(_parse_libpq(text))
    if form == "redis":
        return _parse_redis(text)
    if form == "pairs":
        return _last_counts(_parse_plain(text, ";"))
    if form == "odbc":
        first: dict[str, tuple[str, str]] = {}
        for name, value in _parse_quoted(text, odbc=True):
            first.setdefault(name.lower(), (name, value))
        return list(first.values())
    pairs = _last_counts(_parse_quoted(text, odbc=False))
    return [(name, value) for name, value in pairs if value]


def write(form: Form, pairs: Iterable[tuple[str, str]]) -> str:
    """Write names and values so that `parse` reads them back; ValueError for what cannot be."""
    if form == "libpq":
        return " ".join(f"{name}={_quote_libpq(value)}" for name, value in pairs)
    if form == "odbc":
        return ";".join(f"{name}={_quote_odbc(value)}" for name, value in pairs)
    if form == "adonet":
        return ";".join(
            f"{name.replace('=', '==')}={_quote_adonet(value)}" for name, value in pairs
        )
    mark = "," if form == "redis" else ";"
    parts = []
    for name, value in pairs:
        if mark in name + value or "=" in name or (name + value).strip() != name + value:
            raise ValueError(f"a value that holds {mark!r} or outer blanks cannot be written so")
        parts.append(value if form == "redis" and name == "endpoint" else f"{name}={value}")
    return mark.join(parts)


def _last_counts(pairs: Pairs) -> Pairs:
    last: dict[str, tuple[str, str]] = {}
    for name, value in pairs:
        last.pop(name.lower(), None)
        last[name.lower()] = (name, value)
    return list(last.values())


def _parse_quoted(text: str, *, odbc: bool) -> Pairs:
    """Read `name=value;…`, where values may be quoted."""
    pairs = []
    at = 0
    while at < len(text):
        if text[at] in _BLANK + ";":
            at += 1
            continue
        name, at = _read_name(text, at, doubled=not odbc)
        while at < len(text) and text[at] in _BLANK:
            at += 1
        value, at = _read_value(text, at, odbc=odbc)
        pairs.append((name, value))
    return pairs


def _read_name(text: str, start: int, *, doubled: bool) -> tuple[str, int]:
    """Read up to the `=` that ends a name; `==` is part of it where `doubled`."""
    at = start
    end = text.find(";", start)
    while True:
        at = text.find("=", at)
        if at < 0 or 0 <= end < at:
            raise ValueError(f"the part that begins at character {start + 1} has no '='")
        if doubled and text.startswith("==", at) and at > start:
            at += 2
            continue
        break
    name = text[start:at].strip(_BLANK)
    if not name:
        raise ValueError(f"there is no name before the '=' at character {at + 1}")
    return (name.replace("==", "=") if doubled else name), at + 1


def _read_value(text: str, start: int, *, odbc: bool) -> tuple[str, int]:
    """Read a value that begins at `start`; give it, and where the next name may begin."""
    opening = text[start : start + 1]
    if opening == "{":
        found = _read_until(text, start, "}")
        if found is not None:
            return found
        if odbc:
            raise ValueError(f"the brace at character {start + 1} is not closed")
    elif opening in ("'", '"') and opening and not odbc:
        found = _read_until(text, start, opening)
        if found is not None:
            return found
        raise ValueError(
            f"the quote at character {start + 1} is not closed, or something follows its end"
        )
    end = text.find(";", start)
    end = len(text) if end < 0 else end
    return text[start:end].strip(_BLANK), end + 1


def _read_until(text: str, start: int, closing: str) -> tuple[str, int] | None:
    """Read what stands quoted, up to a `closing` that is not doubled and ends the value."""
    at = start + 1
    while True:
        at = text.find(closing, at)
        if at < 0:
            return None
        if text.startswith(closing * 2, at):
            at += 2
            continue
        end = at + 1
        while end < len(text) and text[end] in _BLANK:
            end += 1
        if end < len(text) and text[end] != ";":
            return None
        return text[start + 1 : at].replace(closing * 2, closing), end + 1


def _parse_libpq(text: str) -> Pairs:
    pairs: Pairs = []
    at = 0
    while True:
        at = _skip_blanks(text, at)
        if at >= len(text):
            return pairs
        start = at
        while at < len(text) and text[at] != "=" and text[at] not in _BLANK:
            at += 1
        name = text[start:at]
        at = _skip_blanks(text, at)
        if text[at : at + 1] != "=" or not name:
            raise ValueError(f"the part that begins at character {start + 1} has no '='")
        value, at = _read_libpq_value(text, _skip_blanks(text, at + 1))
        pairs.append((name, value))


def _read_libpq_value(text: str, start: int) -> tuple[str, int]:
    quoted = text[start : start + 1] == "'"
    at = start + quoted
    found = []
    while at < len(text):
        character = text[at]
        if character == "\\":
            at += 1
            found.append(text[at : at + 1])
        elif quoted and character == "'":
            if at + 1 < len(text) and text[at + 1] not in _BLANK:
                raise ValueError(f"something follows the quote that ends at character {at + 1}")
            return "".join(found), at + 1
        elif not quoted and character in _BLANK:
            return "".join(found), at
        else:
            found.append(character)
        at += 1
    if quoted:
        raise ValueError(f"the quote at character {start + 1} is not closed")
    return "".join(found), at


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _parse_plain(text: str, mark: str) -> Pairs:
    pairs = []
    at = 1
    for part in text.split(mark):
        if part.strip():
            name, equals, value = part.partition("=")
            if not equals or not name.strip():
                raise ValueError(f"the part that begins at character {at} has no name and '='")
            pairs.append((name.strip(), value.strip()))
        at += len(part) + 1
    return pairs


def _parse_redis(text: str) -> Pairs:
    endpoints = [part.strip() for part in text.split(",") if part.strip() and "=" not in part]
    options = [part for part in text.split(",") if "=" in part]
    pairs = _last_counts(_parse_plain(",".join(options), ","))
    return [("endpoint", endpoint) for endpoint in endpoints] + pairs


def _quote_libpq(value: str) -> str:
    if value and not re.search(r"[\s'\\]", value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quote_odbc(value: str) -> str:
    if value and not re.search(r"[\s\[\]{}(),;?*=!@\x00-\x1f]", value):
        return value
    return "{" + value.replace("}", "}}") + "}"


def _quote_adonet(value: str) -> str:
    if value and not re.search(r"[\s;'\"{}\x00-\x1f]", value) and not value.startswith("="):
        return value
    return '"' + value.replace('"', '""') + '"'
