"""Makes WSGI's environ from a request that granian's ASGI side has read.

Pure. Uses the header names as sent: granian's own WSGI side changes them in a way that lets any
client forge the front end's headers. Must not know of bodies, threads, settings or the platform.
"""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import unquote_to_bytes

__all__ = ["make_environ"]

_BASE: dict[str, Any] = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "granian",
    "wsgi.input_terminated": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}
# Header names are cached, as browsers send the same ones; limited, as a client can invent names.
_MAX_NAMES = 512
_names: dict[bytes, str] = {
    b"content-type": "CONTENT_TYPE",
    b"content-length": "CONTENT_LENGTH",
}


def make_environ(scope: dict[str, Any]) -> dict[str, Any]:
    """Return WSGI's environ for an ASGI scope, without `wsgi.input`.

    A header with an underscore in its name is left out: WSGI could not tell it from the one with a
    hyphen.
    """
    raw = scope["raw_path"]
    environ = _BASE.copy()
    environ["REQUEST_METHOD"] = scope["method"]
    environ["PATH_INFO"] = (unquote_to_bytes(raw) if b"%" in raw else raw).decode("latin-1")
    environ["QUERY_STRING"] = scope["query_string"].decode("latin-1")
    environ["wsgi.url_scheme"] = scope["scheme"]
    version = scope["http_version"]
    environ["SERVER_PROTOCOL"] = f"HTTP/{version}" if "." in version else f"HTTP/{version}.0"
    environ["SERVER_NAME"], environ["SERVER_PORT"] = scope["server"]
    environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = scope["client"]
    environ["wsgi.errors"] = sys.stderr
    for name, value in scope["headers"]:
        key = _names.get(name) or _name(name)
        text = value.decode("latin-1")
        if key in environ:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + text
        else:
            environ[key] = text
    environ.pop("", None)
    if not environ.get("HTTP_HOST"):  # granian adds an empty one if the client sent none
        environ.pop("HTTP_HOST", None)
    return environ


def _name(name: bytes) -> str:
    key = ""
    if b"_" not in name:
        key = "HTTP_" + name.upper().replace(b"-", b"_").decode("latin-1")
    if len(_names) < _MAX_NAMES:
        _names[name] = key
    return key
