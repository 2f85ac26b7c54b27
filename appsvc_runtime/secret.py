"""Values that nothing shows by accident: secrets, and URLs, which may hold some.

Knows nothing of any other room.
"""

from __future__ import annotations

import hmac
import re

__all__ = ["MASK", "WEB_SCHEMES", "Secret", "Url", "mask_url"]

MASK = "********"
# What leads nowhere without a host, and often has a token in the user's place.
WEB_SCHEMES = ("http", "https", "ws", "wss", "ftp", "ftps")
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.$-]{0,39}", re.ASCII)


class Secret:
    """A text that `repr`, `str`, f-strings and tracebacks show as asterisks.

    `reveal()` gives the text. Two secrets are equal if their texts are, compared in constant time;
    a secret equals no plain string. Empty ones are false.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self), _bytes(other))

    def __hash__(self) -> int:
        return hash(("Secret", self._text))


class Url(str):
    """An absolute URL, a plain `str` but for its `repr`, which hides password, query, fragment."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Url({mask_url(self)!r})"


def mask_url(text: str) -> str:
    """Give a URL with its password, and whatever its query and fragment hold, hidden."""
    start, slashes, rest = text.partition("://")
    if not slashes:
        return MASK if text else text
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    # A password that was not quoted may hold @ / ? and #: all up to the last @ may be it.
    if colon or (at and not re.search(r"[/?#]", login)):
        user = MASK if start.lower().endswith(WEB_SCHEMES) else _hide_pairs(user)
        return f"{start}://{user}{f':{MASK}' if colon else ''}@{_hide_pairs(place)}"
    return f"{start}://{_hide_pairs(rest)}"


def _hide_pairs(text: str) -> str:
    """Hide what follows a `=`, and what of a query or fragment is no `name=`."""
    head, mark, tail = text, "", ""
    begin = re.search(r"[?#]", text)
    if begin:
        head, mark, tail = text[: begin.start()], begin[0], text[begin.end() :]
    name, equals, _ = head.partition("=")
    shown = []
    for piece in tail.split("&") if tail else []:
        key, pair, _ = piece.partition("=")
        shown.append(f"{key}={MASK}" if pair and _PLAIN_NAME.fullmatch(key) else MASK)
    return name + (f"={MASK}" if equals else "") + mark + "&".join(shown)


def _bytes(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogatepass")
