"""`AppServiceASGIMiddleware`, the middleware for FastAPI, Starlette and every other ASGI app.

    app = AppServiceASGIMiddleware(app)                     # FastAPI(), Starlette()
    app.add_middleware(AppServiceASGIMiddleware)            # or through the framework

`trust` decides scheme, client, host and signed-in user, as for WSGI: a scope is converted to an
environ, and the decision is written back. `scope["appsvc.request"]` is the `RequestInfo`.
Must not know of servers or frameworks.
Source: the ASGI specification, HTTP and WebSocket connection scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import drop_frames
from ..logs import request_context
from . import drain
from .options import MiddlewareOptions
from .short_circuit import Responder
from .trust import ORIGINAL_KEY, REQUEST_KEY, TrustPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping

    from .access_log import AccessLines, Line
    from .health import Health
    from .response import Reply

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["AppServiceASGIMiddleware", "environ_of"]

_ENVIRON = "appsvc.environ"
# The original scope, for a middleware behind this one that decides by other options.
_CAME = "appsvc.scope"
# ASGI's schemes as http or https, and the WebSocket schemes for these.
_SECURE = {"https": "https", "http": "http", "wss": "https", "ws": "http"}
_WEBSOCKET = {"https": "wss", "http": "ws"}


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return the WSGI environ for a scope, with the middleware's decision if it was made."""
    found: dict[str, Any] | None = scope.get(_ENVIRON)
    return found if found is not None else _read(scope)


class AppServiceASGIMiddleware:
    """Set scheme, host, client and user of an ASGI app's requests as a trusted peer reports them.

    `app` and options are those of `AppServiceMiddleware`, except the options for WSGI only.
    Lifespan and unknown scopes are passed on unchanged; with `require_login` unknown ones raise
    RuntimeError. If one of these middlewares wraps another, as an entry point's wraps the user's
    own, the options of the inner middleware count.
    """

    @drop_frames
    def __init__(
        self,
        app: App,
        *,
        trusted_proxies: Any = None,
        hops: int | None = None,
        front_door_id: str | None = None,
        host_header: str | None = None,
        client_header: str | None = None,
        arr_ssl: bool | None = None,
        require_login: str | None = None,
        https_only: bool | None = None,
        hsts_seconds: int | None = None,
        access_log: bool | None = None,
        pass_warmup: bool | None = None,
        health: Health | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        # ASGI has no REMOTE_USER.
        options = MiddlewareOptions({**locals(), "remote_user": False})
        self._trust = TrustPolicy(options)
        self._responder = Responder(options, self._trust)
        self.app = app
        self._has_begun = options.health is None
        self._lines: AccessLines | None = None
        if options.access_log:
            from .access_log import AccessLines

            self._lines = AccessLines(warmup_path=options.warmup_path, probes=options.log_probes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if not self._has_begun:
            # At the lifespan or the first request, the server has set its own handlers.
            drain.install()
            self._has_begun = True
        if scope["type"] not in ("http", "websocket"):
            await self._pass_on(scope, receive, send)
            return
        came = scope
        scope, environ = self._decide(scope)
        if request_context.enabled:
            request_context.enter(environ)
            # The request ends when the server releases its scope, as with a WSGI environ: a
            # middleware around this one may log a line when the app is done.
            came[request_context.ALIVE_KEY] = environ[request_context.ALIVE_KEY]
        line = None
        if self._lines is not None and scope["type"] == "http":
            line = self._lines.begin(environ)
        if line is None:
            await self._serve(scope, receive, send, environ)
            return
        try:
            await self._serve(scope, receive, _counting(send, line), environ)
        except BaseException:
            line.failed()
            raise
        finally:
            line.write()

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a scope on that is neither http nor websocket."""
        if scope["type"] == "lifespan":
            self._trust.look_at_server()
        elif self._responder.requires_login:
            raise RuntimeError(
                f"A connection of the type {scope['type']!r} is refused: APPSVC_REQUIRE_LOGIN is "
                "set, and such a connection cannot carry a signed-in user."
            )
        await self.app(scope, receive, send)

    def _decide(self, scope: Scope) -> tuple[Scope, dict[str, Any]]:
        """Decide about a request, unless that is done; return the app's scope and environ."""
        environ = environ_of(scope)
        before = environ.get(REQUEST_KEY)
        if before is not None:  # a mounted app has its own root path
            environ = {**environ, **_paths(scope)}
        self._trust.decide(environ)
        if environ[REQUEST_KEY] is not before:
            came = scope.get(_CAME)
            if came is None:
                scope = {**scope, _CAME: scope}
            else:
                scope = _restore(scope, came, environ[ORIGINAL_KEY])
            _write(scope, environ)
        return scope, environ

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, environ: dict[str, Any]
    ) -> None:
        if self._responder.hsts and environ["wsgi.url_scheme"] == "https":
            send = _with_hsts(send, self._responder.hsts)
        reply = await self._reply(environ)
        if reply is not None:
            await _send(scope, receive, send, reply)
            return
        await self.app(scope, receive, send)

    async def _reply(self, environ: dict[str, Any]) -> Reply | None:
        health = self._responder.find_health(environ)
        if health is not None and health.is_due():
            import asyncio  # the server has imported it already

            # In a thread, as this request may wait for checks, which must not block the loop. All
            # others are handled in the loop, so that they do not fill the app's thread pool.
            return await asyncio.to_thread(self._responder.reply, environ)
        return self._responder.reply(environ)


def _read(scope: Scope) -> dict[str, Any]:
    """Return an environ for a scope, with the variables that decisions need, and without a body."""
    client = scope.get("client") or ("", None)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.get("method", "GET"),
        **_paths(scope),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "REMOTE_ADDR": client[0] or "",
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "wsgi.url_scheme": _SECURE.get(scope.get("scheme", "http"), "http"),
    }
    if client[1] is not None:
        environ["REMOTE_PORT"] = str(client[1])
    server = scope.get("server") or ("", None)
    environ["SERVER_NAME"] = server[0] or ""
    for raw, value in scope.get("headers", ()):
        if b"_" in raw:  # WSGI could not tell it from the front end's header with hyphens
            continue
        # Bytes are upper-cased: `str.upper` would turn a sharp s into SS, as in X-ARR-SSL.
        key = "HTTP_" + raw.upper().replace(b"-", b"_").decode("latin-1")
        text = value.decode("latin-1")
        if key not in environ:
            environ[key] = text
        else:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + text
    return environ


def _paths(scope: Scope) -> dict[str, str]:
    """Return SCRIPT_NAME and PATH_INFO; in newer servers `path` begins with `root_path`.

    A path such as that of `Health` is therefore relative to the root, as under WSGI.
    """
    path, root = scope.get("path", ""), scope.get("root_path", "").rstrip("/")
    if root and f"{path}/".startswith(f"{root}/"):
        path = path[len(root) :]
    return {"SCRIPT_NAME": _latin(root), "PATH_INFO": _latin(path)}


def _latin(text: str) -> str:
    """Return a text in the form of PEP 3333: its bytes as Latin-1 characters."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _restore(scope: Scope, came: Scope, original: Mapping[str, Any]) -> Scope:
    """Return a scope with the original values of everything that was decided.

    All other headers are kept: a middleware in between may have removed a client's, or set its own.
    """
    decided = {_header(key) for key in original if key.startswith("HTTP_")}
    headers = [pair for pair in scope.get("headers", ()) if pair[0].lower() not in decided]
    headers += [pair for pair in came.get("headers", ()) if pair[0].lower() in decided]
    return {
        **scope,
        "headers": headers,
        "client": came.get("client"),
        "scheme": came.get("scheme", "http"),
    }


def _header(key: str) -> bytes:
    """Return the ASGI header name for a WSGI variable."""
    return key[5:].replace("_", "-").lower().encode("latin-1")


def _write(scope: Scope, environ: dict[str, Any]) -> None:
    """Write the decision into a scope."""
    info = environ[REQUEST_KEY]
    scope[REQUEST_KEY] = info
    scope[ORIGINAL_KEY] = environ[ORIGINAL_KEY]
    scope[_ENVIRON] = environ
    original = environ[ORIGINAL_KEY]
    secure = environ["wsgi.url_scheme"]
    if secure != _SECURE.get(scope.get("scheme", "http")):
        scope["scheme"] = _WEBSOCKET[secure] if scope["type"] == "websocket" else secure
    client = (environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT"))
    if client != (original["REMOTE_ADDR"], original["REMOTE_PORT"]):
        scope["client"] = (environ["REMOTE_ADDR"], info.client_port or 0)
    changed = _changes(environ, original)
    headers = scope.get("headers", ())
    if changed or any(b"_" in name for name, _ in headers):
        scope["headers"] = _agreeing(headers, changed)


def _changes(environ: Mapping[str, Any], original: Mapping[str, Any]) -> dict[bytes, str | None]:
    """Return the headers that were changed, with their new values; None if removed."""
    return {
        _header(key): environ.get(key)
        for key, before in original.items()
        if key.startswith("HTTP_") and environ.get(key) != before
    }


def _agreeing(
    headers: Iterable[tuple[bytes, bytes]], changed: Mapping[bytes, str | None]
) -> list[tuple[bytes, bytes]]:
    """Return the headers with the changes applied, and without names with underscores."""
    kept = [
        (name, value) for name, value in headers if name.lower() not in changed and b"_" not in name
    ]
    written = [
        (name, value.encode("latin-1")) for name, value in changed.items() if value is not None
    ]
    return kept + written


async def _send(scope: Scope, receive: Receive, send: Send, reply: Reply) -> None:
    """Send a reply; a WebSocket is refused before it is accepted, with 403 by most servers."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in reply.headers]
    status = int(reply.status[:3])
    await send({"type": "http.response.start", "status": status, "headers": headers})
    # Not every server drops the body of a response to HEAD.
    body = b"" if scope.get("method") == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body})


def _counting(send: Send, line: Line) -> Send:
    """Return a `send` that records the response's status and size in an access line."""

    async def counting(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            line.status = str(message["status"])
        elif message["type"] == "http.response.body":
            line.sent += len(message.get("body", b""))
        await send(message)

    return counting


def _with_hsts(send: Send, value: str) -> Send:
    """Return a `send` that adds Strict-Transport-Security unless the app has set it."""

    async def adding(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if not any(name.lower() == b"strict-transport-security" for name, _ in headers):
                headers.append((b"strict-transport-security", value.encode()))
            message = {**message, "headers": headers}
        await send(message)

    return adding
