"""The URL path of an application below the root of its IIS site, such as `/shop`.

IIS passes whole paths: HttpPlatformHandler in the request line, FastCGI in PATH_INFO. Version 2 of
the handler names the application's path in a variable of the process, FastCGI in one of each
request (`APPL_MD_PATH`: the IIS server variables reference on learn.microsoft.com). Changes an
environ. Loaded by a middleware that gets a request of such an application, or one of FastCGI. Must
not know of headers, or who is trusted.
"""

from __future__ import annotations

from ..azure import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["enter"]

_ROOT = "/root"


def enter(environ: dict[str, Any], original: dict[str, Any], path: str | None) -> None:
    """Move the application's path from PATH_INFO to SCRIPT_NAME, if it is not there already.

    `path` is None if only the request can name it. IIS finds an application in any case: whatever a
    client writes, SCRIPT_NAME is as the site's owner spells it. The changed variables are added to
    `original`.
    """
    by_fastcgi = names.WFASTCGI_MARK in environ
    if path is None:
        path = _of_request(environ) if by_fastcgi else ""
    if not path:
        return
    script, info = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
    wanted = path.encode("utf-8", "surrogateescape").decode("latin-1")
    if f"{script}/".startswith(f"{wanted}/"):
        return
    pieces = info.split("/")
    count = path.count("/") + 1
    above = "/".join(pieces[:count])
    # In `original`, it has been decoded since.
    raw = by_fastcgi and "HTTP_X_ORIGINAL_URL" in environ and "PATH_INFO" not in original
    if _folded(above, quoted=raw) != _folded(wanted):
        return
    original.setdefault("SCRIPT_NAME", script)
    original.setdefault("PATH_INFO", info)
    environ["SCRIPT_NAME"] = script + wanted
    environ["PATH_INFO"] = info[len(above) :]


def _of_request(environ: dict[str, Any]) -> str:
    """Return the path in IIS's metabase path, `/LM/W3SVC/1/ROOT/shop`, or ""."""
    metabase = str(environ.get(names.APPL_MD_PATH, ""))
    at = metabase.lower().find(_ROOT)
    path = metabase[at + len(_ROOT) :].rstrip("/") if at >= 0 else ""
    if not path.startswith("/"):
        return ""
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return path


def _folded(text: str, *, quoted: bool = False) -> str:
    """Return a path in the form of PEP 3333 as IIS compares it.

    `quoted`: it may be encoded, as wfastcgi takes PATH_INFO from X-Original-URL as it comes.
    """
    if quoted and "%" in text:
        from urllib.parse import unquote

        text = unquote(text, "latin-1")
    return (
        text.lower()
        if text.isascii()
        else text.encode("latin-1").decode("utf-8", "replace").lower()
    )
