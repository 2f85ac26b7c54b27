"""`AppServiceASGIMiddleware`, the middleware for FastAPI, Starlette and every other ASGI app.

    app = AppServiceASGIMiddleware(app)                     # FastAPI(), Starlette()
    app.add_middleware(AppServiceASGIMiddleware)            # or through the framework

`trust` decides scheme, client, host and signed-in user, as for WSGI: `asgi_scope` converts a scope
to an environ, and writes the decision back. `scope["appsvc.request"]` is the `RequestInfo`.
Must not know of servers or frameworks.
Source: the ASGI specification, HTTP and WebSocket connection scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import drop_frames
from ..logs import request_context
from . import asgi_scope, drain
from .asgi_scope import environ_of
from .options import MiddlewareOptions
from .short_circuit import Responder
from .trust import REQUEST_KEY, TrustPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from .access_log import AccessLines, Line
    from .health import Health
    from .response import Reply

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["AppServiceASGIMiddleware", "environ_of"]


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
        path_prefix: bool | None = None,
        application_path: str | None = None,
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
            environ = {**environ, **asgi_scope.read_paths(scope)}
        self._trust.decide(environ)
        if environ[REQUEST_KEY] is not before:
            scope = asgi_scope.decided(scope, environ)
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
