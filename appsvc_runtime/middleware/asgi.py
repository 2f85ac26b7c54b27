"""`AppServiceASGIMiddleware`: the same for FastAPI, Starlette and every other ASGI app.

    app = AppServiceASGIMiddleware(app)                     # FastAPI(), Starlette()
    app.add_middleware(AppServiceASGIMiddleware)            # or as theirs

Scheme, client, host and signed-in user are decided by `trust`, as for WSGI: a scope is read into
an environ, and what was decided goes back into it. `scope["appsvc.request"]` is the `RequestInfo`.
Must not know of servers or frameworks.
Source: the ASGI specification, HTTP and WebSocket connection scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import drop_frames
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
# The scope as it came, for a middleware behind this one that decides by other options.
_CAME = "appsvc.scope"
# Headers that were removed or written anew are told by these; all others stay as they came.
_SECURE = {"https": "https", "http": "http", "wss": "https", "ws": "http"}
_WEBSOCKET = {"https": "wss", "http": "ws"}


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return a scope as WSGI spells it, with what the middleware has decided if it has seen it."""
    found: dict[str, Any] | None = scope.get(_ENVIRON)
    return found if found is not None else _read(scope)


class AppServiceASGIMiddleware:
    """Make an ASGI app see scheme, host, client and user as a trusted peer reports them.

    `app` and options as for `AppServiceMiddleware`, without those for WSGI alone. Lifespan and
    unknown scopes are passed on as they are; with `require_login` unknown ones raise RuntimeError.
    Around another one, as an entry point's is around the user's own, the inner one's options count.
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
            # With the lifespan, or with the first request, the server's own handlers are there.
            drain.install()
            self._has_begun = True
        if scope["type"] not in ("http", "websocket"):
            await self._pass_on(scope, receive, send)
            return
        scope, environ = self._decide(scope)
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
        """Let the app handle what is no request."""
        if scope["type"] == "lifespan":
            self._trust.look_at_server()
        elif self._responder.requires_login:
            raise RuntimeError(
                f"A connection of the type {scope['type']!r} is refused: nobody can be signed "
                "in by it, and APPSVC_REQUIRE_LOGIN is set."
            )
        await self.app(scope, receive, send)

    def _decide(self, scope: Scope) -> tuple[Scope, dict[str, Any]]:
        """Decide about a request, unless that is done; return the app's scope and its environ."""
        environ = environ_of(scope)
        before = environ.get(REQUEST_KEY)
        if before is not None:  # a mounted app has a root of its own
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
            import asyncio  # by now it is there; WSGI apps never need it

            # In a thread: this one may wait for checks, and the loop must not. All others are
            # answered here, so that they do not fill the pool that the app's own threads are of.
            return await asyncio.to_thread(self._responder.reply, environ)
        return self._responder.reply(environ)


def _read(scope: Scope) -> dict[str, Any]:
    """Return a scope as an environ: what decisions look at, no body."""
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
        if b"_" in raw:  # would pass for the one with hyphens, which the front end writes
            continue
        # Upper case of bytes: of a text it would make SS of a sharp s, and X-ARR-SSL of another.
        key = "HTTP_" + raw.upper().replace(b"-", b"_").decode("latin-1")
        text = value.decode("latin-1")
        if key not in environ:
            environ[key] = text
        else:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + text
    return environ


def _paths(scope: Scope) -> dict[str, str]:
    """Return SCRIPT_NAME and PATH_INFO; newer servers have `root_path` at the beginning of `path`.

    So a path such as that of `Health` is looked for below the root, as under WSGI.
    """
    path, root = scope.get("path", ""), scope.get("root_path", "").rstrip("/")
    if root and f"{path}/".startswith(f"{root}/"):
        path = path[len(root) :]
    return {"SCRIPT_NAME": _latin(root), "PATH_INFO": _latin(path)}


def _latin(text: str) -> str:
    """Return a text as PEP 3333 has it."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _restore(scope: Scope, came: Scope, original: Mapping[str, Any]) -> Scope:
    """Return a scope with what was decided about as it came.

    All other headers stay: a middleware in between may have removed a client's, or set its own.
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
    """Return a variable's name as the header that ASGI spells."""
    return key[5:].replace("_", "-").lower().encode("latin-1")


def _write(scope: Scope, environ: dict[str, Any]) -> None:
    """Put what was decided into a scope."""
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
    """Return the headers that are another than they came, with their values, None for removed."""
    return {
        _header(key): environ.get(key)
        for key, before in original.items()
        if key.startswith("HTTP_") and environ.get(key) != before
    }


def _agreeing(
    headers: Iterable[tuple[bytes, bytes]], changed: Mapping[bytes, str | None]
) -> list[tuple[bytes, bytes]]:
    """Return headers with those that were changed, without those removed or with underscores."""
    kept = [
        (name, value) for name, value in headers if name.lower() not in changed and b"_" not in name
    ]
    written = [
        (name, value.encode("latin-1")) for name, value in changed.items() if value is not None
    ]
    return kept + written


async def _send(scope: Scope, receive: Receive, send: Send, reply: Reply) -> None:
    """Send an answer; a WebSocket is refused before it is opened, as 403 at most servers."""
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
    """Return a `send` that tells an access line what is answered."""

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
