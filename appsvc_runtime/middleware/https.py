"""`https_only`: the redirect of a plain http request, and Strict-Transport-Security.

Pure WSGI, loaded by the middleware if it is switched on. Must not know of trust: the scheme is
decided before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from .forwarded import read_host
from .response import Reply, make_reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["add_hsts", "redirect"]

# Characters that RFC 3986 allows unescaped in a path and in a query. "%" is only in the second, as
# the query arrives still encoded.
_PATH_SAFE = "/:@!$&'()*+,;=~-._"
_QUERY_SAFE = _PATH_SAFE + "?%"


def add_hsts(start_response: StartResponse, value: str) -> StartResponse:
    """Return a `start_response` that adds Strict-Transport-Security unless the app has set it."""

    def start(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        if not any(name.lower() == "strict-transport-security" for name, _ in headers):
            headers = [*headers, ("Strict-Transport-Security", value)]
        if exc_info is None:
            return start_response(status, headers)
        return start_response(status, headers, exc_info)

    return start


def redirect(environ: WSGIEnvironment, site_host: str) -> Reply:
    """Return a 308 redirect to the same URL with https, or 400 for a malformed host.

    `site_host` is the site's own name, used if the client sends no Host.
    """
    host = read_host(environ.get("HTTP_HOST") or site_host)
    if host is None:
        return make_reply("400 Bad Request", b"Bad Host header.\n")
    path = quote(
        (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode(
            "latin-1", "replace"
        ),
        safe=_PATH_SAFE,
    )
    if not path.startswith("/"):  # else it would extend the host's name
        path = f"/{path}"
    query = quote(environ.get("QUERY_STRING", "").encode("latin-1", "replace"), safe=_QUERY_SAFE)
    # The port is dropped: a plain http request names the port for http.
    target = f"https://{host.name}{path}{'?' if query else ''}{query}"
    return make_reply("308 Permanent Redirect", b"Use https.\n", ("Location", target))
