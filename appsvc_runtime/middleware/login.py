"""Refuses requests without the required sign-in: 401, 403, or a redirect to the platform's sign-in.

Pure decisions about an environ that the middleware has handled. Must not know of frameworks, which
`signed_in` does. No path is exempt: paths below `/.auth/` are the platform's, and a request for one
that reaches the app has bypassed the platform.
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
# The sign-in of X is at /.auth/login/x; its users' provider is still `twitter`.
_ALIASES = {"x": "twitter"}
_warned: set[str] = set()


class Requirement(NamedTuple):
    """The users who may pass: of one of `providers`, with one of `roles`; empty allows any."""

    providers: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class Refusal(NamedTuple):
    """A response in place of the app's: status, redirect target or "", text for the user or ""."""

    status: str
    location: str = ""
    advice: str = ""


def require(to: str, roles: Iterable[str] | str | None = None) -> Requirement:
    """Return the requirement that `to` (`401`, `aad`, `aad,google`) and `roles` describe.

    `roles` is one role or several; None for no condition. Raises ConfigError for values that cannot
    be used, such as an empty list, which would by mistake refuse or allow all users.
    """
    try:
        text = option_parsers.parse_login(to) if isinstance(to, str) else ""
    except ValueError:
        text = ""
    if not text:
        raise ConfigError(
            "The required sign-in is neither 401 nor the name of a provider.",
            hint='Write "401", "aad" or "aad,google", as in signed_in("aad").',
        )
    providers = () if text == UNAUTHORIZED else tuple(text.split(","))
    return Requirement(providers, () if roles is None else _read_roles(roles))


def _read_roles(roles: Iterable[str] | str) -> tuple[str, ...]:
    wanted = (roles,) if isinstance(roles, str) else tuple(roles)
    if not wanted or not all(isinstance(role, str) and role for role in wanted):
        raise ConfigError(
            "The roles of the required sign-in are empty or not text.",
            hint='Write roles=["admin"], or leave roles out to allow every signed-in user.',
        )
    return wanted


def login_url(provider: str, path: str, query: str = "", prefix: str = "") -> str:
    r"""Return the URL of a provider's sign-in, which leads back to a path of this site.

    `path` and `query` are as in an environ. `prefix` is what a gateway removes from the path of
    every request, with which `path` begins: the sign-in is below it too. The result never leads
    back to another site: a path that browsers read as one (`//evil.example`, `/\evil.example`)
    becomes a path of this site. It never leads back to the platform's own pages either, one of
    which would sign the user out again: these become the root.
    """
    below = quote(prefix.encode("latin-1", "replace"), safe=_PATH_SAFE)
    target = quote(path.encode("latin-1", "replace"), safe=_PATH_SAFE)
    target = "/" + target.lstrip("/")
    if query:
        target += "?" + query
    site_path = path.removeprefix(prefix).replace("\\", "/").lstrip("/")
    if _is_platforms(posixpath.normpath("/" + site_path)):
        target = f"{below}/"
    return f"{below}{names.LOGIN_PATH}{quote(provider, safe='')}?post_login_redirect_uri=" + quote(
        target.encode("latin-1", "replace"), safe=""
    )


def refuse(environ: WSGIEnvironment, requirement: Requirement) -> Refusal | None:
    """Return the refusal for a request that may not pass; None for a request that may.

    A user of another provider gets 403 with the URL of the right sign-in, as a redirect could loop.
    A user with none of the roles gets 403. The sign-in leads back to the page only if that can be
    requested again (GET, HEAD).
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
    """Return whether a user's provider is one of `providers`; if these are empty, return True."""
    provider = principal.provider.lower()
    named = [_ALIASES.get(name, name) for name in providers]
    return not named or _ALIASES.get(provider, provider) in named


def refuse_for_site(environ: WSGIEnvironment, requirement: Requirement) -> Refusal | None:
    """Return the refusal for a request to a site that needs a sign-in; None if it may pass.

    A path below `/.auth/` is 404 for every user: a redirect to a sign-in that the platform does not
    serve would loop.
    """
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    if _is_platforms(path.removeprefix(_prefix(environ))):
        return Refusal("404 Not Found", advice="App Service authentication does not respond here.")
    return refuse(environ, requirement)


def reply(refusal: Refusal) -> Reply:
    """Return the response for a refusal."""
    headers = [("Cache-Control", "no-store")]
    if refusal.location:
        headers.append(("Location", refusal.location))
    text = f"{refusal.status.partition(' ')[2]}.\n"
    if refusal.advice:
        text += f"{refusal.advice}\n"
    return make_reply(refusal.status, text.encode(), *headers)


def _sign_in(environ: WSGIEnvironment, requirement: Requirement) -> str:
    """Return the URL of the first provider's sign-in, which leads back to this page."""
    prefix = _prefix(environ)
    path, query = f"{prefix}/", ""
    if environ.get("REQUEST_METHOD") in ("GET", "HEAD"):
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        query = environ.get("QUERY_STRING", "")
    return login_url(requirement.providers[0], path, query, prefix)


def _prefix(environ: WSGIEnvironment) -> str:
    """Return what a gateway has removed from a request's path; the app's own path has it."""
    info = environ.get("appsvc.request")
    return "" if info is None else str(info._prefix)


def _is_platforms(path: str) -> bool:
    """Return whether a path is one of the platform's own; nothing is decoded."""
    return f"{path.lower()}/".startswith(names.AUTH_PATH)


def _warn_unseen() -> None:
    """Log once that a request has bypassed the middleware, so that no user can be signed in."""
    if "unseen" in _warned:
        return
    _warned.add("unseen")
    import logging

    logging.getLogger("appsvc_runtime.middleware.login").warning(
        "signed_in() refuses a request that no middleware of this package has seen: put "
        "AppServiceMiddleware or AppServiceASGIMiddleware around the app (logged once)."
    )
