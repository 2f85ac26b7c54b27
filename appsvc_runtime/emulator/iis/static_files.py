"""The site's files as IIS itself serves them: its static file, default document and verb handlers.

Reads files. Must not know of handlers' configuration, rules or processes. Sources: the references
of `staticContent`, `clientCache` and `defaultDocument` and "HTTP status codes in IIS" on
learn.microsoft.com; RFC 9110, 13 and 14, for conditions and ranges; for the form of the ETag,
responses of IIS that others recorded, with their Last-Modified.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from multidict import CIMultiDict

from ..http import error_pages
from ..http.header_values import format_date
from ..http.messages import SERVER_METHODS, Answer, Request
from ..http.url_paths import clean_url, encode_path, is_web_config, split_target
from .conditional import select
from .file_body import FileBody
from .site_files import Found, find, open_found

if TYPE_CHECKING:
    from .webconfig.model import Config, StaticContent

__all__ = ["FILE_METHODS", "default_document", "etag", "serve"]

# The methods that a file accepts; IIS's OPTIONS handler lists them for every path and for `*`.
FILE_METHODS = "GET, HEAD, OPTIONS, TRACE"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LAST_SECOND = 253_402_300_799  # of the year 9999; some file systems store later times
_EPOCH_AS_FILETIME = 116_444_736_000_000_000  # 1 January 1970, in 100 ns since 1601


async def serve(
    site: Path, path: str, config: Config, request: Request, *, above: str = ""
) -> Answer:
    """Return the response to a request for the file or folder at `path`, decoded, with first slash.

    `site` is the folder of an application, and `above` the part of the URL's path that leads to it;
    `path` is the part below, "" for the application's path without a slash at its end.

    Never raises for any path, request or file. Reading the body may raise OSError, if the file
    became shorter. Request filtering is not done here, but web.config is never served.
    """
    if request.method == "OPTIONS":
        headers = {"Allow": SERVER_METHODS, "Public": SERVER_METHODS, "Content-Length": "0"}
        return Answer(200, CIMultiDict(headers))
    if request.method == "TRACE":
        return error_pages.answer(request, 501, 0, "Not implemented", "IIS has TRACE switched off.")
    try:
        return _serve(site, path, config, request, above)
    except FileNotFoundError:  # it was deleted in the meantime
        return _not_found(request, above + path)
    except PermissionError:
        return error_pages.answer(
            request,
            401,
            3,
            "Not authorized",
            "The file or folder exists, but its permissions do not let the emulator read it.",
        )
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return error_pages.answer(
            request, 500, 0, "Not readable", f"The file cannot be read: {reason}."
        )


def _serve(site: Path, path: str, config: Config, request: Request, above: str) -> Answer:
    if any(is_web_config(segment) for segment in path.split("/")):
        return error_pages.answer(request, 404, 8, "Not found", "IIS never serves web.config.")
    found = find(site, path)
    if found is None:
        return _not_found(request, above + path)
    if request.method not in ("GET", "HEAD"):
        return error_pages.answer(
            request,
            405,
            0,
            "Method not allowed",
            f"IIS serves this path itself, as a file, and files do not take "
            f"{request.method[:40]}. The request does not reach the app.",
            headers={"Allow": FILE_METHODS},
        )
    if found.is_folder:
        return _serve_folder(site, path, config, request, above)
    return _serve_file(found, config, request)


def default_document(site: Path, path: str, config: Config) -> str | None:
    """Return the path of a folder's default document, or None; `path` ends with a slash.

    A handler may take the document: `index.py`, for example. Raises PermissionError.
    """
    if not config.default_document.enabled:
        return None
    for name in config.default_document.files:
        document = path + name.strip().lstrip("/\\")
        found = find(site, document)
        if found is not None and not found.is_folder:
            return document
    return None


def etag(modified_ns: int) -> str:
    """Return the entity tag of a file by its modification time in ns: `"704349d01ce1c61:0"`.

    The time counts from 1970. The tag has the bytes of the Windows time, the lowest first, in
    hexadecimal without leading zeros; after the colon, the number of configuration changes, which
    is always 0 since IIS 7.
    """
    time = modified_ns // 100 + _EPOCH_AS_FILETIME
    digits = "".join(f"{byte:x}" for byte in (time % 2**64).to_bytes(8, "little"))
    return f'"{digits}:0"'


def _serve_folder(site: Path, path: str, config: Config, request: Request, above: str) -> Answer:
    if not path.endswith("/"):
        _, query = split_target(request.target)
        host = request.headers.get("Host", "")
        origin = f"{'https' if request.secure else 'http'}://{host}" if host else ""
        location = f"{origin}{encode_path(above + path)}/" + (
            f"?{clean_url(query)}" if query else ""
        )
        headers = CIMultiDict({"Location": location, "Content-Length": "0"})
        return Answer(301, headers, note="a folder's URL ends with a slash")
    document = default_document(site, path, config)
    found = None if document is None else find(site, document)
    if found is not None:
        return _serve_file(found, config, request)
    tried = ", ".join(config.default_document.files[:10])
    return error_pages.answer(
        request,
        403,
        14,
        "Forbidden",
        "This is a folder without a default document, and IIS lists no folders.",
        details=(f"Looked for: {tried}." if tried and config.default_document.enabled else ""),
    )


def _serve_file(found: Found, config: Config, request: Request) -> Answer:
    media_type = _media_type(found.name, config.static_content)
    if not media_type:
        extension = os.path.splitext(found.name)[1] or "no extension"
        return error_pages.answer(
            request,
            404,
            3,
            "Not found",
            f"The file exists, but IIS has no MIME type for {extension}, so it does not serve it.",
            details='Add a mimeMap to staticContent in web.config: <mimeMap fileExtension="…" '
            'mimeType="…" />.',
        )
    stream, figures = open_found(found)
    size = figures.st_size
    tag = etag(figures.st_mtime_ns)
    modified = _EPOCH + timedelta(seconds=min(max(0, figures.st_mtime_ns // 10**9), _LAST_SECOND))
    selection = select(request, tag, modified, size)
    headers = CIMultiDict({"Last-Modified": format_date(modified), "ETag": tag})
    headers["Accept-Ranges"] = "bytes"
    if config.static_content.cache_control:
        headers["Cache-Control"] = config.static_content.cache_control
    if selection.status in (200, 206):
        body = FileBody(stream, selection.ranges, size, media_type)
        headers.update(body.headers)
        if request.method == "HEAD" or not size:
            body.close()
            return Answer(selection.status, headers)
        return Answer(selection.status, headers, body)
    stream.close()
    if selection.status == 304:
        return Answer(304, headers)
    if selection.status == 416:
        return error_pages.answer(
            request,
            416,
            0,
            "Range not satisfiable",
            f"The file has {size} bytes, and the requested range is outside of them.",
            headers={"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"},
        )
    return error_pages.answer(
        request,
        412,
        0,
        "Precondition failed",
        "If-Match or If-Unmodified-Since names another state of the file than the current one.",
    )


def _media_type(name: str, content: StaticContent) -> str:
    """Return the MIME type of a file name, or ""; in the table "." is no extension, ".*" any."""
    extension = os.path.splitext(name)[1].lower()
    if name.startswith(".") and not extension:  # for Windows the whole name is the extension
        extension = name.lower()
    return content.types.get(extension or ".") or content.types.get(".*", "")


def _not_found(request: Request, path: str) -> Answer:
    return error_pages.answer(
        request,
        404,
        0,
        "Not found",
        f"There is no file or folder {path[:300]} in the site, and no handler took the request.",
    )
