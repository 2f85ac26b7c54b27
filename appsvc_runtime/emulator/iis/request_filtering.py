"""Request filtering: the requests that IIS refuses before any part of the site sees them.

Pure: takes parts of a request and returns a refusal or None; also a body with a limit. Must not
know of handlers or files. Sources: the references of `requestFiltering`, `requestLimits` and
`hiddenSegments`, and "HTTP status codes in IIS", on learn.microsoft.com. Current IIS responds with
413.1 where IIS 7 used 404.13. `url_paths` has the requests that http.sys itself refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from ...errors import AppServiceError
from ..http import url_paths
from .windows_names import folded

if TYPE_CHECKING:
    from .webconfig.model import RequestFiltering

__all__ = ["BodyTooLargeError", "LimitedBody", "Refusal", "refuse", "refuse_path"]


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused: the status and substatus of IIS's response, and one sentence."""

    status: int
    substatus: int
    text: str


class BodyTooLargeError(AppServiceError):
    """A body exceeded maxAllowedContentLength while it was read; the response is 413.1."""

    status = 413
    substatus = 1


def refuse(
    filtering: RequestFiltering,
    path: str,
    target: str,
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    length: int | None,
) -> Refusal | None:
    """Return why a request is refused, or None.

    `target` is the request target as sent, and `path` its decoded path; `length` is None for a
    chunked body, which only LimitedBody can stop. No method is refused: `verbs` is not read.
    """
    limit = filtering.max_allowed_content_length
    if length is not None and length > limit:
        return Refusal(413, 1, _too_large(limit))
    raw_path, query = url_paths.split_target(target)
    if _size(raw_path) > filtering.max_url:
        return Refusal(404, 14, f"The URL's path is longer than maxUrl, {filtering.max_url} bytes.")
    if _size(query) > filtering.max_query_string:
        return Refusal(
            404,
            15,
            f"The query string is longer than maxQueryString, {filtering.max_query_string} bytes.",
        )
    refusal = _refuse_headers(filtering, headers)
    if refusal is not None:
        return refusal
    if not filtering.allow_double_escaping and _is_double_escaped(raw_path):
        return Refusal(
            404,
            11,
            "The path is escaped twice, or has a plus sign, and allowDoubleEscaping is false.",
        )
    return refuse_path(filtering, path)


def refuse_path(filtering: RequestFiltering, path: str) -> Refusal | None:
    """Return why a decoded path is refused, or None; called again for a URL that a rule rewrote.

    web.config is hidden in any spelling, whether the configuration hides it or not.
    """
    segments = [segment for segment in path.split("/") if segment]
    names = [_name(segment) for segment in segments]
    hidden = {folded(segment) for segment in filtering.hidden_segments}
    for segment, name in zip(segments, names, strict=True):
        if name in hidden or folded(segment) in hidden:
            return Refusal(404, 8, f"hiddenSegments hides every URL with the segment {name[:80]}.")
        if url_paths.is_web_config(segment):
            return Refusal(404, 8, "IIS never serves web.config.")
    return _refuse_extension(filtering, names[-1]) if names else None


def _refuse_extension(filtering: RequestFiltering, name: str) -> Refusal | None:
    _, dot, extension = name.rpartition(".")
    if dot and f".{extension}" in filtering.denied_extensions:
        return Refusal(404, 7, f"fileExtensions denies files that end in .{extension[:79]}.")
    return None


class LimitedBody:
    """A body that raises BodyTooLargeError after `limit` bytes, and closes the wrapped body."""

    def __init__(self, body: AsyncIterator[bytes], limit: int) -> None:
        self._body = body
        self._limit = limit
        self._seen = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._body.__anext__()
        self._seen += len(chunk)
        if self._seen > self._limit:
            await self.aclose()
            raise BodyTooLargeError(
                _too_large(self._limit), hint="Raise maxAllowedContentLength in web.config."
            )
        return chunk

    async def aclose(self) -> None:
        """Close the wrapped stream, if it can be closed."""
        close: Any = getattr(self._body, "aclose", None)
        if close is not None:
            await close()


def _refuse_headers(
    filtering: RequestFiltering, headers: Mapping[str, str] | Iterable[tuple[str, str]]
) -> Refusal | None:
    if not filtering.header_limits:
        return None
    limits = _folded(tuple(filtering.header_limits.items()))
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    for name, value in pairs:
        limit = limits.get(name.casefold())
        if limit == 0:
            return Refusal(431, 0, f"headerLimits denies the header {name[:80]} (sizeLimit 0).")
        if limit is not None and _size(value) > limit:
            return Refusal(
                431,
                0,
                f"The header {name[:80]} is longer than headerLimits allows: {limit} bytes.",
            )
    return None


@lru_cache(8)
def _folded(names: tuple[tuple[str, int], ...]) -> dict[str, int]:
    return {name.casefold(): limit for name, limit in names}


def _is_double_escaped(path: str) -> bool:
    """Return whether a second decoding of a path changes it again (UrlScan's test)."""
    if "%" not in path and "+" not in path:
        return False
    once = unquote_to_bytes(path.encode("utf-8", "surrogatepass"))
    return b"+" in once or unquote_to_bytes(once) != once


def _name(segment: str) -> str:
    """Return a segment as filtering compares it: no stream, trailing dots and blanks, or case."""
    return folded(url_paths.windows_name(segment.partition(":")[0]))


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _too_large(limit: int) -> str:
    return f"The request's body is longer than maxAllowedContentLength, {limit} bytes."
