"""Which request a log line belongs to: a context variable that the middleware sets.

Imports nothing heavy: the middleware loads it. Must not know of logging.

Nobody tells when a request is over, as a WSGI server closes a response where it likes. What ends it
is that the server lets its environ go; a line written in the same context after that belongs to no
request, or to the one around it. A copy of the context, which a thread or a task was given, keeps
the request: what it does is the request's work.
"""

from __future__ import annotations

from _weakref import ref
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from typing import Any

__all__ = ["CurrentRequest", "current", "enable", "enter"]

ALIVE_KEY = "appsvc.alive"
# What a header may add to every line.
_MAX_ID = 128
# Requests that an app makes to itself while it answers one. Also what an app can make this room
# remember by never letting an environ go.
_MAX_DEPTH = 8

# Whether somebody asked for it; until then the middleware saves itself the trouble.
enabled = False


class _Alive:
    """Lives as long as the environ it is in."""

    __slots__ = ("__weakref__",)


class CurrentRequest:
    """What log lines tell of a request: `id` and `client`, "" where they are not known."""

    __slots__ = ("_alive", "_depth", "_token", "client", "id")

    def __init__(self, request_id: str, client: str, alive: Any, depth: int) -> None:
        self.id = request_id
        self.client = client
        self._alive = ref(alive)
        self._depth = depth
        self._token: Token[CurrentRequest | None]


_current: ContextVar[CurrentRequest | None] = ContextVar("appsvc_request", default=None)


def enable() -> None:
    """Let the middleware tell of requests."""
    global enabled
    enabled = True


def enter(environ: dict[str, Any]) -> None:
    """Begin a request whose environ the middleware has done with.

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
    environ[ALIVE_KEY] = alive  # of a middleware around this one the request ends here


def current() -> CurrentRequest | None:
    """Return the request that is being served here, None outside of one."""
    found = _current.get()
    while found is not None and found._alive() is None:
        try:
            _current.reset(found._token)
        except (ValueError, RuntimeError):  # not the context it was set in, but a copy
            return found
        found = _current.get()
    return found
