"""Access lines for servers that write none: all but gunicorn.

Loaded by the middlewares where they are switched on. Must not know of trust: by the time it is
used, the environ is the client's.
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

# What would end a quoted part of the line, or start a new line: nobody else may write one.
_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in (*range(32), 127)},
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}
# What a path may hold as it is (RFC 3986).
_IN_PATHS = "/!$&'()*+,;=:@~"
_PLAIN = re.compile("[A-Za-z0-9/_.~-]*").fullmatch


def is_internal_probe(environ: WSGIEnvironment, warmup_path: str) -> bool:
    """Return whether this is the platform's own probe: by path or agent, and from inside.

    A client from outside that calls itself a probe stays in the log, also one whose address is not
    known because X-Forwarded-For named none: then REMOTE_ADDR is the front end's.
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
    """Writes lines as the log has them to standard output, in a third of the time of logging's.

    Without a lock, each in one write: a thread that waits for the interpreter while it holds a lock
    that all others want makes an app of many threads twenty times slower.
    """

    def __init__(self) -> None:
        from ..logs.formats import Clock, TextFormatter  # loaded by those who need them
        from ..logs.stdout import StdoutHandler

        self._clock = Clock()
        self._handler = StdoutHandler()
        self._handler.setFormatter(TextFormatter())

    def write(self, text: str) -> None:
        """Write one; never raises."""
        second, milliseconds = divmod(int(time.time() * 1000), 1000)
        stamp = self._clock.text(second, milliseconds)
        line = f"{stamp} INFO {LOGGER} {os.getpid()}: {text}"
        if sys.stdout is sys.__stdout__ and sys.stdout is not None:
            data = f"{line}\n".encode("ascii", "backslashreplace")
            with contextlib.suppress(OSError):
                if os.write(1, data) == len(data):
                    return
        self._handler.put(line)  # which counts what cannot be written


_stdout = functools.cache(_Stdout)  # made with the first line
_shown = False


def show() -> None:
    """Have lines written to standard output that no handler of the app's takes."""
    global _shown
    _shown = True


class AccessLines:
    """Which requests have a line in the logger `appsvc_runtime.access`.

        203.0.113.7 https "GET /shop?page=2 HTTP/1.1" 200 5120 "referrer" "agent" 12ms

    The path is shown percent-encoded, as it came. Bytes are those of the body that were handed to
    the server. The platform's probes are left out unless `probes`.

    That logger lets INFO through whatever the root logger's level, unless it has one of its own.
    """

    def __init__(self, *, warmup_path: str, probes: bool = False) -> None:
        self._warmup_path = warmup_path
        self._probes = probes
        self._logger = logging.getLogger(LOGGER)
        if self._logger.level == logging.NOTSET:
            self._logger.setLevel(logging.INFO)
        self._checked = False

    def begin(self, environ: WSGIEnvironment) -> Line | None:
        """Return the line of a request that begins, None for one that has none."""
        if (
            DONE_KEY in environ  # an entry point's middleware around the user's own
            or not self._logger.isEnabledFor(logging.INFO)
            or (not self._probes and is_internal_probe(environ, self._warmup_path))
        ):
            return None
        if not self._checked:
            self._check()
        environ[DONE_KEY] = True
        return Line(self._logger, environ)

    def _check(self) -> None:
        """Log a warning, once, if the lines lead nowhere."""
        self._checked = True
        if not _shown and not self._logger.hasHandlers():
            self._logger.warning(
                "Access lines are asked for, but this process writes no log: "
                "call appsvc_runtime.configure_logging()."
            )


class AccessLog(AccessLines):
    """A WSGI app that writes the line of each request when its response is closed.

    An app's exception makes it a 500 unless a part of the answer is under way.
    """

    def __init__(self, app: WSGIApplication, *, warmup_path: str, probes: bool = False) -> None:
        super().__init__(warmup_path=warmup_path, probes=probes)
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request, as PEP 3333 says."""
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
        # Servers make Content-Length of the only part of a body that says it has one part.
        return _SizedBody(body, line) if hasattr(body, "__len__") else _Body(body, line)


class Line:
    """What is known of a request until its line is written: set `status`, count in `sent`."""

    def __init__(self, logger: logging.Logger, environ: WSGIEnvironment) -> None:
        self._logger = logger
        self._began = time.perf_counter()
        self._environ: WSGIEnvironment | None = environ
        get = environ.get
        # Now, before the app moves parts of it about.
        path = get("SCRIPT_NAME", "") + get("PATH_INFO", "")
        query = get("QUERY_STRING", "")
        self._target = path if _PLAIN(path) else quote(path.encode("latin-1", "replace"), _IN_PATHS)
        if query:
            self._target += f"?{quoted(query)}"
        self.status = "-"
        self.sent = 0

    def failed(self) -> None:
        """Take what the server answers where nothing has been sent yet."""
        if not self.sent:
            self.status = "500"

    def write(self) -> None:
        """Write it, once."""
        environ, self._environ = self._environ, None
        if environ is None:
            return
        # Now, when the user's own middleware behind an entry point's has decided.
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
    """The app's body, counted; the line is written when it is closed."""

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
    """One that knows how many parts it has."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]


def quoted(text: str) -> str:
    """Return a text in ASCII that cannot end its quotes or its line."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return text.translate(_ESCAPES).encode("ascii", "backslashreplace").decode("ascii")
