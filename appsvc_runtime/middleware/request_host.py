"""Sets the host of a request from another header than `Host`.

Changes an environ. Loaded by a middleware that is not inert. Must not know who is trusted, or which
header a site has chosen.
"""

from __future__ import annotations

from .forwarded import read_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["decide_host"]

# The platform's probes have such an address in Host, which frameworks refuse by default.
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

    `host_key` is the header to take the host from if its value is a valid host, "" for none. A
    link-local address is replaced by `site_host`, unless that is "". `secure`: the client used
    https, which has another default port.
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
    """Replace `Host` by the value of another header; return False if that is not a valid host."""
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
