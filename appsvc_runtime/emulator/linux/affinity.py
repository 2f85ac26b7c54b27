"""The cookie that keeps a visitor on one instance: read, and made.

Pure. Names and attributes are those of recorded answers: ARRAffinity, and over https a second one
that browsers send to other sites too. Must not know of instances beside their ids.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["asked_instance", "cookies_for"]

_NAMES = ("ARRAffinity", "ARRAffinitySameSite")


def asked_instance(headers: Sequence[str], ids: Sequence[str]) -> int | None:
    """Give the number of the instance that a visitor's Cookie headers name, None for none.

    What names no instance that is there is no cookie.
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
    """Give the Set-Cookie headers for a visitor who has none, or that of an instance now gone."""
    common = f"={instance_id};Path=/;HttpOnly"
    domain = f";Domain={public_name}"
    if not secure:
        return [f"{_NAMES[0]}{common}{domain}"]
    return [
        f"{_NAMES[0]}{common};Secure{domain}",
        f"{_NAMES[1]}{common};SameSite=None;Secure{domain}",
    ]
