"""Who is signed in, read from App Service authentication's ("Easy Auth") header values.

Pure: strings in, a `Principal` or None out, and no function here raises on any value. Must not know
of WSGI, ASGI or trust: whoever asks has made sure that the front end wrote them. Whatever is not
exactly what that writes is nobody: never a user who is not signed in.
Source: AD, configure-authentication-user-identities.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_LENGTH", "Claim", "Principal", "PrincipalHeaders", "read_principal", "say_problem"]

# Longer than any header that servers take by default; what decodes of it would be only a cost.
MAX_LENGTH = 64 * 1024
_NAME_IDENTIFIER = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"
_OBJECT_IDENTIFIER = "http://schemas.microsoft.com/identity/claims/objectidentifier"
# Where an id stands, the one that Entra ID's X-MS-CLIENT-PRINCIPAL-ID repeats first.
_ID_CLAIMS = (_OBJECT_IDENTIFIER, "oid", _NAME_IDENTIFIER, "sub", "stable_sid")
_NAME_CLAIMS = (
    "preferred_username",
    "name",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "email",
)
_DEFAULT_ROLE_TYPE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
# What ends a line or a text, and a half of a character, which no encoding takes.
_UNUSABLE = re.compile("[\0\r\n\ud800-\udfff]").search
# What REMOTE_USER has as it is: part of what Django's user names allow ("+" begins an escape).
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.@-]*").fullmatch
_ESCAPED = re.compile(rb"[^A-Za-z0-9_.@-]")
# Django's user names are no longer.
_MAX_USERNAME = 150


class Claim(NamedTuple):
    """One claim: its type, in the provider's own words, and its value."""

    type: str
    value: str


class PrincipalHeaders(NamedTuple):
    """The values of X-MS-CLIENT-PRINCIPAL and its -ID, -NAME and -IDP, None for a missing one."""

    principal: str | None
    id: str | None = None
    name: str | None = None
    provider: str | None = None


class Principal:
    """A signed-in user.

    `id` is the provider's, stable and never reused; `name` what it shows, and may change;
    `provider` is `aad`, `google` and so on. `claims` are all claims in their order, several of one
    type among them. `roles` are the values of the role type that the principal itself names.
    """

    __slots__ = ("claims", "id", "name", "name_type", "provider", "role_type")

    def __init__(
        self,
        id: str,  # noqa: A002 - what everybody calls it
        name: str,
        provider: str,
        claims: tuple[Claim, ...] = (),
        *,
        name_type: str = "",
        role_type: str = _DEFAULT_ROLE_TYPE,
    ) -> None:
        self.id = id
        self.name = name
        self.provider = provider
        self.claims = claims
        self.name_type = name_type
        self.role_type = role_type

    def values(self, claim_type: str) -> tuple[str, ...]:
        """Return the values of all claims of a type, in their order."""
        return tuple([value for kind, value in self.claims if kind == claim_type])

    def value(self, claim_type: str, default: str | None = None) -> str | None:
        """Return the first value of a type, else `default`."""
        for kind, value in self.claims:
            if kind == claim_type:
                return value
        return default

    @property
    def username(self) -> str:
        """Provider and id as one name that is nobody else's: `aad.` and the object id.

        In ASCII, with characters that Django's user names allow, and not longer than those may be:
        other bytes of UTF-8 are `+` and two hexadecimal digits, and of what is too long the end is
        `++` and a SHA-256.
        """
        # So that the first dot ends the provider.
        provider = _escape(self.provider).replace(".", "+2E")
        name = f"{provider}.{_escape(self.id)}"
        if len(name) > _MAX_USERNAME:
            digest = hashlib.sha256(name.encode()).hexdigest()
            name = f"{provider[: _MAX_USERNAME - len(digest) - 3]}.++{digest}"
        return name

    @property
    def roles(self) -> frozenset[str]:
        """The user's roles."""
        # Entra ID's app roles come as `roles` as well, whatever role_typ says.
        return frozenset(value for kind, value in self.claims if kind in (self.role_type, "roles"))

    def has_role(self, role: str) -> bool:
        """Return whether the user has a role, letter for letter."""
        return role in self.roles

    def __repr__(self) -> str:
        # Neither name nor claims: this ends up in logs.
        return f"Principal(id={self.id!r}, provider={self.provider!r})"


class _UnusableError(ValueError):
    """What is wrong with a principal, in words that never hold a value."""


def read_principal(headers: PrincipalHeaders) -> tuple[Principal | None, str]:
    """Read a principal; return it and "", or None and what is wrong, which never holds a value.

    The claims are the source; the other headers must agree with them. An id that is not among the
    claims' ids is nobody's. Without the -ID header the id is the claims' own; without any, nobody.
    """
    if not headers.principal:
        return None, ""
    try:
        return _read(headers.principal, headers), ""
    except _UnusableError as problem:
        return None, str(problem)


def _read(encoded: str, headers: PrincipalHeaders) -> Principal:
    data = _decode(encoded)
    read = _object(data)
    # In strict JSON what is unusable can only stand as an escape.
    claims = _claims(read, has_escapes=b"\\" in data)
    provider = _text(headers.provider) or read.get("auth_typ")
    if not isinstance(provider, str) or not provider.strip():
        raise _UnusableError("it names no provider")
    known = dict(reversed(claims))  # the first of each type
    identity = _identity(_ids(claims, known), _text(headers.id))
    name_type, role_type = _string(read, "name_typ"), _string(read, "role_typ")
    name = _text(headers.name) or next(
        (known[kind] for kind in (name_type, *_NAME_CLAIMS) if known.get(kind)), identity
    )
    if _UNUSABLE(f"{identity}{name}{provider}"):
        raise _UnusableError("its id, name or provider has a line break, NUL or half a character")
    return Principal(
        identity,
        name,
        provider,
        claims,
        name_type=name_type,
        role_type=role_type or _DEFAULT_ROLE_TYPE,
    )


def _ids(claims: tuple[Claim, ...], known: Mapping[str, str]) -> list[str]:
    """Return the user's ids among the claims, of which `known` has the first of each type."""
    if len(known) != len(claims) and any(
        kind in _ID_CLAIMS and known[kind] != value for kind, value in claims
    ):
        raise _UnusableError("it has two ids of one type")
    return [known[kind] for kind in _ID_CLAIMS if known.get(kind, "").strip()]


def _identity(ids: list[str], given: str) -> str:
    """Return the user's id: that of the -ID header if no claim says otherwise, else a claim's."""
    if given and ids and given not in ids:
        raise _UnusableError("its id is not that of X-MS-CLIENT-PRINCIPAL-ID")
    if not given and not ids:
        raise _UnusableError("it has no id")
    return given or ids[0]


def say_problem(problem: str) -> None:
    """Log that a principal is not used, and why; never its value."""
    import logging

    logging.getLogger("appsvc_runtime.identity").warning(
        "X-MS-CLIENT-PRINCIPAL is not used, the request counts as not signed in: %s (logged once).",
        problem,
    )


def _decode(encoded: str) -> bytes:
    """Return the bytes in a header value."""
    if len(encoded) > MAX_LENGTH:
        raise _UnusableError(f"it is longer than {MAX_LENGTH} characters")
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:  # also for what is not ASCII
        raise _UnusableError("it is no Base64") from None
    if len(encoded) % 4:  # Python 3.10 lets a padding pass that is too long
        raise _UnusableError("it is no Base64")
    return data


def _object(data: bytes) -> dict[str, Any]:
    """Return the JSON object that bytes are."""
    try:
        read = json.loads(data.decode("utf-8"))
    except RecursionError:
        raise _UnusableError("its JSON is nested too deep") from None
    except ValueError:
        raise _UnusableError("it is no JSON in UTF-8") from None
    if not isinstance(read, dict):
        raise _UnusableError("it is no JSON object")
    return read


def _claims(read: Mapping[str, Any], *, has_escapes: bool) -> tuple[Claim, ...]:
    """Return the claims of a principal; one that is not whole makes all of it worth nothing."""
    listed = read.get("claims")
    if not isinstance(listed, list):
        raise _UnusableError("it has no list of claims")
    # In this form, as every signed-in user's request may come here.
    try:
        pairs = [(one["typ"], one["val"]) for one in listed]
    except (TypeError, KeyError, IndexError):
        raise _UnusableError("a claim has no typ or no val") from None
    if not all(type(kind) is str is type(value) for kind, value in pairs):
        raise _UnusableError("a claim's typ or val is no text")
    if has_escapes and _UNUSABLE("".join([part for pair in pairs for part in pair])):
        raise _UnusableError("a claim has a line break, NUL or half a character")
    return tuple(map(Claim._make, pairs))


def _string(read: Mapping[str, Any], key: str) -> str:
    value = read.get(key)
    return value if isinstance(value, str) else ""


def _escape(text: str) -> str:
    """Return a text in the characters of a user name, different for every text."""
    if _PLAIN_ID(text):
        return text
    data = text.encode("utf-8", "surrogatepass")  # for one that is not from a header
    return _ESCAPED.sub(lambda found: b"+%02X" % found[0][0], data).decode("ascii")


def _text(value: str | None) -> str:
    """Return a header's text, which is UTF-8 where it is more than ASCII."""
    if not value:
        return ""
    if value.isascii():
        return value.strip()
    try:
        return value.encode("latin-1").decode("utf-8").strip()
    except UnicodeError:
        return value.strip()
