"""The request that a log line belongs to: a context variable that the middleware sets.

Imports nothing heavy: the middleware loads it. Must not know of logging.

There is no signal for the end of a request, as a WSGI server may close a response in any context. A
request ends when the server releases its environ or its ASGI scope: a later line in the same
context belongs to no request, or to the enclosing one. A copy of the context, in a thread or a
task, keeps the request: its work is the request's work.
"""

from __future__ import annotations

from _weakref import ref
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from typing import Any

__all__ = ["ALIVE_KEY", "CurrentRequest", "current", "enable", "enter"]

ALIVE_KEY = "appsvc.alive"
# The length that a header may add to every line.
_MAX_ID = 128
# How deep requests that an app makes to itself can be nested. It also bounds the memory of this
# module if an app never releases an environ.
_MAX_DEPTH = 8

# Whether a log handler needs the request; until then the middleware skips this work.
enabled = False


class _Alive:
    """Exists as long as the environ or scope that holds it."""

    __slots__ = ("__weakref__",)


class CurrentRequest:
    """What log lines show of a request: `id` and `client`, "" if they are not known."""

    __slots__ = ("_alive", "_depth", "_token", "client", "id")

    def __init__(self, request_id: str, client: str, alive: Any, depth: int) -> None:
        self.id = request_id
        self.client = client
        self._alive = ref(alive)
        self._depth = depth
        self._token: Token[CurrentRequest | None]


_current: ContextVar[CurrentRequest | None] = ContextVar("appsvc_request", default=None)


def enable() -> None:
    """Make the middleware record requests here."""
    global enabled
    enabled = True


def enter(environ: dict[str, Any]) -> None:
    """Start a request; the middleware has already processed its environ.

    Its id is the front end's (`X-ARR-LOG-ID`), else `traceparent`, else `X-Request-ID`.
    """
    info = environ["appsvc.request"]
    get = environ.get
    request_id = info.arr_log_id or get("HTTP_TRACEPARENT") or get("HTTP_X_REQUEST_ID") or ""
    around = current()
    depth = 0 if around is None else around._depth + 1
    if depth > _MAX_DEPTH:
        _current.set(None)
        depth = 0
    alive = _Alive()
    request = CurrentRequest(request_id[:_MAX_ID], info.client_address, alive, depth)
    request._token = _current.set(request)
    environ[ALIVE_KEY] = alive  # this also ends the request of an outer middleware


def current() -> CurrentRequest | None:
    """Return the request of the current context, or None outside of one."""
    found = _current.get()
    while found is not None and found._alive() is None:
        try:
            _current.reset(found._token)
        except (ValueError, RuntimeError):  # this context is a copy of the one it was set in
            return found
        found = _current.get()
    return found
