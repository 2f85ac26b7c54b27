"""The path below which a gateway publishes the site, from `X-Forwarded-Prefix`.

Reads the header and changes an environ. Loaded by a middleware whose `path_prefix` is on. Must not
know who is trusted. App Service's front end passes this header on as it came, so a list is read
from its right end: the last proxy that adds to it wrote that entry, a client all others.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

from ..azure.names import AUTH_PATH, FORWARDED_PREFIX
from . import notices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["apply", "quoted", "read_prefix", "remove"]

# Longer than real prefixes; it is part of every link of a page.
_MAX_PREFIX = 256
_SAFE = "-._~!$&'()*+=:@"
# Segments of a URL's path, still encoded. No ";": some proxies cut a segment there.
_ENCODED = re.compile(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+=:@]|%[0-9A-Fa-f]{2})+)+/?")
# What no decoded segment may hold: it would be another path, or none.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\/?#%]|\A\.{1,2}\Z")
# Paths below it are the platform's, and no gateway publishes a site there.
_PLATFORMS = AUTH_PATH.rstrip("/")
_NOT_A_PATH = (
    "X-Forwarded-Prefix is not a path such as /shop and is removed, so that links lack the "
    "gateway's prefix (logged once)."
)


def read_prefix(value: str) -> str | None:
    """Return the prefix in a header, decoded as PEP 3333 needs it; None if it is invalid.

    The result begins with a slash and does not end with one, or is "" for the root. Invalid are
    values that do not begin with a slash, are too long, or hold an empty, `.` or `..` segment, a
    query, a quote, a backslash, a control character or text that is not encoded, and paths of the
    platform's own, below `/.auth`.
    """
    entry = value.rpartition(",")[2].strip(" \t")
    if entry == "/":
        return ""
    if len(entry) > _MAX_PREFIX or not _ENCODED.fullmatch(entry):
        return None
    segments = [unquote_to_bytes(part).decode("latin-1") for part in entry.strip("/").split("/")]
    prefix = "/" + "/".join(segments)
    if any(map(_FORBIDDEN.search, segments)) or _is_below(prefix.lower(), _PLATFORMS):
        return None
    try:  # frameworks decode it, and refuse or replace anything else
        prefix.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return None
    return prefix


def quoted(path: str) -> str:
    """Return a path of an environ, encoded for a URL."""
    return quote(path.encode("latin-1", "replace"), safe=f"/{_SAFE}")


def apply(environ: dict[str, Any], original: dict[str, Any], *, by_gateway: bool) -> str:
    """Move the header's prefix into SCRIPT_NAME, and cut it from PATH_INFO if it is there.

    `by_gateway`: the header is the gateway's. It is removed otherwise, and if it is invalid. The
    changed variables are added to `original`. Return the prefix if the path came without it, which
    the gateway has then removed, else "".
    """
    original[FORWARDED_PREFIX] = value = environ.pop(FORWARDED_PREFIX)
    prefix = read_prefix(value) if by_gateway else ""
    if prefix is None:
        notices.warn_once(_NOT_A_PATH)
    if not prefix:
        return ""
    environ[FORWARDED_PREFIX] = quoted(prefix)
    script, path = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
    if _is_below(script, prefix):
        return ""
    original.setdefault("SCRIPT_NAME", script)
    environ["SCRIPT_NAME"] = prefix + script
    if script or not _is_below(path, prefix):
        return prefix
    original.setdefault("PATH_INFO", path)
    environ["PATH_INFO"] = path[len(prefix) :]
    return ""


def remove(environ: dict[str, Any], prefix: str) -> None:
    """Remove what `apply` has added to SCRIPT_NAME; frameworks may have added a mount's path."""
    environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "").removeprefix(prefix)


def _is_below(path: str, prefix: str) -> bool:
    return f"{path}/".startswith(f"{prefix}/")
