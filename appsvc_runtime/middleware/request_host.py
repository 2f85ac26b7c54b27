"""The host that a request asks for, taken from another header in place of `Host`.

An environ in, the same one out, changed. Loaded by a middleware that is not inert. Must not know
who is trusted, nor which header a site has chosen.
"""

from __future__ import annotations

from .forwarded import read_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["decide_host"]

# The platform's probes come from inside to such an address, which no framework allows.
_LINK_LOCAL = "169.254."


def decide_host(
    environ: dict[str, Any],
    original: dict[str, Any],
    host_key: str,
    site_host: str,
    *,
    secure: bool,
) -> tuple[str, str]:
    """Return the request's host, and the header that it was taken from, "" for `Host` itself.

    `host_key` is the header to take it from where that names a host, "" for none. In place of a
    link-local address the host is `site_host`, unless that is "". `secure`: the client used https,
    which has another default port.
    """
    if host_key and not _take_host(environ, original, host_key, 443 if secure else 80):
        host_key = ""
    host: str = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    if site_host and host.startswith(_LINK_LOCAL):
        original.setdefault("HTTP_HOST", environ.get("HTTP_HOST"))
        environ["HTTP_HOST"] = host = site_host
    return host, host_key


def _take_host(
    environ: dict[str, Any], original: dict[str, Any], key: str, default_port: int
) -> bool:
    """Put the host of another header in place of `Host`; return whether it is one."""
    host = read_host(environ.get(key, ""))
    if host is None:
        return False
    original["HTTP_HOST"] = environ.get("HTTP_HOST")
    original["SERVER_NAME"] = environ.get("SERVER_NAME")
    original["SERVER_PORT"] = environ.get("SERVER_PORT")
    environ["HTTP_HOST"] = host.value
    environ["SERVER_NAME"] = host.name
    environ["SERVER_PORT"] = str(host.port or default_port)
    return True
