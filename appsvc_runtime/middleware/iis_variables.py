"""Reads IIS's server variables for scheme and path, as wfastcgi passes them on.

Takes and changes environs. Loaded by a middleware that is not inert. Must not know who is trusted.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["repair_path", "server_scheme"]


def server_scheme(environ: dict[str, Any]) -> str:
    """Return the scheme that the server itself saw; IIS reports it in `HTTPS`."""
    if environ.get("wsgi.url_scheme") == "https":
        return "https"
    return "https" if str(environ.get("HTTPS", "")).lower() in ("on", "1") else "http"


def repair_path(environ: dict[str, Any], original: dict[str, Any]) -> None:
    """Decode PATH_INFO, once for a request: wfastcgi copies it undecoded from `X-Original-URL`.

    PEP 3333 requires a decoded PATH_INFO, and App Service's front end always sends that header.
    Without this, an app behind wfastcgi never sees the right path if it has a blank or an accent.
    """
    if "HTTP_X_ORIGINAL_URL" not in environ or "PATH_INFO" in original:
        return
    original["PATH_INFO"] = environ.get("PATH_INFO", "")
    if "%" in original["PATH_INFO"]:
        from urllib.parse import unquote

        environ["PATH_INFO"] = unquote(original["PATH_INFO"], "latin-1")
