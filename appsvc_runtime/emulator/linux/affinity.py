"""The affinity cookie that keeps a client on one instance: parse it and create it.

Pure. Names and attributes are those of recorded responses: ARRAffinity, and over HTTPS a second
cookie that browsers also send to other sites. Must not know of instances beyond their ids.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["asked_instance", "cookies_for"]

_NAMES = ("ARRAffinity", "ARRAffinitySameSite")


def asked_instance(headers: Sequence[str], ids: Sequence[str]) -> int | None:
    """Return the number of the instance named by the client's Cookie headers, or None.

    A cookie that names an unknown instance is ignored.
    """
    for header in headers:
        if _NAMES[0] not in header:
            continue
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name in _NAMES and value in ids:
                return ids.index(value)
    return None


def cookies_for(instance_id: str, public_name: str, *, secure: bool) -> list[str]:
    """Return the Set-Cookie headers for a client without a cookie for an existing instance."""
    common = f"={instance_id};Path=/;HttpOnly"
    domain = f";Domain={public_name}"
    if not secure:
        return [f"{_NAMES[0]}{common}{domain}"]
    return [
        f"{_NAMES[0]}{common};Secure{domain}",
        f"{_NAMES[1]}{common};SameSite=None;Secure{domain}",
    ]
