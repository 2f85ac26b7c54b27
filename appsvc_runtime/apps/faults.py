"""What an app raises that is meant to end a process, made an error of one request.

`sys.exit(3)` in a request would end a worker, and with some servers the whole site; others leave
the connection without a response. The entry points put their app behind `contain_wsgi` or
`contain_asgi`: SystemExit, KeyboardInterrupt, GeneratorExit and the like become a `AppExitError`,
which every server logs with its cause and answers with 500, or by closing the connection if the
response has begun. What does not come from the app passes unchanged: a cancellation, and what a
signal handler raises. Must not know how a server calls an app.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
    from types import CodeType, FrameType

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["AppExitError", "contain_asgi", "contain_wsgi", "frames", "is_of_the_process"]


# The most of an error's text that is repeated.
_MAX_TEXT = 200


class AppExitError(RuntimeError):
    """An app has raised what would end a process, which is this error's context."""

    @classmethod
    def of(cls, error: BaseException, where: str) -> AppExitError:
        """Return the error that is raised in place of the app's, with its traceback.

        One error, not two in a row: granian logs no error's cause.
        """
        text = f"The app raised {ascii(error)[:_MAX_TEXT]} in {where}."
        return cls(text).with_traceback(error.__traceback__)


def contain_wsgi(app: WSGIApplication) -> WSGIApplication:
    """Return a WSGI app that raises AppExitError for what would end the process.

    `StopIteration` too: gunicorn takes it for the end of the connection, and does not respond.
    Libraries for WebSockets raise it for that, so it passes where the client has asked for one.
    """
    home = os.getpid()

    def contained(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        wrapper = environ.get("wsgi.file_wrapper")
        try:
            body = app(environ, start_response)
        except BaseException as error:
            if isinstance(error, StopIteration) and _is_websocket(environ):
                raise
            _raise_exit(error, home)
            raise
        # Servers send these in a way of their own, and to read them runs no code of the app.
        kind = type(body)
        if kind is list or kind is tuple or (kind is wrapper and _is_of_a_file(body)):
            return body
        return (_SizedBody if hasattr(body, "__len__") else _Body)(body, home)

    return contained


def _is_websocket(environ: WSGIEnvironment) -> bool:
    """Return whether a client asks for a WebSocket, and the app can use gunicorn's socket."""
    wanted = environ.get("HTTP_UPGRADE", "").lower() == "websocket"
    return wanted and "gunicorn.socket" in environ


def _is_of_a_file(body: Any) -> bool:
    """Return whether a file wrapper, of gunicorn or waitress, wraps a file that C code reads."""
    file = getattr(body, "filelike", None) or getattr(body, "file", None)
    return type(file).__module__ == "_io"


class _Body:
    """The body of a response, which raises AppExitError for what would end the process."""

    def __init__(self, body: Iterable[bytes], home: int) -> None:
        self._body = body
        self._home = home
        self._next: Callable[[], bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._next is None:
                self._next = iter(self._body).__next__
            return self._next()
        except StopIteration:
            raise
        except BaseException as error:
            _raise_exit(error, self._home)
            raise

    def close(self) -> None:
        """Close the app's own body, as PEP 3333 requires."""
        close = getattr(self._body, "close", None)
        if close is None:
            return
        try:
            close()
        except BaseException as error:
            _raise_exit(error, self._home)
            raise


class _SizedBody(_Body):
    """A body whose length is known: servers send one of a single part with its Content-Length."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]


def contain_asgi(app: ASGIApp) -> ASGIApp:
    """Return an ASGI app that raises AppExitError for what would end the process.

    If that happens in the lifespan before its start is complete, the start has failed: the server
    gets `lifespan.startup.failed`. Some servers would otherwise go on without the lifespan.
    """
    home = os.getpid()

    async def contained(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _run_lifespan(app, scope, receive, send)
            return
        try:
            await app(scope, receive, send)
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:
            if not _is_closed(error):
                _raise_exit(error, home)
            raise

    return contained


async def _run_lifespan(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    started = False

    async def note(message: MutableMapping[str, Any]) -> None:
        nonlocal started
        started = started or message["type"].startswith("lifespan.startup.")
        await send(message)

    try:
        await app(scope, receive, note)
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as error:
        if _is_closed(error) or is_of_the_process(error):
            raise
        if not started:
            ended = AppExitError.of(error, "its lifespan")
            message = "".join(traceback.format_exception(ended))
            del ended
            await send({"type": "lifespan.startup.failed", "message": message})
        raise AppExitError.of(error, "its lifespan") from None


def _is_closed(error: BaseException) -> bool:
    """Return whether a coroutine is being closed, rather than that its app raised GeneratorExit.

    Python closes what a coroutine awaits by itself, and then raises in the coroutine: the traceback
    ends there.
    """
    trace = error.__traceback__
    return isinstance(error, GeneratorExit) and trace is not None and trace.tb_next is None


def _raise_exit(error: BaseException, home: int) -> None:
    """Raise AppExitError in place of an app's error, or return if that one may go on.

    `home` is the id of the process that serves. In a process that the app has forked, SystemExit
    ends that process: it must not go on as a second server on the same connections.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return
    if os.getpid() != home:
        _end_child(error)
    if not is_of_the_process(error):
        # In no variable: a frame that held it, and that it holds, would keep the request's
        # connection open until the garbage collector comes.
        raise AppExitError.of(error, "a request") from None


def _end_child(error: BaseException) -> None:
    """End a forked process as SystemExit does, but without the handlers of the one that serves."""
    code = error.code if isinstance(error, SystemExit) else 1
    if code is not None and not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code or 0)


def is_of_the_process(error: BaseException) -> bool:
    """Return whether an error is meant for the process or a greenlet, and not for its request.

    That is what a signal handler has raised, such as gunicorn's when a request takes too long, and
    the end of a greenlet. Signal handlers run in the main thread only.
    """
    if type(error).__name__ == "GreenletExit":
        return True
    if threading.current_thread() is not threading.main_thread():
        return False
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    # Python's own handler of SIGINT is written in C: it is in no traceback.
    if isinstance(error, KeyboardInterrupt) and signal.default_int_handler in handlers:
        return True
    codes = {code for handler in handlers if (code := _code(handler)) is not None}
    return any(frame.f_code in codes for frame in frames(error))


def frames(error: BaseException) -> Iterator[FrameType]:
    """Return the frames of an error's traceback, from the one that has caught it inwards."""
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _code(handler: Any) -> CodeType | None:
    """Return the code of a function, a method, or an object that is called; None for others."""
    function = getattr(handler, "__func__", handler)
    if not hasattr(function, "__code__"):
        function = getattr(type(handler), "__call__", None)  # noqa: B004
    return getattr(function, "__code__", None)
