"""Checks whether a page of this site made a request, and whether a redirect stays on the site.

Pure: headers and text in. Must not know of sessions or of what a request changes. Sources: Fetch
Metadata (W3C: Sec-Fetch-Site, which no page can set), the Fetch standard for Origin, the URL
standard (WHATWG) for how browsers read a Location: they drop tabs and line breaks and read a
backslash as a slash.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from multidict import CIMultiDict

from ..http.url_paths import clean_url

__all__ = ["is_cross_site", "local_target"]

_DEFAULT_PORT = {"http": ":80", "https": ":443"}
_ORIGIN = re.compile(r"(https?)://([^/?#@\\]+)(?=[/?#]|\Z)", re.IGNORECASE)
_ABSOLUTE = re.compile(r"https?://([^/?#@\\\s]+)([/?#].*)?", re.IGNORECASE | re.DOTALL)
_NEVER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Two slashes, also with blanks or a backslash: a browser would read the text behind them as a host.
_TWO_SLASHES = re.compile(r"/[\x00-\x20]*[/\\]")
# How often escapes are decoded to find two slashes: a server behind the site may decode again.
_DECODINGS = 3


def is_cross_site(headers: CIMultiDict[str], host: str, *, secure: bool) -> bool:
    """Return whether a page of another origin has made a browser send the request.

    `headers` are the client's, unchanged; `host` is the requested host. Without Sec-Fetch-Site,
    Origin counts, then Referer. A client that sends none of the three is not a browser, so no page
    can have made it send the request.
    """
    sites = headers.getall("Sec-Fetch-Site", ())
    if sites:
        return any(site.strip().lower() not in ("same-origin", "none") for site in sites)
    told = headers.getall("Origin", ()) or headers.getall("Referer", ())
    if not told:
        return False
    own = _origin(f"{'https' if secure else 'http'}://{host}")
    return any(_origin(url) != own for url in told)


def local_target(text: str, is_own: Callable[[str], object]) -> str:
    """Return the path and query of a redirect target on this site, "" for any other target.

    `is_own` returns whether a host, with its port, is this site's. For an absolute URL with such a
    host the path and query are returned. Characters that a URL may not hold are escaped.
    """
    absolute = _ABSOLUTE.fullmatch(text)
    if absolute is not None and is_own(absolute[1]):
        text = absolute[2] or "/"
        text = text if text.startswith("/") else f"/{text}"
    if not text.startswith("/") or _NEVER.search(text):
        return ""
    decoded = text
    for _ in range(_DECODINGS):
        path = decoded.partition("?")[0].partition("#")[0]
        if _TWO_SLASHES.match(path):
            return ""
        decoded = unquote(decoded)
    return clean_url(text)


def _origin(url: str) -> str:
    """Return the origin of a URL without its scheme's default port, "" if it has no origin."""
    match = _ORIGIN.match(url.strip())
    if match is None:
        return ""
    scheme, host = match[1].lower(), match[2].lower()
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORT[scheme])}"
