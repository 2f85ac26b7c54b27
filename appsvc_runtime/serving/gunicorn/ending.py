"""The end of gunicorn's workers: in time, and with the handlers of `atexit`.

gunicorn's master kills a worker when the graceful time is over. Knows gunicorn's workers, and those
of other packages, by what they have; nothing of apps, settings or the platform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...apps import event_loop
from ...system import signals
from .. import process_end

if TYPE_CHECKING:
    from ..one_host import App, Receive, Scope, Send

__all__ = ["at_lifespan", "expect_requests", "finish", "install"]

# gunicorn's master kills a worker two seconds after SIGINT or SIGQUIT.
_QUICK_SECONDS = 1.0

_ending: process_end.Ending | None = None


def install(worker: Any) -> None:
    """Prepare the end of this worker. Call it when the worker has its app, before it serves."""
    global _ending
    seconds, last = process_end.before_a_kill(worker.cfg.graceful_timeout)
    _ending = process_end.Ending(seconds, last)
    config: Any = getattr(worker, "config", None)
    loop: Any = getattr(worker, "loop", None)
    if hasattr(config, "get_loop_factory"):  # uvicorn's worker
        contained = event_loop.containing(config.get_loop_factory())
        config.get_loop_factory = lambda: contained
        signals.exit_by_default()
    elif hasattr(config, "setup_event_loop"):  # with uvicorn before 0.36
        event_loop.contain_new()
        signals.exit_by_default()
    elif hasattr(loop, "run_until_complete"):  # gunicorn's own ASGI worker
        event_loop.contain(loop)
    else:
        _begin_on_signals()


def expect_requests() -> None:
    """Wait for no thread that runs now. Call this when the worker is ready."""
    if _ending is not None:
        _ending.expect_requests()


def at_lifespan(app: App) -> App:
    """Return an ASGI app for a worker that sets its signal handlers after `install`."""

    async def prepared(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            _begin_on_signals()
        await app(scope, receive, send)

    return prepared


def finish() -> None:
    """Let this worker end, with the exit code of the SystemExit that is being raised."""
    # A worker whose app cannot be loaded has none; threads of that app run all the same.
    made = _ending or process_end.Ending(_QUICK_SECONDS)
    made.finish()


def _begin_on_signals() -> None:
    if _ending is not None:
        _ending.on_signals("SIGTERM")
        _ending.on_signals("SIGINT", "SIGQUIT", seconds=_QUICK_SECONDS)
