"""Adds to the workers of older gunicorn releases what newer ones do.

Knows gunicorn's workers and requests, and which release added what. Must not know apps, settings or
the platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gunicorn
from gunicorn.http.errors import InvalidHeader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["adapt", "is_access_log_enabled"]

RELEASE: tuple[int, ...] = tuple(gunicorn.version_info)
# From these releases on, gunicorn itself drops header names with an underscore, and bodies that
# HTTP forbids.
_DROPS_UNDERSCORES = (22,)
_OMITS_BODIES = (26,)
# From this release on, gunicorn refuses a second Host header; it refused two lengths even before.
_REFUSES_AMBIGUITY = (27,)


def adapt(worker: Any) -> None:
    """Make a WSGI worker of an older release behave as a newer one.

    Call this when the worker has its app, before it takes a request.
    """
    hook = worker.cfg.pre_request
    if RELEASE < _DROPS_UNDERSCORES:
        hook = _dropping_underscores(hook)
    if RELEASE < _REFUSES_AMBIGUITY:
        hook = _refusing_ambiguity(hook)
    worker.cfg.set("pre_request", hook)
    if RELEASE < _OMITS_BODIES:
        worker.wsgi = omitting_bodies(worker.wsgi)


def is_access_log_enabled(cfg: Any) -> bool:
    """Return whether access lines are written; for releases before 25, whose logger has no flag."""
    return bool(
        cfg.accesslog
        or cfg.logconfig
        or cfg.logconfig_dict
        or getattr(cfg, "logconfig_json", None)  # new in 21
        or (cfg.syslog and not cfg.disable_redirect_access_to_syslog)
    )


def _dropping_underscores(hook: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Return a `pre_request` hook that drops header names with an underscore, then calls `hook`.

    WSGI makes one variable of `X_Forwarded_For` and `X-Forwarded-For`: a client could forge headers
    that only the front end may set, such as those of the signed-in user.
    """

    def pre_request(worker: Any, request: Any) -> None:
        request.headers = [header for header in request.headers if "_" not in header[0]]
        hook(worker, request)

    pre_request.drops_underscores = True  # type: ignore[attr-defined]  # the middleware looks
    return pre_request


def _refusing_ambiguity(hook: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Return a `pre_request` hook that refuses ambiguous requests with 400, else calls `hook`.

    A request is ambiguous with two Host headers, of which two readers may use different ones (RFC
    9112, 3.2), and with Content-Length and Transfer-Encoding, which may give the body two ends
    (6.3).
    """

    def pre_request(worker: Any, request: Any) -> None:
        names = [name for name, _ in request.headers]
        if names.count("HOST") > 1:
            raise InvalidHeader("HOST", req=request)
        if "TRANSFER-ENCODING" in names and "CONTENT-LENGTH" in names:
            raise InvalidHeader("TRANSFER-ENCODING", req=request)
        hook(worker, request)

    pre_request.drops_underscores = getattr(  # type: ignore[attr-defined]
        hook, "drops_underscores", False
    )
    return pre_request


def omitting_bodies(app: WSGIApplication) -> WSGIApplication:
    """Return an app whose responses have no body if HTTP forbids one.

    HTTP forbids it in responses to HEAD, and with a status of 1xx, 204 or 304 (RFC 9110, 6.4.1). On
    a kept connection the front end would read such a body as the start of the next response.
    """

    def bodiless(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        is_head = environ["REQUEST_METHOD"] == "HEAD"
        status = ""

        def is_omitted() -> bool:
            return is_head or status.startswith("1") or status[:3] in ("204", "304")

        def start(line: str, *rest: Any) -> Callable[[bytes], object]:
            nonlocal status
            status = line
            write = start_response(line, *rest)
            return _write_nothing if is_omitted() else write

        body = app(environ, start)
        # A generator has not called `start` yet. Other bodies pass unchanged: one may be a file.
        return body if status and not is_omitted() else _Pieces(body, is_omitted)

    return bodiless


def _write_nothing(_data: bytes) -> None:
    """Do nothing, in place of the `write` that `start_response` returns."""


class _Pieces:
    """The body of a response; it stops at its first piece if the body is to be omitted."""

    def __init__(self, body: Iterable[bytes], is_omitted: Callable[[], bool]) -> None:
        self._body = body
        self._is_omitted = is_omitted

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            if self._is_omitted():
                return
            yield piece

    def close(self) -> None:
        """Close the app's own body, as PEP 3333 requires."""
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
