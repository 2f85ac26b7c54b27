"""Who is not signed in: 401, or on to the platform's own sign-in.

Pure decisions over an environ that the middleware has seen. Must not know of frameworks: `views`
does.
Source: AD, configure-authentication-customize-sign-in-out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from . import facts
from .reply import Reply, make_reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["UNAUTHORIZED", "Refusal", "login_url", "refuse", "reply"]

UNAUTHORIZED = "401"
_PATH_SAFE = "/:@!$&'()*+,;=~-._"
_ANSWERED_BY_PLATFORM = "/.auth/"


class Refusal(NamedTuple):
    """An answer in place of the app's: its `status`, and where to go, "" for nowhere."""

    status: str
    location: str = ""


def login_url(provider: str, path: str, query: str = "") -> str:
    r"""Give where a provider's sign-in begins, which comes back to a path of this site.

    `path` and `query` as they stand in an environ. Never leads to another site: what would be read
    as one (`//evil.example`, `/\evil.example`) becomes a path.
    """
    target = quote(path.encode("latin-1", "replace"), safe=_PATH_SAFE)
    target = "/" + target.lstrip("/")
    if query:
        target += "?" + query
    return f"{facts.LOGIN_PATH}{quote(provider, safe='')}?post_login_redirect_uri=" + quote(
        target.encode("latin-1", "replace"), safe=""
    )


def refuse(environ: WSGIEnvironment, to: str, roles: Iterable[str] = ()) -> Refusal | None:
    """Say what a visitor gets who may not go on; None for one who may.

    `to` is a provider, or `401`. With `roles`, who is signed in and has none of them gets 403. Only
    a page that can be asked for again (GET, HEAD) is come back to after the sign-in.
    """
    info = environ.get("appsvc.request")
    principal = info.principal if info is not None else None
    if principal is not None:
        wanted = tuple(roles)
        if wanted and not any(principal.has_role(role) for role in wanted):
            return Refusal("403 Forbidden")
        return None
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    if path.startswith(_ANSWERED_BY_PLATFORM):
        return None
    if to == UNAUTHORIZED:
        return Refusal("401 Unauthorized")
    if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
        path, query = "/", ""
    else:
        query = environ.get("QUERY_STRING", "")
    return Refusal("302 Found", login_url(to, path, query))


def reply(refusal: Refusal) -> Reply:
    """Give the answer that a refusal is."""
    headers = [("Cache-Control", "no-store")]
    if refusal.location:
        headers.append(("Location", refusal.location))
    return make_reply(refusal.status, f"{refusal.status.partition(' ')[2]}.\n".encode(), *headers)
