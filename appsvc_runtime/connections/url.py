"""URLs of databases and services, and hosts with ports.

Pure. Must not know what the pieces mean. Errors never say what stands in a text.
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
    """A URL's pieces, decoded but for `place`: hosts and ports. No password is None."""

    user: str
    password: str | None
    place: str
    path: str
    query: Pairs


def parse_url(text: str) -> Url:
    """Read a URL; a password may hold `@`, but neither `/`, `?` nor `#` as they are."""
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
    if not plain:  # raised here, without that error, which holds the text
        raise ValueError("what is percent-encoded in it is no UTF-8; a % itself is written %25")
    if "\0" in plain:
        raise ValueError("there is a NUL in it")


def write_login(user: str, password: Secret | None) -> str:
    """Return what stands before a URL's host: `user:password@`, encoded, or ""."""
    login = quote(user, safe="")
    if password is not None:
        login += ":" + quote(password.reveal(), safe="")
    return f"{login}@" if login else ""


def split_places(text: str, default: str = "") -> tuple[str, str]:
    """Split `host:port`, `[v6]:port`, or several with commas between them.

    Ports come as many as hosts, or none; `default` for those that are not said, if others are.
    """
    hosts, ports = [], []
    for place in map(str.strip, text.split(",")):
        match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?", place)
        if match:
            hosts.append(match[1].strip("[]"))
            ports.append(match[2] or "")
        elif re.match(r"[/@]|(?=.*::|([^:]*:){7})[0-9A-Fa-f:.]+(%\w+)?$", place):
            hosts.append(place)  # a folder of sockets, or an address without a port
            ports.append("")
        else:
            raise ValueError(
                "its host and port cannot be told apart: a user or password before them may hold "
                "a character that must be percent-encoded (/ ? # @ : or %)"
            )
    return ",".join(hosts), ",".join(p or default for p in ports) if any(ports) else ""
