"""Reads the signed-in user from the headers of App Service authentication ("Easy Auth").

Pure: strings in, a `Principal` or None out; public functions raise for no value. Must not know of
WSGI, ASGI or trust: the caller makes sure that the front end wrote the headers. Values that differ
from the front end's format give None, so that no client can pass for a signed-in user.
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

# Longer than any header that servers accept by default; decoding more would only take time.
MAX_LENGTH = 64 * 1024
_NAME_IDENTIFIER = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"
_OBJECT_IDENTIFIER = "http://schemas.microsoft.com/identity/claims/objectidentifier"
# Claim types that hold a user's id; first the one that Entra ID's X-MS-CLIENT-PRINCIPAL-ID repeats.
_ID_CLAIMS = (_OBJECT_IDENTIFIER, "oid", _NAME_IDENTIFIER, "sub", "stable_sid")
_NAME_CLAIMS = (
    "preferred_username",
    "name",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "email",
)
_DEFAULT_ROLE_TYPE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
# Characters that end a line or a string, and surrogates, which no encoding accepts.
_UNUSABLE = re.compile("[\0\r\n\ud800-\udfff]").search
# Characters that REMOTE_USER holds unescaped, all allowed in Django's user names ("+" escapes).
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.@-]*").fullmatch
_ESCAPED = re.compile(rb"[^A-Za-z0-9_.@-]")
# The longest user name of Django.
_MAX_USERNAME = 150


class Claim(NamedTuple):
    """One claim: its type, as the provider names it, and its value."""

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

    `id` is the provider's id of the user, stable and never reused. `name` is the display name,
    which may change. `provider` is `aad`, `google` and so on. `claims` are all claims in their
    order; a type may occur more than once. `roles` are the values of the claim type that the
    principal names as its role type, and of the type `roles`.
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
        """Provider and id as one unique name, such as `aad.` and the object id.

        It consists of ASCII characters that Django's user names allow, and is no longer than those
        may be. Other bytes of the UTF-8 text become `+` and two hexadecimal digits. The end of a
        name that is too long becomes `++` and a SHA-256.
        """
        # Dots in the provider are escaped, so that the first dot ends the provider.
        provider = _escape(self.provider).replace(".", "+2E")
        name = f"{provider}.{_escape(self.id)}"
        if len(name) > _MAX_USERNAME:
            digest = hashlib.sha256(name.encode()).hexdigest()
            name = f"{provider[: _MAX_USERNAME - len(digest) - 3]}.++{digest}"
        return name

    @property
    def roles(self) -> frozenset[str]:
        """The user's roles."""
        # Entra ID sends app roles as `roles` too, even if `role_typ` names another type.
        return frozenset(value for kind, value in self.claims if kind in (self.role_type, "roles"))

    def has_role(self, role: str) -> bool:
        """Return whether the user has a role; the comparison is case-sensitive."""
        return role in self.roles

    def __repr__(self) -> str:
        # Without name and claims, as this gets into logs.
        return f"Principal(id={self.id!r}, provider={self.provider!r})"


class _UnusableError(ValueError):
    """A principal cannot be used; the message says why and holds none of its values."""


def read_principal(headers: PrincipalHeaders) -> tuple[Principal | None, str]:
    """Return the principal and "", or None and the problem, which never holds a value.

    The claims are the source; the other headers must agree with them. The -ID header must be one of
    the claims' ids, if they have any. Without the header the id comes from the claims. Without any
    id the result is None.
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
    # Strict JSON can hold unusable characters only as escapes.
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
        raise _UnusableError("its id, name or provider has a line break, NUL or surrogate")
    return Principal(
        identity,
        name,
        provider,
        claims,
        name_type=name_type,
        role_type=role_type or _DEFAULT_ROLE_TYPE,
    )


def _ids(claims: tuple[Claim, ...], known: Mapping[str, str]) -> list[str]:
    """Return the user's ids in the claims; `known` has the first claim of each type."""
    if len(known) != len(claims) and any(
        kind in _ID_CLAIMS and known[kind] != value for kind, value in claims
    ):
        raise _UnusableError("it has two ids of one type")
    return [known[kind] for kind in _ID_CLAIMS if known.get(kind, "").strip()]


def _identity(ids: list[str], given: str) -> str:
    """Return the user's id: the -ID header's, else a claim's.

    Raises _UnusableError if the header differs from all claims, or if there is no id.
    """
    if given and ids and given not in ids:
        raise _UnusableError("its id differs from X-MS-CLIENT-PRINCIPAL-ID")
    if not given and not ids:
        raise _UnusableError("it has no id")
    return given or ids[0]


def say_problem(problem: str) -> None:
    """Log that a principal is not used, and why, but not its value."""
    import logging

    logging.getLogger("appsvc_runtime.identity").warning(
        "X-MS-CLIENT-PRINCIPAL is not used, the request counts as not signed in: %s (logged once).",
        problem,
    )


def _decode(encoded: str) -> bytes:
    """Return the bytes of a header value in Base64."""
    if len(encoded) > MAX_LENGTH:
        raise _UnusableError(f"it is longer than {MAX_LENGTH} characters")
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:  # also raised for text that is not ASCII
        raise _UnusableError("it is not Base64") from None
    if len(encoded) % 4:  # Python 3.10 accepts padding that is too long
        raise _UnusableError("it is not Base64")
    return data


def _object(data: bytes) -> dict[str, Any]:
    """Return the JSON object in bytes of UTF-8."""
    try:
        read = json.loads(data.decode("utf-8"))
    except RecursionError:
        raise _UnusableError("its JSON is nested too deep") from None
    except ValueError:
        raise _UnusableError("it is not JSON in UTF-8") from None
    if not isinstance(read, dict):
        raise _UnusableError("it is not a JSON object")
    return read


def _claims(read: Mapping[str, Any], *, has_escapes: bool) -> tuple[Claim, ...]:
    """Return the claims of a principal. One malformed claim makes the whole principal unusable."""
    listed = read.get("claims")
    if not isinstance(listed, list):
        raise _UnusableError("it has no list of claims")
    # Written for speed, as this may run for each request of a signed-in user.
    try:
        pairs = [(one["typ"], one["val"]) for one in listed]
    except (TypeError, KeyError, IndexError):
        raise _UnusableError("a claim has no typ or no val") from None
    if not all(type(kind) is str is type(value) for kind, value in pairs):
        raise _UnusableError("a claim's typ or val is not text")
    if has_escapes and _UNUSABLE("".join([part for pair in pairs for part in pair])):
        raise _UnusableError("a claim has a line break, NUL or surrogate")
    return tuple(map(Claim._make, pairs))


def _string(read: Mapping[str, Any], key: str) -> str:
    value = read.get(key)
    return value if isinstance(value, str) else ""


def _escape(text: str) -> str:
    """Return a text escaped to the characters of a user name; no two texts give the same result."""
    if _PLAIN_ID(text):
        return text
    data = text.encode("utf-8", "surrogatepass")  # a text from elsewhere may hold surrogates
    return _ESCAPED.sub(lambda found: b"+%02X" % found[0][0], data).decode("ascii")


def _text(value: str | None) -> str:
    """Return the text of a header value that may hold UTF-8, without blanks around it."""
    if not value:
        return ""
    if value.isascii():
        return value.strip()
    try:
        return value.encode("latin-1").decode("utf-8").strip()
    except UnicodeError:
        return value.strip()
