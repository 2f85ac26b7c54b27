"""Values that nothing shows by accident: secrets, and URLs, which may contain secrets.

Must not know where a value comes from.
"""

from __future__ import annotations

import hmac
import re
from typing import Any, Generic, NoReturn, TypeVar

from .token_shapes import holds_token

__all__ = ["MASK", "WEB_SCHEMES", "Sealed", "Secret", "Url", "mask_url", "refuse_dump"]

T = TypeVar("T")

MASK = "********"
# Schemes whose URLs need a host, and often have a token in place of the user.
WEB_SCHEMES = ("http", "https", "ws", "wss", "ftp", "ftps")
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.$-]{0,39}", re.ASCII)


def refuse_dump(value: object, way_out: str) -> NoReturn:
    """Raise TypeError for a value that pickle, YAML or the like would write in plain text."""
    raise TypeError(
        f"A {type(value).__name__} cannot be written by pickle, YAML or the like, because anyone "
        f"could read its text there. {way_out}"
    )


class Sealed(Generic[T]):
    """A holder that only a call opens: no attribute, no item, no dump leads to its value.

    A format string that an attacker chooses (`"{0._text}"`, `"{0.__init__.__globals__}"`) follows
    attributes and items, and calls nothing. So the slot is deleted from the class once the class
    is made: it has no name any more, and only its descriptor, which is kept here, reads it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        _SLOT.__set__(self, value)

    def open(self) -> T:
        """Return the value."""
        value: T = _SLOT.__get__(self)
        return value

    def __copy__(self) -> Sealed[T]:
        return self

    def __deepcopy__(self, memo: object) -> Sealed[T]:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        refuse_dump(self, "Dump the text that reveal() returns instead.")

    def __repr__(self) -> str:
        return "<Sealed>"


_SLOT: Any = Sealed.__dict__["_value"]
type.__delattr__(Sealed, "_value")


class Secret:
    """A text that `repr`, `str`, f-strings and tracebacks show as asterisks.

    `reveal()` returns the text. Two secrets are equal if their texts are, compared in constant
    time; a secret equals no plain string. An empty secret is false. A copy is the same object;
    pickle and YAML raise TypeError.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = Sealed(text)

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text.open()

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self.reveal())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self), _bytes(other))

    def __hash__(self) -> int:
        return hash(("Secret", self.reveal()))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        refuse_dump(self, "Pass the text that reveal() returns instead.")


class Url(str):
    """An absolute URL: a `str` whose `repr` hides the password, the query and the fragment."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Url({mask_url(self)!r})"


def mask_url(text: str) -> str:
    """Return a URL with its password, and the values of its query and fragment, hidden.

    If the path is the secret (a webhook's, a bot's), only the host is shown.
    """
    start, slashes, rest = text.partition("://")
    if not slashes:
        return MASK if text else text
    login, at, place = rest.rpartition("@")
    # An unencoded password may contain @ / ? and #: all text up to the last @ may belong to it.
    if ":" in login or (at and not re.search(r"[/?#]", login)):
        shown = f"{start}://{_hide_login(login, start)}@{_hide_pairs(place)}"
    else:
        shown = f"{start}://{_hide_pairs(rest)}"
    if not holds_token(shown):
        return shown
    host = rest[: re.search(r"[/?#]|\Z", rest).start()]  # type: ignore[union-attr]
    if at or holds_token(f"{start}://{host}"):
        return MASK
    return f"{start}://{host}/{MASK}"


def _hide_login(login: str, scheme: str) -> str:
    user, colon, _ = login.partition(":")
    user = MASK if scheme.lower().endswith(WEB_SCHEMES) else _hide_pairs(user)
    return f"{user}:{MASK}" if colon else user


def _hide_pairs(text: str) -> str:
    """Hide the text after a `=`, and each part of a query or fragment that has no `name=`."""
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
