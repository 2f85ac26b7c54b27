"""Keeps an event loop running if a task or a callback of the app raises SystemExit.

asyncio and uvloop end the loop then, and with it the worker and all of its requests. Behind the
app's own call that is `faults.contain_asgi`'s part; this is for tasks that the app, or a framework
for it, starts beside the call. Must not know which server runs the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import warnings
from typing import TYPE_CHECKING, Any

from . import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["contain", "contain_new", "containing"]

# Packages whose functions call the callbacks of a loop.
_LOOPS = frozenset({"appsvc_runtime", "asyncio", "uvloop", "winloop"})
# What a function of these raises in a callback ends the process, as gunicorn's handler of SIGABRT
# does in a worker whose loop handles signals.
_SERVERS = frozenset({"granian", "gunicorn", "uvicorn", "uvicorn_worker"})


def contain(loop: asyncio.AbstractEventLoop) -> None:
    """Make `run_until_complete` of a loop go on after SystemExit or KeyboardInterrupt of the app's.

    Call it before the loop runs. It still ends for what the main task or a signal handler raises,
    and for what a function of the server does.
    """
    run = loop.run_until_complete
    if getattr(run, "contained", False):
        return

    @functools.wraps(run)
    def run_until_complete(future: Any) -> Any:
        main = asyncio.ensure_future(future, loop=loop)
        while True:
            try:
                return run(main)
            except (SystemExit, KeyboardInterrupt) as error:
                if main.done():
                    if main is not future and not main.cancelled():
                        main.exception()  # it is raised here, and need not be logged
                    raise
                if faults.is_of_the_process(error) or _is_of_the_loop(error, loop):
                    raise
                if not _is_of_a_task(error):
                    _log(loop, error)
                _free(error)

    run_until_complete.contained = True  # type: ignore[attr-defined]
    loop.run_until_complete = run_until_complete  # type: ignore[method-assign]


def containing(make: Callable[[], Any] | None) -> Callable[[], Any]:
    """Return a function that makes loops as `make` does, by default asyncio's, and contains them.

    A server takes it in place of its own `make`.
    """

    def make_contained() -> Any:
        loop = (make or asyncio.new_event_loop)()
        contain(loop)
        return loop

    return make_contained


def contain_new() -> None:
    """Contain the loops that `asyncio.run` makes in this process from now on.

    For releases of servers that take no function that makes a loop.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.14 on
        policy: Any = asyncio.get_event_loop_policy()
    policy.new_event_loop = containing(policy.new_event_loop)


def _log(loop: asyncio.AbstractEventLoop, error: BaseException) -> None:
    """Log an error of a callback, as asyncio logs other errors there."""
    message = f"The app raised {type(error).__name__} in a callback of the event loop."
    context: Any = {"message": message, "exception": error}
    try:
        loop.call_exception_handler(context)
    except BaseException:  # the app's own handler ends the process, too
        loop.default_exception_handler(context)


def _free(error: BaseException) -> None:
    """Free what the loop's own functions hold: a task that nothing awaits is logged at its end."""
    for frame in faults.frames(error):
        if _package(frame) == "asyncio":
            with contextlib.suppress(RuntimeError):  # it still runs
                frame.clear()


def _find_callback(error: BaseException) -> FrameType | None:
    """Return the frame of the callback that the loop has called; None for one written in C."""
    for frame in faults.frames(error):
        if _package(frame) not in _LOOPS:
            return frame
    return None


def _is_of_a_task(error: BaseException) -> bool:
    """Return whether a task has raised an error: if nothing awaits the task, asyncio logs it."""
    frame = _find_callback(error)
    return frame is not None and bool(frame.f_code.co_flags & inspect.CO_COROUTINE)


def _is_of_the_loop(error: BaseException, loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether a server's callback, or a handler of signals in the loop, has raised an error.

    asyncio's own loops show those handlers, others do not.
    """
    frame = _find_callback(error)
    if frame is None or _is_of_a_task(error):
        return False
    handles = getattr(loop, "_signal_handlers", {}).values()
    callbacks = (getattr(handle, "_callback", None) for handle in handles)
    codes = {getattr(getattr(one, "__func__", one), "__code__", None) for one in callbacks}
    return frame.f_code in codes or _package(frame) in _SERVERS


def _package(frame: FrameType) -> str:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0]
