r"""The syntaxes of connection strings: text to names and values, and back.

Pure. Must not know what the names mean. Errors name the position of a fault, never its text.

- `adonet`: `Name=value;…` with the quoting of .NET's DbConnectionStringBuilder. Values may be in
  double or single quotes, the quote itself doubled; `==` in a name is `=`. Braces quote here too,
  as in ODBC, unless the value does not end at the closing brace: a value that really begins with a
  brace must be in quotes. The last of repeated names counts, and an empty value unsets a name.
- `odbc`: as for an ODBC driver: braces quote, `}}` in them is `}`, quotes mean nothing. The first
  of repeated names counts.
- `libpq`: `name=value name='it\'s'`, the last counts (postgresql.org, libpq-connect).
- `pairs`: the syntax of Azure's services: `Name=value;…`, no quoting, only the first `=` counts.
- `redis`: StackExchange.Redis: `host:port,name=value,…`, no quoting, the last counts. An endpoint
  may not follow the password: it may be the rest of a password that contains a comma.
- `url`: `scheme://user:password@host:port/path?name=value`, percent-encoded; `url` parses them.
- `text`: none of these.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_LENGTH", "Form", "Pairs", "parse", "write"]

Form: TypeAlias = Literal["adonet", "odbc", "libpq", "pairs", "redis"]
Pairs: TypeAlias = list[tuple[str, str]]

# Far longer than the strings of any service; it bounds the work on texts that are something else.
MAX_LENGTH = 100_000

_BLANK = " \t\r\n\f\v"
_CLOSING = {"{": "}", "'": "'", '"': '"'}
# Characters that end a name, and so cannot be in it.
_ENDS_NAME = {"adonet": ";", "odbc": ";=", "libpq": "=" + _BLANK}


def parse(form: Form, text: str) -> Pairs:
    """Parse a connection string of a known form. Raise ValueError with the fault and its position.

    The endpoints of Redis come first, as pairs named `endpoint`.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH} characters")
    if "\0" in text:
        raise ValueError(f"there is a NUL at character {text.index(chr(0)) + 1}")
    if form == "libpq":
        return _last_counts(_parse_libpq(text))
    if form == "redis":
        return _parse_redis(text)
    if form == "pairs":
        return _last_counts(_parse_plain(text, ";"))
    if form == "odbc":
        return _first_counts(_parse_quoted(text, odbc=True))
    pairs = _last_counts(_parse_quoted(text, odbc=False))
    return [(name, value) for name, value in pairs if value]


def write(form: Form, pairs: Iterable[tuple[str, str]]) -> str:
    """Write names and values so that `parse` returns them; ValueError if that is impossible.

    Only an empty value in `adonet` is lost: there it unsets the name. The endpoints of Redis come
    first.
    """
    words = []
    for name, value in pairs:
        if "\0" in name + value:
            raise ValueError("a NUL cannot be written")
        if form in ("pairs", "redis"):
            words.append(_write_plain(form, name, value))
            continue
        if not name or name.strip(_BLANK) != name or any(c in name for c in _ENDS_NAME[form]):
            raise ValueError("an empty name, or one with outer blanks or marks, cannot be written")
        if form == "libpq":
            words.append(f"{name}={_quote_libpq(value)}")
        elif form == "odbc":
            words.append(f"{name}={_quote_odbc(value)}")
        else:
            words.append(f"{name.replace('=', '==')}={_quote_adonet(value)}")
    return {"libpq": " ", "redis": ","}.get(form, ";").join(words)


def _first_counts(pairs: Pairs) -> Pairs:
    first: dict[str, tuple[str, str]] = {}
    for name, value in pairs:
        first.setdefault(name.lower(), (name, value))
    return list(first.values())


def _last_counts(pairs: Pairs) -> Pairs:
    last: dict[str, tuple[str, str]] = {}
    for name, value in pairs:
        last.pop(name.lower(), None)
        last[name.lower()] = (name, value)
    return list(last.values())


def _parse_redis(text: str) -> Pairs:
    pairs = _parse_plain(text, ",", bare="endpoint")
    endpoints = [pair for pair in pairs if pair[0] == "endpoint"]
    return endpoints + _last_counts([pair for pair in pairs if pair[0] != "endpoint"])


def _parse_quoted(text: str, *, odbc: bool) -> Pairs:
    """Parse `name=value;…`, whose values may be quoted."""
    pairs: Pairs = []
    at = 0
    # Before this position, no brace is closed at the end of a value. One search answers this for
    # all braces: a search from each would take quadratic time.
    unclosed_until = 0
    while True:
        at = _skip(text, at, _BLANK + ";")
        if at >= len(text):
            return pairs
        name, at = _read_name(text, at, doubled=not odbc)
        at = _skip(text, at, _BLANK)
        mark = _closing_mark(text[at : at + 1], odbc=odbc)
        if mark and at >= unclosed_until:
            closing, end = _find_closing(text, at, mark)
            if end:
                pairs.append((name, text[at + 1 : closing].replace(mark * 2, mark)))
                at = end
                continue
            if odbc or mark != "}":
                raise ValueError(
                    f"the quote or brace at character {at + 1} is not closed, or text follows it"
                )
            unclosed_until = closing
        end = text.find(";", at)
        end = len(text) if end < 0 else end
        pairs.append((name, text[at:end].strip(_BLANK)))
        at = end + 1


def _closing_mark(opening: str, *, odbc: bool) -> str:
    """Return the mark that closes a value, "" if it is not quoted. ODBC has only braces."""
    return _CLOSING.get(opening, "") if opening == "{" or not odbc else ""


def _read_name(text: str, start: int, *, doubled: bool) -> tuple[str, int]:
    """Return the name before the next `=`, and the position after it.

    If `doubled`, a `==` is a part of the name.
    """
    at = start
    end = text.find(";", start)
    while True:
        at = text.find("=", at)
        if at < 0 or 0 <= end < at:
            raise ValueError(f"the part that begins at character {start + 1} has no '='")
        if not (doubled and text.startswith("==", at)):
            break
        at += 2
    name = text[start:at].strip(_BLANK)
    if not name:
        raise ValueError(f"there is no name before the '=' at character {at + 1}")
    return (name.replace("==", "=") if doubled else name), at + 1


def _find_closing(text: str, start: int, mark: str) -> tuple[int, int]:
    """Return the positions of the next `mark` that is not doubled, and of the next name.

    The second is 0 if the mark is missing, or if the value does not end there.
    """
    at = start + 1
    while True:
        at = text.find(mark, at)
        if at < 0:
            return len(text), 0
        if not text.startswith(mark * 2, at):
            break
        at += 2
    end = _skip(text, at + 1, _BLANK)
    return at, (end + 1 if text[end : end + 1] in ("", ";") else 0)


def _parse_libpq(text: str) -> Pairs:
    pairs: Pairs = []
    at = 0
    while True:
        at = _skip(text, at, _BLANK)
        if at >= len(text):
            return pairs
        start = at
        while at < len(text) and text[at] != "=" and text[at] not in _BLANK:
            at += 1
        name = text[start:at]
        at = _skip(text, at, _BLANK)
        if text[at : at + 1] != "=" or not name:
            raise ValueError(f"the part that begins at character {start + 1} has no name and '='")
        value, at = _read_libpq_value(text, _skip(text, at + 1, _BLANK))
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
            # libpq would read the next name here, but such a quote is nearly always one inside a
            # password that is not escaped.
            if at + 1 < len(text) and text[at + 1] not in _BLANK:
                raise ValueError(f"text follows the quote that ends at character {at + 1}")
            return "".join(found), at + 1
        elif not quoted and character in _BLANK:
            return "".join(found), at
        else:
            found.append(character)
        at += 1
    if quoted:
        raise ValueError(f"the quote at character {start + 1} is not closed")
    return "".join(found), at


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


def _parse_plain(text: str, mark: str, *, bare: str = "") -> Pairs:
    """Parse `name=value` between marks; a part without `=` gets the name `bare`, if given."""
    pairs: Pairs = []
    at = 1
    secret = False
    for part in text.split(mark):
        if part.strip():
            if secret and "=" not in part:
                raise ValueError(f"character {at} starts an endpoint, or a part of the password")
            pairs.append(_read_plain(part, at, bare))
            secret = secret or (bool(bare) and pairs[-1][0].lower() == "password")
        at += len(part) + 1
    return pairs


def _read_plain(part: str, at: int, bare: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if bare and not equals:
        return bare, part.strip()
    if not name.strip() or not equals:
        raise ValueError(f"the part that begins at character {at} has no name and '='")
    return name.strip(), value.strip()


def _write_plain(form: Form, name: str, value: str) -> str:
    mark = "," if form == "redis" else ";"
    bare = form == "redis" and name == "endpoint"
    begin = value if bare else name  # a reader would end it at the first `=`
    has_blanks = name.strip() != name or value.strip() != value
    if has_blanks or mark in name + value or "=" in begin or not begin:
        raise ValueError(f"a text with {mark!r} or outer blanks cannot be written in this form")
    return value if bare else f"{name}={value}"


def _quote_libpq(value: str) -> str:
    # On Windows libpq asks the code page whether a byte is a blank: in `à` of UTF-8 one is.
    if value and value.isascii() and not re.search(r"[\s'\\]", value):
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
