"""The host that a request asks for, taken from another header in place of `Host`.

An environ in, the same one out, changed. Loaded by a middleware that is not inert. Must not know
who is trusted, nor which header a site has chosen.
"""

from __future__ import annotations

from .forwarded import read_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["replace_probe_host", "take_host"]

_LINK_LOCAL, _AFTER_LINK_LOCAL = "169.254.", "17"


def take_host(
    environ: dict[str, Any], original: dict[str, Any], key: str, *, secure: bool
) -> bool:
    """Put the host of another header in place of `Host`; return whether it is one.

    `secure`: the client used https, which has another default port.
    """
    host = read_host(environ.get(key, ""))
    if host is None:
        return False
    original["HTTP_HOST"] = environ.get("HTTP_HOST")
    original["SERVER_NAME"] = environ.get("SERVER_NAME")
    original["SERVER_PORT"] = environ.get("SERVER_PORT")
    environ["HTTP_HOST"] = host.value
    environ["SERVER_NAME"] = host.name
    environ["SERVER_PORT"] = str(host.port or (443 if secure else 80))
    return True


def replace_probe_host(environ: dict[str, Any], original: dict[str, Any], site_host: str) -> str:
    """Return the request's host; in place of a link-local address `site_host` if it is not "".

    The platform's probes come from inside to such an address, which no framework allows.
    """
    host: str = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    # Compared whole first: no other host costs more than that.
    if host < _AFTER_LINK_LOCAL and host[:8] == _LINK_LOCAL and site_host:
        original.setdefault("HTTP_HOST", environ.get("HTTP_HOST"))
        environ["HTTP_HOST"] = host = site_host
    return host
