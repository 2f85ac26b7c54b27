"""Serve with granian, WSGI and ASGI apps alike: the fastest of the servers.

The app is imported by each worker, which finds out which kind it is. Knows granian's `Granian`, and
two places inside its workers: where a request is scheduled, and where signals are heard.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import click
import granian._signals
import granian.server.mp
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from ...apps import load as apps_load
from ...errors import AppServiceError
from ...middleware import access_log, drain
from ...system import signals, sockets
from ...system.console import complain
from .. import defaults, one_host, start_time
from ..launch import hide_main

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..launch import Launch

__all__ = ["run"]

_NO_THREADS = (
    "An ASGI app runs in one thread of each worker: a number of threads means nothing to it."
)
# What a worker ends with whose app cannot be loaded: it is not started again.
_NO_APP = 3
_RESPAWN_PAUSE = 0.5
# The first worker says why; the others wait so long to be ended.
_OTHERS_WAIT = 10.0


def run(launch: Launch) -> int:
    """Serve until a stop signal; give 0, or 1 for an app that cannot be loaded.

    Raises ConfigError, AppLoadError where no app is found.
    """
    number = launch.choose_port()
    settings = defaults.granian_settings(os.environ)
    threads = defaults.granian_threads(os.environ, launch.threads)
    seconds = defaults.graceful_seconds(
        os.environ, launch.graceful_timeout, container=launch.container
    )
    # Its own sockets share a port with whoever listens there in the same way, and say nothing.
    with sockets.bind(launch.address, number) as bound:
        number = bound.getsockname()[1]
    choice = launch.choose_app()
    server = _Server(
        choice.name,
        address=launch.address,
        port=number,
        interface=Interfaces(settings.pop("interface")),
        http=HTTPModes(settings.pop("http")),
        http1_settings=HTTP1Settings(header_read_timeout=defaults.KEEPALIVE_SECONDS * 1000),
        workers_kill_timeout=seconds or 0.01,  # type: ignore[arg-type]
        log_level=LogLevels.warning,
        **settings,
    )
    launch.tell(choice, "granian", number, ready=False)
    asked = threads != defaults.GRANIAN_THREADS
    multiprocess = settings["workers"] > 1
    load = functools.partial(_load, choice.name, launch.site, threads, asked, multiprocess)
    hide_main()
    try:
        server.serve(target_loader=load, wrap_loader=False)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


class _Server(MPServer):
    """Granian that starts dead workers again, but not those whose app cannot be loaded."""

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        with signals.holding_stop_signals():
            super()._spawn_workers(spawn_target, target_loader)  # type: ignore[no-untyped-call]

    def _respawn_workers(
        self, workers: Any, spawn_target: Any, target_loader: Any, delay: float = 0
    ) -> None:
        start_time.end()
        if any(self.wrks[index].inner.exitcode == _NO_APP for index in workers):
            self.interrupt_children.extend(workers)  # makes the exit code 1
            self.interrupt_signal = True
            self.main_loop_interrupt.set()
            return
        time.sleep(_RESPAWN_PAUSE)
        with signals.holding_stop_signals():
            super()._respawn_workers(workers, spawn_target, target_loader, delay)
        # Granian ends where a worker dies twice in a few seconds; one visitor could make it.
        self.respawned_wrks.clear()


def _load(name: str, site: str, threads: int, asked: bool, multiprocess: bool) -> Any:
    """Give what granian's worker calls: an ASGI app. Runs in the worker.

    `threads` are for a WSGI app; `asked`: somebody has said how many.
    """
    # Forked, it has the parent's handlers, which do nothing here; granian's come with its loop.
    signals.on_stop_signal(lambda: os._exit(0))
    signals.let_stop_signals_in()
    try:
        app, interface = apps_load.wrap_any(apps_load.load_any(name, site))
    except AppServiceError as error:
        _leave(error)
    access_log.show()
    granian._signals.set_loop_signals = _hear_signals
    with contextlib.suppress(OSError):  # standard output may be full
        click.echo(start_time.ready())
    if interface == "asgi":
        if asked and _is_first():
            click.echo(f"Warning: {_NO_THREADS}", err=True)
        return one_host.OneHost(app)
    scheduler = _scheduler(app, threads, multiprocess)
    granian.server.mp._new_cbscheduler = scheduler  # type: ignore[attr-defined]
    return _no_lifespan


def _scheduler(app: Any, threads: int, multiprocess: bool) -> Callable[..., Any]:
    from .threads import Scheduler, Threads

    def make(loop: Any, callback: Any, **_options: Any) -> Any:
        return Scheduler(loop, callback, Threads(app, loop, threads, multiprocess=multiprocess))

    return make


async def _no_lifespan(scope: Any, receive: Any, send: Any) -> None:
    """Be the ASGI app that granian asks about a lifespan, where the real one is WSGI."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


def _hear_signals(loop: Any) -> Any:
    """Have a stop go through the time to drain, as granian's own hears it otherwise."""
    event = granian._granian.WorkerSignal()
    once = threading.Lock()

    def stop() -> None:
        if once.acquire(blocking=False):  # a second one would block the caller
            event.set()

    signals.on_loop_stop(loop, drain.delay(stop))
    return event


def _is_first() -> bool:
    return multiprocessing.current_process()._identity[-1:] == (1,)


def _leave(error: AppServiceError) -> Any:
    """End a worker whose app cannot be loaded; the first one says why."""
    if not _is_first():
        time.sleep(_OTHERS_WAIT)
    complain(error)
    os._exit(_NO_APP)
