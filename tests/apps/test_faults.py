"""What an app raises to end a process, and what is not the app's."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import logging
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from appsvc_runtime.apps import event_loop, faults
from appsvc_runtime.apps.faults import AppExitError, contain_asgi, contain_wsgi
from tests.support.servers import clean_environ

ENDING = [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("x"), StopIteration()]


class GreenletExit(BaseException):
    """What gevent and eventlet end a greenlet with."""


def start(*_: Any) -> Any:
    return lambda _data: None


def in_a_thread(call: Any) -> Any:
    """Return a call's result from another thread, as in most servers."""
    return asyncio.run(asyncio.to_thread(call))


@contextlib.contextmanager
def handler(number: int, function: Any) -> Iterator[None]:
    before = signal.signal(number, function)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("error", ENDING, ids=lambda error: type(error).__name__)
def test_what_ends_a_process_is_an_error_of_the_request(error: BaseException) -> None:
    """It names what was raised, and its traceback leads to the app."""

    def app(environ: Any, start_response: Any) -> Any:
        raise error

    def call() -> None:
        with pytest.raises(AppExitError) as caught:
            contain_wsgi(app)({}, start)
        assert ascii(error) in str(caught.value)
        assert caught.value.__context__ is error
        assert caught.traceback[-1].name == "app"

    in_a_thread(call)


@pytest.mark.parametrize("error", [ValueError("x"), OSError(32, "x")])
def test_errors_pass_unchanged(error: Exception) -> None:
    """The same object, with the cause that the app gave it."""
    error.__cause__ = KeyError("y")

    def app(environ: Any, start_response: Any) -> Any:
        raise error

    with pytest.raises(type(error)) as caught:
        contain_wsgi(app)({}, start)
    assert caught.value is error
    assert isinstance(error.__cause__, KeyError)


def test_a_body_is_read_and_closed_as_it_was() -> None:
    """Lists pass unchanged; a length that is known stays known."""
    closed = []

    class Sized:
        def __len__(self) -> int:
            return 1

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"a"])

        def close(self) -> None:
            closed.append(True)

    parts = [b"a"]
    assert contain_wsgi(lambda *_: parts)({}, start) is parts
    body: Any = contain_wsgi(lambda *_: Sized())({}, start)
    assert (len(body), [*body], closed) == (1, [b"a"], [])
    body.close()
    assert closed == [True]
    assert not hasattr(contain_wsgi(lambda *_: iter(parts))({}, start), "__len__")


def test_a_real_file_is_left_to_the_server() -> None:
    """A server sends it in a way of its own; an object of the app's may raise anything."""

    class Wrapper:
        def __init__(self, file: Any) -> None:
            self.filelike = file

        def __iter__(self) -> Iterator[bytes]:
            return iter(self.filelike.read, b"")

    class File:
        def read(self) -> bytes:
            raise SystemExit(3)

    environ = {"wsgi.file_wrapper": Wrapper}
    real = Wrapper(io.BytesIO(b"a"))
    assert contain_wsgi(lambda *_: real)(environ, start) is real
    body = contain_wsgi(lambda *_: Wrapper(File()))(environ, start)
    with pytest.raises(AppExitError):
        next(iter(body))


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()])
def test_what_a_signal_handler_raises_is_not_the_apps(error: BaseException) -> None:
    """gunicorn ends a worker so, in the middle of a request."""

    class Worker:
        def handle_abort(self, number: int, frame: Any) -> None:
            self.stop()

        def stop(self) -> None:
            raise error

    def app(environ: Any, start_response: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("the signal was not handled")

    with handler(signal.SIGTERM, Worker().handle_abort), pytest.raises(type(error)):
        contain_wsgi(app)({}, start)


def test_a_callable_object_handles_a_signal_too() -> None:
    """The middleware's own handler is one."""

    class Handler:
        def __call__(self, number: int, frame: Any) -> None:
            raise SystemExit(1)

    def app(environ: Any, start_response: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)

    with handler(signal.SIGTERM, Handler()), pytest.raises(SystemExit):
        contain_wsgi(app)({}, start)


def test_an_interrupt_of_the_main_thread_is_real() -> None:
    """If nothing but Python handles SIGINT, its own handler may have raised it."""

    def app(environ: Any, start_response: Any) -> Any:
        raise KeyboardInterrupt

    with handler(signal.SIGINT, signal.default_int_handler):
        with pytest.raises(KeyboardInterrupt):
            contain_wsgi(app)({}, start)
        with pytest.raises(AppExitError):
            in_a_thread(lambda: contain_wsgi(app)({}, start))


def test_the_end_of_a_greenlet_passes() -> None:
    """gevent ends a greenlet with it when its worker stops."""

    def app(environ: Any, start_response: Any) -> Any:
        raise GreenletExit

    with pytest.raises(GreenletExit):
        contain_wsgi(app)({}, start)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_ends(capfd: pytest.CaptureFixture[str]) -> None:
    """It would else answer in its parent's place; its text is printed, and its code is kept."""

    def app(environ: Any, start_response: Any) -> Any:
        pid = os.fork()
        if pid == 0:
            sys.exit(environ["code"])
        return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]

    for code, expected in ((7, 7), (None, 0), ("why", 1)):
        assert contain_wsgi(app)({"code": code}, start) == [expected]
    assert capfd.readouterr().err == "why\n"


HTTP = {"type": "http"}


async def nothing(*_: Any) -> Any:
    return {}


def run_asgi(error: BaseException, scope: dict[str, Any], *, begun: bool = False) -> list[Any]:
    """Return what is sent, and what is raised at last."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        if begun:
            await send({"type": "lifespan.startup.complete"})
        raise error

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        try:
            await contain_asgi(app)(scope, nothing, send)
        except BaseException as raised:
            sent.append(raised)

    # Python 3.10 sets none for a loop, and with Python's own a KeyboardInterrupt is a Ctrl-C.
    before = signal.signal(signal.SIGINT, lambda *_: None)  # as servers do
    try:
        asyncio.run(main())
    finally:
        signal.signal(signal.SIGINT, before)
    return sent


@pytest.mark.parametrize("error", ENDING[:4], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_an_asgi_app_ends_its_request_only(kind: str, error: BaseException) -> None:
    """As under WSGI."""
    (raised,) = run_asgi(error, {"type": kind})
    assert isinstance(raised, AppExitError)
    assert ascii(error) in str(raised)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), ValueError()])
def test_a_cancellation_and_errors_pass(error: BaseException) -> None:
    """A server cancels a request that takes too long."""
    assert run_asgi(error, HTTP) == [error]


def test_a_coroutine_that_is_closed_is_no_fault() -> None:
    """A loop that ends closes the requests that still wait."""

    class Waiting:
        def __await__(self) -> Iterator[None]:
            yield

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await Waiting()

    for scope in (HTTP, {"type": "lifespan"}):
        request: Any = contain_asgi(app)(scope, nothing, nothing)
        request.send(None)
        request.close()  # raises what the coroutine raises then


def test_a_start_that_exits_has_failed() -> None:
    """Servers would else take the lifespan for unsupported, and serve."""
    failed, raised = run_asgi(SystemExit(3), {"type": "lifespan"})
    assert failed["type"] == "lifespan.startup.failed"
    assert "SystemExit(3) in its lifespan" in failed["message"]
    assert isinstance(raised, AppExitError)
    begun, raised = run_asgi(SystemExit(3), {"type": "lifespan"}, begun=True)
    assert begun["type"] == "lifespan.startup.complete"
    assert isinstance(raised, AppExitError)


def contained_loop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = event_loop.containing(None)()
    event_loop.contain(loop)  # a second time changes nothing
    return loop


def test_a_loop_outlives_tasks_and_callbacks(caplog: pytest.LogCaptureFixture) -> None:
    """Who awaits a task gets what it raised; what nothing awaits is logged once."""
    caplog.set_level(logging.ERROR, "asyncio")

    async def leave() -> None:
        sys.exit(4)

    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.call_soon(sys.exit, 5)
        task = asyncio.create_task(leave())
        with pytest.raises(SystemExit):
            await task
        forgotten = asyncio.create_task(leave())
        while not forgotten.done():
            await asyncio.sleep(0)
        del task, forgotten
        await asyncio.sleep(0)
        return "done"

    with contextlib.closing(contained_loop()) as loop:
        assert loop.run_until_complete(main()) == "done"
    texts = [record.getMessage() for record in caplog.records]
    assert "The app raised SystemExit in a callback of the event loop." in texts[0]
    assert "Task exception was never retrieved" in texts[1]
    assert len(texts) == 2


def test_a_handler_of_errors_that_exits(caplog: pytest.LogCaptureFixture) -> None:
    """The error is logged all the same."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: sys.exit(1))
        loop.call_soon(sys.exit, 5)
        await asyncio.sleep(0)
        return "done"

    with contextlib.closing(contained_loop()) as loop:
        assert loop.run_until_complete(main()) == "done"
    assert "SystemExit in a callback" in caplog.text


def test_a_loop_ends_for_its_server() -> None:
    """The main task is the server's, and so are the handlers of signals."""

    async def main() -> None:
        sys.exit(3)

    with contextlib.closing(contained_loop()) as loop, pytest.raises(SystemExit, match="3"):
        loop.run_until_complete(main())


# In a process of its own: asyncio's handlers of signals are set in the main thread.
SIGNALS = """
import asyncio, os, signal, sys
from appsvc_runtime.apps import event_loop
def handle():
    sys.exit(6)
async def main():
    if sys.argv[1] == "loop":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, handle)
    else:
        signal.signal(signal.SIGTERM, lambda *_: handle())
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    await asyncio.sleep(20)
loop = asyncio.new_event_loop()
event_loop.contain(loop)
loop.run_until_complete(main())
"""


@pytest.mark.parametrize("kind", ["loop", "process"])
def test_a_handler_of_signals_ends_the_loop(kind: str) -> None:
    """A real signal keeps its meaning."""
    command = [sys.executable, "-W", "ignore", "-c", SIGNALS, kind]
    result = subprocess.run(command, env=clean_environ(), capture_output=True, timeout=60)
    assert result.returncode == 6, result.stderr


def test_asyncio_run_makes_contained_loops() -> None:
    """For servers that call `asyncio.run` themselves."""
    code = (
        "import asyncio, sys\n"
        "from appsvc_runtime.apps import event_loop\n"
        "async def main():\n"
        "    asyncio.get_running_loop().call_soon(sys.exit, 5)\n"
        "    await asyncio.sleep(0.01)\n"
        "event_loop.contain_new()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, env=clean_environ(), capture_output=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert b"SystemExit: 5" in result.stderr


def test_frames_begin_with_the_one_that_caught() -> None:
    """The callers of `frames` look for functions below it."""
    try:
        run_frame()
    except ValueError as error:
        names = [frame.f_code.co_name for frame in faults.frames(error)]
    assert names == ["test_frames_begin_with_the_one_that_caught", "run_frame"]


def run_frame() -> None:
    raise ValueError


def test_the_end_of_a_websocket() -> None:
    """Libraries for WebSockets raise StopIteration under gunicorn; other requests may not."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise StopIteration

    with pytest.raises(StopIteration):
        contain_wsgi(app)({"HTTP_UPGRADE": "WebSocket", "gunicorn.socket": None}, None)  # type: ignore[arg-type]
    with pytest.raises(AppExitError):
        contain_wsgi(app)({"HTTP_UPGRADE": "websocket"}, None)  # type: ignore[arg-type]


def test_an_error_keeps_nothing_alive() -> None:
    """A cycle of error and frames would keep a connection open for long."""

    class Connection:
        pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise SystemExit(3)

    async def call() -> weakref.ref[Connection]:
        connection = Connection()
        with contextlib.suppress(AppExitError):
            await contain_asgi(app)({"type": "http", "of": connection}, None, None)  # type: ignore[arg-type]
        return weakref.ref(connection)

    gc.disable()
    try:
        assert asyncio.run(call())() is None
    finally:
        gc.enable()
