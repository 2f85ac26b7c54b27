"""Serves WSGI and ASGI apps with granian, the fastest of the servers.

Each worker imports the app and finds out its interface. Knows granian's `Granian`, and two places
inside its workers: where a request is scheduled, and where signals are handled.
"""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import granian._signals
import granian.server.mp
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from ...apps import event_loop, faults
from ...apps import load as apps_load
from ...errors import AppServiceError
from ...middleware import access_log, drain
from ...system import signals, sockets, stop_pipe
from ...system.console import complain
from .. import defaults, handover, numbers, one_host, report, stalled
from ..app_signals import AppSignals
from ..launch import hide_main
from ..stop_time import StopTime
from .close import Closing

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from ..plan import LaunchPlan

__all__ = ["run"]

_NO_THREADS = "An ASGI app runs in one thread of each worker: the number of threads is not used."
# Exit code of a worker whose app cannot be loaded: it is not started again.
_NO_APP = 3
_RESPAWN_PAUSE = 0.5
# If the app cannot be loaded, the first worker says why; the others wait this long to be ended.
_OTHERS_WAIT = 10.0


def run(plan: LaunchPlan) -> int:
    """Serve until a stop signal; return 0, or 1 for an app that cannot be loaded.

    Raises ConfigError for a port that cannot be bound.
    """
    # Granian's own sockets may share a port (SO_REUSEPORT), and would not report one in use.
    with sockets.bind(plan.address, plan.port) as bound:
        number = bound.getsockname()[1]
    settings = defaults.granian_settings(plan)
    server = _Server(
        plan.app,
        address=plan.address,
        port=number,
        interface=Interfaces(settings.pop("interface")),
        http=HTTPModes(settings.pop("http")),
        http1_settings=HTTP1Settings(header_read_timeout=defaults.KEEPALIVE_SECONDS * 1000),
        workers_kill_timeout=numbers.kill_after(plan.graceful_seconds),
        log_level=LogLevels.warning,
        **settings,
    )
    server.plan = plan = dataclasses.replace(plan, port=number)
    report.print_serving(plan, number, ready=False)
    hide_main()
    server.main_loop_interrupt = event = signals.SignalEvent()
    try:
        server.serve(target_loader=server.loader(plan), wrap_loader=False)
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        event.close()
    return 0


class _Server(MPServer):
    """Granian that restarts dead workers, except those whose app cannot be loaded."""

    plan: LaunchPlan
    _is_without_app = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._stop = stop_pipe.make()

    def loader(self, plan: LaunchPlan) -> Callable[[], Any]:
        """Return the function that loads the app in a worker."""
        return functools.partial(_load, plan, self._stop.reader if self._stop else None)

    def signal_handler_interrupt(self, *_: Any) -> None:
        """Stop; Ctrl-C reaches the workers too, and one may end before it is told to."""
        for worker in self.wrks:
            worker.interrupt_by_parent = True
        super().signal_handler_interrupt()  # type: ignore[no-untyped-call]

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop the workers, and raise SystemExit if the app could not be loaded."""
        if not self._is_without_app:
            self.interrupt_children.clear()  # each makes the exit code 1
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]

    def _stop_workers(self) -> None:
        if self._stop:
            for worker in self.wrks:
                worker.interrupt_by_parent = True
                # It would leave running requests no time.
                worker.terminate = _nothing  # type: ignore[method-assign]
            self._stop.stop_workers()
        super()._stop_workers()  # type: ignore[no-untyped-call]

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        with signals.holding_stop_signals():
            super()._spawn_workers(spawn_target, target_loader)  # type: ignore[no-untyped-call]

    def _respawn_workers(
        self, workers: Any, spawn_target: Any, _first_loader: Any, delay: float = 0
    ) -> None:
        if any(self.wrks[index].inner.exitcode == _NO_APP for index in workers):
            self._is_without_app = True
            self.interrupt_children.extend(workers)  # makes the exit code 1
            self.interrupt_signal = True
            self.main_loop_interrupt.set()
            return
        time.sleep(_RESPAWN_PAUSE)
        if self.interrupt_signal:
            return
        loader = self.loader(dataclasses.replace(self.plan, began=None))
        with signals.holding_stop_signals():
            super()._respawn_workers(workers, spawn_target, loader, delay)
        # Granian ends if a worker dies twice in a few seconds, which one client could bring about.
        self.respawned_wrks.clear()


def _nothing() -> None:
    """Do nothing."""


def _load(plan: LaunchPlan, stop: Connection | None) -> Any:
    """Return the ASGI app that granian's worker calls. Runs in the worker.

    `stop` is the end of a StopPipe.
    """
    # A forked worker has the parent's signal handlers, which do nothing here. Granian sets its own
    # with its loop.
    app_signals = AppSignals()
    signals.let_stop_signals_in()
    stop_pipe.follow(stop)
    try:
        with handover.access_lines(plan):
            app, interface = apps_load.wrap_any(apps_load.load_any(plan.app, plan.site))
    except AppServiceError as error:
        _leave(error)
    access_log.show()
    stop_time = StopTime(plan.graceful_seconds, cuts=False)
    stop_time.end_with_child()
    closing = Closing(plan.port)
    stalled.watch(plan.port)
    granian._signals.set_loop_signals = functools.partial(
        _hear_signals, closing, stop_time, app_signals
    )
    report.print_ready(plan)
    if _is_first():
        report.print_per_worker(plan, app)
    if interface == "asgi":
        if plan.threads != defaults.GRANIAN_THREADS and _is_first():
            report.print_warning(_NO_THREADS)
        return closing.ending(one_host.OneHost(faults.contain_asgi(app)))
    scheduler = _scheduler(faults.contain_wsgi(app), plan, closing)
    granian.server.mp._new_cbscheduler = scheduler  # type: ignore[attr-defined]
    return _no_lifespan


def _scheduler(app: Any, plan: LaunchPlan, closing: Closing) -> Callable[..., Any]:
    from .threads import Scheduler, Threads

    multiprocess = plan.workers > 1

    def make(loop: Any, callback: Any, **_options: Any) -> Any:
        threads = Threads(app, loop, plan.threads, closing, multiprocess=multiprocess)
        return Scheduler(loop, callback, threads)

    return make


async def _no_lifespan(scope: Any, receive: Any, send: Any) -> None:
    """Respond to lifespan events, as the ASGI app for granian if the real app is a WSGI app."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


def _hear_signals(closing: Closing, stop_time: StopTime, app_signals: AppSignals, loop: Any) -> Any:
    """Set the worker's signal handlers, with the time to drain before a stop.

    Replaces granian's function, which stops at once. It is the last one that is called before the
    loop runs.
    """
    event_loop.contain(loop)
    event = granian._granian.WorkerSignal()
    once = threading.Lock()

    def stop() -> None:
        if once.acquire(blocking=False):  # a second `set` would block the caller
            stop_time.begin()
            threading.Thread(target=leave, name="stop", daemon=True).start()

    def leave() -> None:
        closing.linger()
        event.set()

    app_signals.hand_over(functools.partial(signals.on_loop_stop, loop, drain.delay(stop)))
    return event


def _is_first() -> bool:
    return multiprocessing.current_process()._identity[-1:] == (1,)


def _leave(error: AppServiceError) -> Any:
    """End a worker whose app cannot be loaded; the first one says why."""
    if not _is_first():
        time.sleep(_OTHERS_WAIT)
    complain(error)
    os._exit(_NO_APP)
