"""Access lines for servers that write none: all except gunicorn.

Loaded by the middlewares if access lines are switched on. Must not know of trust: the environ
already describes the client.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..azure import names
from . import forwarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["AccessLines", "AccessLog", "Line", "is_internal_probe", "quoted", "show"]

LOGGER = "appsvc_runtime.access"
DONE_KEY = "appsvc.access_log"
_internal = forwarded.TrustedPeers(names.FRONT_END_NETWORKS)

# Escapes for characters that would end a quoted part or the line, so that no client can forge one.
_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in (*range(32), 127)},
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}
# Characters that a path may hold unescaped (RFC 3986).
_IN_PATHS = "/!$&'()*+,;=:@~"
_PLAIN = re.compile("[A-Za-z0-9/_.~-]*").fullmatch


def is_internal_probe(environ: WSGIEnvironment, warmup_path: str) -> bool:
    """Return whether a request is the platform's probe: by path or user agent, and from inside.

    A request from outside with a probe's user agent is logged, even if X-Forwarded-For names no
    valid address: REMOTE_ADDR is then the front end's.
    """
    if environ.get("PATH_INFO") != warmup_path and not str(
        environ.get("HTTP_USER_AGENT", "")
    ).startswith(names.PROBE_AGENTS):
        return False
    if (
        environ.get("appsvc.original", {}).get(names.FORWARDED_FOR) is not None
        and names.FORWARDED_FOR not in environ
    ):
        return False
    return environ.get("REMOTE_ADDR", "") in _internal


class _Stdout:
    """Writes lines to standard output in the log's format, in a third of the time of `logging`.

    It uses no lock, and writes each line in one call. A thread that waits for the GIL while it
    holds a lock that all others need makes an app with many threads twenty times slower.
    """

    def __init__(self) -> None:
        from ..logs.formats import Clock, TextFormatter  # loaded only if they are needed
        from ..logs.stdout import StdoutHandler

        self._clock = Clock()
        self._handler = StdoutHandler()
        self._handler.setFormatter(TextFormatter())

    def write(self, text: str) -> None:
        """Write one line; never raise."""
        second, milliseconds = divmod(int(time.time() * 1000), 1000)
        stamp = self._clock.text(second, milliseconds)
        line = f"{stamp} INFO {LOGGER} {os.getpid()}: {text}"
        if sys.stdout is sys.__stdout__ and sys.stdout is not None:
            data = f"{line}\n".encode("ascii", "backslashreplace")
            with contextlib.suppress(OSError):
                if os.write(1, data) == len(data):
                    return
        self._handler.put(line)  # the handler counts lines that cannot be written


_stdout = functools.cache(_Stdout)  # made at the first line
_shown = False


def show() -> None:
    """Write access lines to standard output if the app has no log handler for them."""
    global _shown
    _shown = True


class AccessLines:
    """Decides which requests get a line in the logger `appsvc_runtime.access`.

        203.0.113.7 https "GET /shop?page=2 HTTP/1.1" 200 5120 "referrer" "agent" 12ms

    The path is percent-encoded. The number of bytes is the part of the body that was handed to the
    server. The platform's probes are left out unless `probes` is set.

    The logger's level is set to INFO, unless it has a level, so that the root logger's does not
    count.
    """

    def __init__(self, *, warmup_path: str, probes: bool = False) -> None:
        self._warmup_path = warmup_path
        self._probes = probes
        self._logger = logging.getLogger(LOGGER)
        if self._logger.level == logging.NOTSET:
            self._logger.setLevel(logging.INFO)
        self._checked = False

    def begin(self, environ: WSGIEnvironment) -> Line | None:
        """Return the line for a new request, None if the request gets no line."""
        if (
            DONE_KEY in environ  # by an entry point's middleware around the user's own
            or not self._logger.isEnabledFor(logging.INFO)
            or (not self._probes and is_internal_probe(environ, self._warmup_path))
        ):
            return None
        if not self._checked:
            self._check()
        environ[DONE_KEY] = True
        return Line(self._logger, environ)

    def _check(self) -> None:
        """Log a warning once if no handler takes the lines."""
        self._checked = True
        if not _shown and not self._logger.hasHandlers():
            self._logger.warning(
                "Access lines are switched on, but this process writes no log: "
                "call appsvc_runtime.configure_logging()."
            )


class AccessLog(AccessLines):
    """A WSGI app that writes a request's line when its response is closed.

    The status is 500 if the app raises before a part of the body was sent.
    """

    def __init__(self, app: WSGIApplication, *, warmup_path: str, probes: bool = False) -> None:
        super().__init__(warmup_path=warmup_path, probes=probes)
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request, as PEP 3333 defines."""
        line = self.begin(environ)
        if line is None:
            return self._app(environ, start_response)

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            if exc_info is None:
                write = start_response(status, headers)
            else:
                write = start_response(status, headers, exc_info)
            line.status = status[:3]

            def counting(data: bytes) -> object:
                line.sent += len(data)
                return write(data)

            return counting

        try:
            body = self._app(environ, start)
        except BaseException:
            line.failed()
            line.write()
            raise
        # Servers set Content-Length from the part of a body whose `len` is 1.
        return _SizedBody(body, line) if hasattr(body, "__len__") else _Body(body, line)


class Line:
    """The facts of a request until its line is written; set `status`, and count bytes in `sent`."""

    def __init__(self, logger: logging.Logger, environ: WSGIEnvironment) -> None:
        self._logger = logger
        self._began = time.perf_counter()
        self._environ: WSGIEnvironment | None = environ
        get = environ.get
        # Read now, as the app may move parts of the path from one variable to the other.
        path = get("SCRIPT_NAME", "") + get("PATH_INFO", "")
        query = get("QUERY_STRING", "")
        self._target = path if _PLAIN(path) else quote(path.encode("latin-1", "replace"), _IN_PATHS)
        if query:
            self._target += f"?{quoted(query)}"
        self.status = "-"
        self.sent = 0

    def failed(self) -> None:
        """Set the status 500, which the server sends if nothing has been sent yet."""
        if not self.sent:
            self.status = "500"

    def write(self) -> None:
        """Write the line, once."""
        environ, self._environ = self._environ, None
        if environ is None:
            return
        # Read now: the user's own middleware, inside an entry point's, has decided by this time.
        info = environ.get("appsvc.request")
        address = info.client_address if info else environ.get("REMOTE_ADDR")
        scheme = info.scheme if info else environ.get("wsgi.url_scheme")

        def shown(key: str) -> str:
            return quoted(environ.get(key) or "-")

        text = (
            f"{quoted(address or '-')} {scheme or '-'} "
            f'"{shown("REQUEST_METHOD")} {self._target} {shown("SERVER_PROTOCOL")}" '
            f"{self.status} {self.sent} "
            f'"{shown("HTTP_REFERER")}" "{shown("HTTP_USER_AGENT")}" '
            f"{int((time.perf_counter() - self._began) * 1000)}ms"
        )
        if _shown and not self._logger.hasHandlers():
            _stdout().write(text)
        else:
            self._logger.info("%s", text)


class _Body:
    """The app's body: counts its bytes, and writes the line when it is closed."""

    def __init__(self, body: Iterable[bytes], line: Line) -> None:
        self._body = body
        self._parts: Iterator[bytes] | None = None
        self._line = line

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._parts is None:
                self._parts = iter(self._body)
            part = next(self._parts)
        except StopIteration:
            raise
        except BaseException:
            self._line.failed()
            raise
        self._line.sent += len(part)
        return part

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._line.write()


class _SizedBody(_Body):
    """A body with a known number of parts."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]


def quoted(text: str) -> str:
    """Return a text escaped to ASCII, so that it cannot end its quotes or its line."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.translate(_ESCAPES).encode("ascii", "backslashreplace").decode("ascii")
