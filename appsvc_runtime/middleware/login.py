"""Requests that need a sign-in: refused with 401, 403, or sent to the platform's own sign-in.

Pure decisions over an environ that the middleware has seen. Must not know of frameworks:
`signed_in` does. No path is let through: what is below `/.auth/` is the platform's, and a request
for it that reaches the app has not been through the platform.
Source: AD, configure-authentication-customize-sign-in-out.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from ..azure import names
from ..errors import ConfigError
from ..settings import option_parsers
from .response import Reply, make_reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import WSGIEnvironment

    from .principal import Principal

__all__ = [
    "UNAUTHORIZED",
    "Refusal",
    "Requirement",
    "login_url",
    "refuse",
    "refuse_for_site",
    "reply",
    "require",
]

UNAUTHORIZED = "401"
_PATH_SAFE = "/:@!$&'()*+,;=~-._"
# The sign-in of X is at /.auth/login/x; its users have come as `twitter` since before.
_ALIASES = {"x": "twitter"}
_warned: set[str] = set()


class Requirement(NamedTuple):
    """Who may pass: users of one of `providers` (any if empty) with one of `roles` (likewise)."""

    providers: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class Refusal(NamedTuple):
    """A response in place of the app's: `status`, where to go ("" for nowhere), and why."""

    status: str
    location: str = ""
    advice: str = ""


def require(to: str, roles: Iterable[str] | str | None = None) -> Requirement:
    """Return the requirement that `to` (`401`, `aad`, `aad,google`) and `roles` describe.

    `roles` is one role or several; None for no condition. Raises ConfigError for what cannot be
    used: a condition that would hold for nobody or for everybody by mistake is refused.
    """
    try:
        text = option_parsers.parse_login(to) if isinstance(to, str) else ""
    except ValueError:
        text = ""
    if not text:
        raise ConfigError(
            "A sign-in is required that is neither 401 nor the name of a provider.",
            hint='Write "401", "aad" or "aad,google", as in signed_in("aad").',
        )
    providers = () if text == UNAUTHORIZED else tuple(text.split(","))
    return Requirement(providers, () if roles is None else _read_roles(roles))


def _read_roles(roles: Iterable[str] | str) -> tuple[str, ...]:
    wanted = (roles,) if isinstance(roles, str) else tuple(roles)
    if not wanted or not all(isinstance(role, str) and role for role in wanted):
        raise ConfigError(
            "A sign-in is required with roles that are empty or not text.",
            hint='Write roles=["admin"], or leave roles out to let in every signed-in user.',
        )
    return wanted


def login_url(provider: str, path: str, query: str = "") -> str:
    r"""Return where a provider's sign-in begins, which comes back to a path of this site.

    `path` and `query` as they stand in an environ. Never leads to another site: what would be read
    as one (`//evil.example`, `/\evil.example`) becomes a path. Nor to the platform's own pages, by
    which a link could sign a user out again: these become `/`.
    """
    target = quote(path.encode("latin-1", "replace"), safe=_PATH_SAFE)
    target = "/" + target.lstrip("/")
    if query:
        target += "?" + query
    if _is_platforms(posixpath.normpath("/" + path.replace("\\", "/").lstrip("/"))):
        target = "/"
    return f"{names.LOGIN_PATH}{quote(provider, safe='')}?post_login_redirect_uri=" + quote(
        target.encode("latin-1", "replace"), safe=""
    )


def refuse(environ: WSGIEnvironment, requirement: Requirement) -> Refusal | None:
    """Return the refusal for a request that may not pass; None for one that may.

    A user who is signed in by another provider or has none of the roles gets 403, with the address
    of the right sign-in: a redirect could go round in a circle. Only a page that can be requested
    again (GET, HEAD) is come back to after the sign-in.
    """
    info = environ.get("appsvc.request")
    if info is None:
        _warn_unseen()
    principal: Principal | None = info.principal if info is not None else None
    if principal is None:
        if not requirement.providers:
            return Refusal("401 Unauthorized")
        return Refusal("302 Found", _sign_in(environ, requirement))
    if not _is_provided(principal, requirement.providers):
        advice = f"Sign in with {' or '.join(requirement.providers)} first: "
        return Refusal("403 Forbidden", advice=advice + _sign_in(environ, requirement))
    if requirement.roles and not any(principal.has_role(role) for role in requirement.roles):
        return Refusal("403 Forbidden")
    return None


def _is_provided(principal: Principal, providers: tuple[str, ...]) -> bool:
    """Return whether a user is signed in by one of some providers, any if there are none."""
    provider = principal.provider.lower()
    named = [_ALIASES.get(name, name) for name in providers]
    return not named or _ALIASES.get(provider, provider) in named


def refuse_for_site(environ: WSGIEnvironment, requirement: Requirement) -> Refusal | None:
    """Return the refusal for a request to a site that needs a sign-in; None for one that may pass.

    A path below `/.auth/` is 404 for every user: a redirect to a sign-in that the platform does not
    answer would go round in a circle.
    """
    if _is_platforms(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")):
        return Refusal("404 Not Found", advice="App Service authentication does not answer here.")
    return refuse(environ, requirement)


def reply(refusal: Refusal) -> Reply:
    """Return the response that a refusal is."""
    headers = [("Cache-Control", "no-store")]
    if refusal.location:
        headers.append(("Location", refusal.location))
    text = f"{refusal.status.partition(' ')[2]}.\n"
    if refusal.advice:
        text += f"{refusal.advice}\n"
    return make_reply(refusal.status, text.encode(), *headers)


def _sign_in(environ: WSGIEnvironment, requirement: Requirement) -> str:
    """Return the address of the first provider's sign-in, which comes back to this page."""
    path, query = "/", ""
    if environ.get("REQUEST_METHOD") in ("GET", "HEAD"):
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        query = environ.get("QUERY_STRING", "")
    return login_url(requirement.providers[0], path, query)


def _is_platforms(path: str) -> bool:
    """Return whether a path is the platform's own, as it stands; nothing is decoded."""
    return f"{path.lower()}/".startswith(names.AUTH_PATH)


def _warn_unseen() -> None:
    """Log, once, that a request has not been through the middleware: nobody can be signed in."""
    if "unseen" in _warned:
        return
    _warned.add("unseen")
    import logging

    logging.getLogger("appsvc_runtime.middleware.login").warning(
        "signed_in() refuses a request that no middleware of this package has seen: put "
        "AppServiceMiddleware or AppServiceASGIMiddleware around the app (logged once)."
    )
