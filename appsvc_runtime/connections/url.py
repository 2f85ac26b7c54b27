"""URLs of databases and services, and hosts with ports.

Pure. Must not know what the pieces mean. Errors never contain the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, quote, unquote

if TYPE_CHECKING:
    from ..redaction.secret import Secret
    from .syntax import Pairs

__all__ = ["Url", "parse_url", "split_places", "write_login"]


class Url(NamedTuple):
    """A URL's pieces, decoded except `place` (hosts and ports). A missing password is None."""

    user: str
    password: str | None
    place: str
    path: str
    query: Pairs


def parse_url(text: str) -> Url:
    """Split a URL; a password may contain `@`, but `/`, `?` and `#` must be encoded."""
    _check_encoding(text)
    rest, _, query = text.partition("://")[2].partition("?")
    authority, _, path = rest.partition("/")
    login, _, place = authority.rpartition("@")
    in_query = "@" in query and not (login and "=" in query.partition("@")[0])
    if authority and ("#" in authority or "@" in path or in_query):
        raise ValueError("a character in it must be percent-encoded (/ ? # @ or %)")
    user, colon, password = login.partition(":")
    pairs = parse_qsl(query, keep_blank_values=True)
    return Url(unquote(user), unquote(password) if colon else None, place, unquote(path), pairs)


def _check_encoding(text: str) -> None:
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError:
        plain = ""
    if not plain:  # raised here and not above, because that error holds the text
        raise ValueError("its percent-encoded text is not UTF-8; write a literal % as %25")
    if "\0" in plain:
        raise ValueError("it contains a NUL")


def write_login(user: str, password: Secret | None) -> str:
    """Return `user:password@`, encoded, to stand before a URL's host, or ""."""
    login = quote(user, safe="")
    if password is not None:
        login += ":" + quote(password.reveal(), safe="")
    return f"{login}@" if login else ""


def split_places(text: str, default: str = "") -> tuple[str, str]:
    """Split `host:port`, `[v6]:port`, or several with commas between them.

    Return as many ports as hosts, or no port at all. Hosts without a port get `default` if another
    host has one.
    """
    hosts, ports = [], []
    for place in map(str.strip, text.split(",")):
        match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?", place)
        if match:
            hosts.append(match[1].strip("[]"))
            ports.append(match[2] or "")
        elif re.match(r"[/@]|(?=.*::|([^:]*:){7})[0-9A-Fa-f:.]+(%\w+)?$", place):
            hosts.append(place)  # a folder of Unix sockets, or an address without a port
            ports.append("")
        else:
            raise ValueError(
                "its host and port cannot be told apart: a user or password before them may hold "
                "a character that must be percent-encoded (/ ? # @ : or %)"
            )
    return ",".join(hosts), ",".join(p or default for p in ports) if any(ports) else ""
