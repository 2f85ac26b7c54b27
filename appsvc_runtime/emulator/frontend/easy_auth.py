"""App Service authentication ("Easy Auth") in front of a host: sign-in, sign-out, user headers.

Requests in, responses out; a cookie identifies the user. There is no password and no provider: a
form asks for a name. Must not import the modules that read these headers for an app: it plays the
other side.
Sources: AD, configure-authentication-user-identities, overview-authentication-authorization,
configure-authentication-customize-sign-in-out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import unicodedata
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs

from multidict import CIMultiDict

from ..http import error_pages
from ..http.messages import Answer, Ask, Request, Tunnel
from ..http.url_paths import BadPathError, decode_path
from .origins import local_target
from .sign_in_page import message_page, sign_in_page, sign_out_page

__all__ = ["PROVIDERS", "EasyAuth", "User"]

COOKIE = "AppServiceAuthSession"
PREFIX = "/.auth/"
# Claim types of a user's id and e-mail address; below, the providers' names in URLs.
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
_NAME_ID = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"
_EMAIL = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"
PROVIDERS = ("aad", "google", "facebook", "github", "apple", "x")
_PAGES = f"Sign in at {PREFIX}login/ and one of: {', '.join(PROVIDERS)}."
_MAX_FORM = 64 * 1024
_MAX_SESSIONS = 1000
_SESSION_HOURS = 8
_DONE = "/.auth/login/done"
_FOOTER = "This page is made by appsvc emulate."
# No other site may show these pages in a frame: it could cover them with its own buttons.
_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class User:
    """A signed-in user: the provider's name, an id, claims as type and value, a token."""

    provider: str
    id: str
    name: str
    claims: tuple[tuple[str, str], ...]
    token: str
    expires: datetime

    @property
    def principal(self) -> str:
        """The value of X-MS-CLIENT-PRINCIPAL."""
        whole = {
            "auth_typ": self.provider,
            "claims": [{"typ": kind, "val": value} for kind, value in self.claims],
            "name_typ": "name" if self.provider == "aad" else _EMAIL,
            "role_typ": "roles",
        }
        return base64.b64encode(json.dumps(whole, separators=(",", ":")).encode()).decode()

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers that the app gets with each request."""
        token = f"X-MS-TOKEN-{self.provider.upper()}"
        return [
            ("X-MS-CLIENT-PRINCIPAL", self.principal),
            ("X-MS-CLIENT-PRINCIPAL-ID", self.id),
            ("X-MS-CLIENT-PRINCIPAL-NAME", self.name),
            ("X-MS-CLIENT-PRINCIPAL-IDP", self.provider),
            (f"{token}-ACCESS-TOKEN", self.token),
            (f"{token}-EXPIRES-ON", self.expires.strftime("%Y-%m-%dT%H:%M:%S.0000000Z")),
        ]

    def me(self) -> list[dict[str, object]]:
        """Return the content of the response to /.auth/me."""
        return [
            {
                "access_token": self.token,
                "expires_on": self.expires.strftime("%Y-%m-%dT%H:%M:%S.0000000Z"),
                "provider_name": self.provider,
                "user_claims": [{"typ": kind, "val": value} for kind, value in self.claims],
                "user_id": self.name,
            }
        ]


class EasyAuth:
    """Wraps `ask`, which then gets the headers of the signed-in user.

    A page of another site cannot sign a user in or out: its forms are refused, and its links to
    sign out lead to a page that asks first. `is_own` returns whether a host, with its port, is
    the site's; the host in the Host header always is the site's.
    """

    def __init__(self, ask: Ask, is_own: Callable[[str], object] = lambda _: False) -> None:
        self._ask = ask
        self._is_own = is_own
        self._users: dict[str, User] = {}

    async def ask(self, request: Request) -> Answer | Tunnel:
        """Respond to paths below /.auth/, in any case or encoding, and pass all others on."""
        path, _, query = request.target.partition("?")
        user = self._user(request)
        for each in (path.lower(), _decoded(request.target)):
            if each.startswith(PREFIX):
                return await self._answer(request, each, query, user)
        if user is not None:
            request.headers.extend(user.headers())
        return await self._ask(request)

    def _user(self, request: Request) -> User | None:
        session = next((each for each in self._sessions(request) if each in self._users), "")
        user = self._users.get(session)
        if user is not None and user.expires < datetime.now(timezone.utc):
            del self._users[session]
            return None
        return user

    async def _answer(
        self, request: Request, path: str, query: str, user: User | None
    ) -> Answer | Tunnel:
        if path == f"{PREFIX}me":
            if user is None:
                return _error(request, 401, "Not signed in", f"Sign in at {PREFIX}login/aad.")
            return _json(user.me())
        if path == f"{PREFIX}logout":
            return await self._answer_logout(request, query)
        if path == _DONE:
            return _page(message_page("You have successfully signed in", link="/"))
        provider = path.removeprefix(f"{PREFIX}login/") if "login/" in path else ""
        if provider not in PROVIDERS:
            return _error(request, 404, "App Service authentication has no such page", _PAGES)
        if request.method == "POST":
            if request.cross_site:
                return _foreign("sign in", f"{PREFIX}login/{provider}")
            return await self._sign_in(request, provider)
        if request.method not in ("GET", "HEAD"):
            return Answer(405, CIMultiDict({"Allow": "GET, HEAD, POST"}))
        target = self._local(request, _first(query, "post_login_redirect_uri"))
        return _page(sign_in_page(provider, target))

    async def _sign_in(self, request: Request, provider: str) -> Answer:
        """Read the form, and sign the user in."""
        text = await _form(request)
        if text is None:
            return Answer(413, note="the sign-in form is too long")
        name = _first(text, "name").strip() or "ann@example.com"
        if any(unicodedata.category(letter) == "Cc" for letter in name):
            # The name goes into a header of each request.
            why = "The name holds a line break or another control character."
            return _page(message_page("Not signed in", why), 400)
        user = _make_user(
            provider,
            name,
            [role.strip() for role in _first(text, "roles").split(",") if role.strip()],
            _first(text, "claims"),
        )
        if len(self._users) >= _MAX_SESSIONS:
            self._users.pop(next(iter(self._users)))
        session = secrets.token_urlsafe(32)
        self._users[session] = user
        cookie = f"{COOKIE}={session}; Path=/; HttpOnly; SameSite=Lax"
        if request.secure:
            cookie += "; Secure"
        target = self._local(request, _first(text, "post_login_redirect_uri")) or _DONE
        return _go(target, cookie, f"{provider}: a user has signed in")

    async def _answer_logout(self, request: Request, query: str) -> Answer:
        """Sign the user out; a link on another site only leads to a page that asks first."""
        if request.method not in ("GET", "HEAD", "POST"):
            return Answer(405, CIMultiDict({"Allow": "GET, HEAD, POST"}))
        if request.method == "POST":
            if request.cross_site:
                return _foreign("sign out", f"{PREFIX}logout")
            form = await _form(request)
            query = query if form is None else f"{form}&{query}"
        target = self._local(request, _first(query, "post_logout_redirect_uri"))
        if request.method == "HEAD" or (request.method == "GET" and request.cross_site):
            return _page(sign_out_page(target))
        for session in self._sessions(request):
            self._users.pop(session, None)
        cookie = f"{COOKIE}=; Path=/; HttpOnly; Max-Age=0"
        if target:
            return _go(target, cookie, "a user has signed out")
        answer = _page(message_page("You have been signed out", link="/"))
        answer.headers.add("Set-Cookie", cookie)
        return answer

    def _local(self, request: Request, target: str) -> str:
        """Return a target if it is on this site, "" for any other."""
        own = request.headers.get("Host", "").lower()
        return local_target(target, lambda host: host.lower() == own or self._is_own(host))

    @staticmethod
    def _sessions(request: Request) -> list[str]:
        """Return the sessions that the request's cookies name.

        Other projects' cookies may be malformed, as all ports of localhost share their cookies.
        Python's own cookie parser would stop at the first malformed one.
        """
        pairs = [
            pair.partition("=")
            for header in request.headers.getall("Cookie", [])
            for pair in header.split(";")
        ]
        return [value.strip() for name, _, value in pairs if name.strip() == COOKIE]


def _decoded(target: str) -> str:
    """Return the path of a target as http.sys decodes it, in lower case; "" if it is invalid."""
    try:
        return decode_path(target).lower()
    except BadPathError:
        return ""  # the host behind this responds to an invalid path


async def _form(request: Request) -> str | None:
    """Return the form in a request's body, None if it is too long."""
    form = b""
    async for part in request.body:
        form += part
        if len(form) > _MAX_FORM:
            return None
    return form.decode("utf-8", "replace")


def _make_user(provider: str, name: str, roles: list[str], lines: str) -> User:
    """Return a user with the claims that the provider sets, and those of the form."""
    # The id is the same at each sign-in, as a provider's is.
    digest = hashlib.sha256(f"{provider} {name}".encode()).digest()
    identity = str(uuid.UUID(bytes=digest[:16]))
    if provider == "aad":
        claims = [
            (_OBJECT_ID, identity),
            (_NAME_ID, digest.hex()[:43]),
            ("name", name),
            ("preferred_username", name),
        ]
    else:
        identity = str(int.from_bytes(digest[:8], "big"))
        claims = [(_NAME_ID, identity), (_EMAIL, name), ("name", name)]
    claims += [("roles", role) for role in roles]
    for line in lines.splitlines():
        kind, sign, value = line.partition("=")
        if sign and kind.strip():
            claims.append((kind.strip(), value.strip()))
    expires = datetime.now(timezone.utc) + timedelta(hours=_SESSION_HOURS)
    return User(provider, identity, name, tuple(claims), secrets.token_urlsafe(24), expires)


def _first(form: str, name: str) -> str:
    try:
        return parse_qs(form, keep_blank_values=True, max_num_fields=100).get(name, [""])[0]
    except ValueError:  # more fields than that
        return ""


def _page(html: str, status: int = 200) -> Answer:
    headers = {"Content-Type": "text/html; charset=utf-8", **_PAGE_HEADERS}
    return Answer(status, CIMultiDict(headers), html.encode())


def _error(request: Request, status: int, title: str, why: str) -> Answer:
    """Return an error page: HTML, or plain text for a client that does not ask for HTML."""
    made = error_pages.answer(request, status, 0, title, why, headers=_PAGE_HEADERS, footer=_FOOTER)
    made.note = title
    return made


def _foreign(what: str, path: str) -> Answer:
    """Return the response to a form that another site's page has sent."""
    answer = _page(
        message_page(
            "Refused",
            f"A page of another site has sent this form. Only this site's own page may {what}. "
            f"Open {path} here.",
        ),
        403,
    )
    answer.note = f"a page of another site tried to {what}"
    return answer


def _json(value: object) -> Answer:
    headers = {"Content-Type": "application/json", **_PAGE_HEADERS}
    return Answer(200, CIMultiDict(headers), json.dumps(value).encode())


def _go(target: str, cookie: str, note: str) -> Answer:
    headers = CIMultiDict({"Location": target, "Set-Cookie": cookie, "Cache-Control": "no-store"})
    return Answer(302, headers, note=note)
