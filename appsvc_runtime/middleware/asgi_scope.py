"""An ASGI scope as a WSGI environ, and back: the decision about a request is written into a scope.

Must not know how anything is decided. Source: the ASGI specification, HTTP and WebSocket connection
scope.
"""

from __future__ import annotations

from .trust import ORIGINAL_KEY, REQUEST_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping
    from typing import Any

    Scope = MutableMapping[str, Any]

__all__ = ["decided", "environ_of", "read_paths"]

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


def decided(scope: Scope, environ: dict[str, Any]) -> Scope:
    """Return a scope for the app with the decision that is in `environ`."""
    came = scope.get(_CAME)
    if came is None:
        scope = {**scope, _CAME: scope}
    else:
        scope = _restore(scope, came, environ[ORIGINAL_KEY])
    _write(scope, environ)
    return scope


def _read(scope: Scope) -> dict[str, Any]:
    """Return an environ for a scope, with the variables that decisions need, and without a body."""
    client = scope.get("client") or ("", None)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.get("method", "GET"),
        **read_paths(scope),
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


def read_paths(scope: Scope) -> dict[str, str]:
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


def _text(latin: str) -> str:
    """Return the text for a value in the form of PEP 3333."""
    return latin.encode("latin-1").decode("utf-8", "surrogateescape")


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
    if "SCRIPT_NAME" in original:
        _write_paths(scope, environ)
    changed = _changes(environ, original)
    headers = scope.get("headers", ())
    if changed or any(b"_" in name for name, _ in headers):
        scope["headers"] = _agreeing(headers, changed)


def _write_paths(scope: Scope, environ: Mapping[str, Any]) -> None:
    """Write another SCRIPT_NAME as the root path, with which `path` and `raw_path` begin."""
    if environ.get("SCRIPT_NAME", "") == read_paths(scope)["SCRIPT_NAME"]:
        return
    root, rest = _text(environ["SCRIPT_NAME"]), _text(environ["PATH_INFO"])
    before, path, raw = scope["path"], root + rest, scope.get("raw_path")
    if raw is not None and path != before:
        from .path_prefix import quoted

        if path.endswith(before):
            above = path.removesuffix(before)
        else:  # a prefix is removed, or an application is written in another case
            above, raw = root, _behind(raw, len(_latin(before.removesuffix(rest))))
        scope["raw_path"] = quoted(_latin(above)).encode() + raw
    scope["root_path"], scope["path"] = root, path


def _behind(raw: bytes, count: int) -> bytes:
    """Return an encoded path without its first bytes, of which `count` are left when decoded."""
    at = 0
    for _ in range(count):
        at += 3 if raw[at : at + 1] == b"%" else 1
    return raw[at:]


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
