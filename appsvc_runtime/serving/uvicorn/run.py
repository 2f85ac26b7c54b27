"""Serves ASGI apps with uvicorn, with one event loop in each worker."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from ...apps import event_loop
from ...errors import AppServiceError
from ...system import signals, sockets, stop_pipe, streams
from ...system.console import complain
from .. import defaults, handover, numbers, process_end, report, stalled
from ..app_signals import AppSignals
from ..launch import enter, hide_main
from ..stop_time import StopTime
from . import factory, graceful, idle

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plan import LaunchPlan

__all__ = ["run"]

# Uvicorn's own code for an app that does not start.
_NO_APP = 3
# If the app cannot be loaded, the first worker says why; the others wait this long to be ended.
_OTHERS_WAIT = 30.0
_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s: %(message)s"}},
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "stream": "ext://sys.stdout",
        }
    },
    "loggers": {"uvicorn": {"handlers": ["stdout"], "level": "WARNING", "propagate": False}},
}


def run(plan: LaunchPlan) -> int:
    """Serve until a stop signal; return 0, or 1 for an app that cannot be loaded.

    Raises ConfigError for a port that cannot be bound.
    """
    enter(plan.site)  # uvicorn's workers look for the app there
    bound = sockets.bind(plan.address, plan.port)
    plan = dataclasses.replace(plan, port=bound.getsockname()[1])
    config = _Config(
        functools.partial(_make, plan, None, None),
        factory=True,
        log_config=_LOGGING,
        **defaults.uvicorn_settings(plan),
    )
    report.print_serving(plan, plan.port, ready=False)
    bound.listen(config.backlog)
    bound.set_inheritable(True)
    hide_main()
    options: dict[str, Any] = {"sockets": [bound]}
    if "target" in inspect.signature(Multiprocess).parameters:  # uvicorn before 0.50
        options["target"] = uvicorn.Server(config).run
    # Used for one worker too, as it replaces a worker that dies.
    supervisor = _Supervisor(config, **options)
    supervisor.plan = plan
    supervisor.should_exit = event = signals.SignalEvent()
    try:
        supervisor.run()
    finally:
        event.close()
    return supervisor.failed


def _make(
    plan: LaunchPlan,
    supervisor: tuple[Any, Any] | None,
    stop: Any,
) -> Any:
    """Return the app for a worker of uvicorn; print why and end the worker if loading fails.

    Of the connections to the supervisor, the first gets the worker's process id when the worker can
    be stopped in order; on the second, something arrives when all workers are stopped. `stop`
    is the end of a StopPipe.
    """
    # Uvicorn's own handlers, which it sets before, do nothing until it serves.
    servers = signals.current_handlers()
    app_signals = AppSignals()
    signals.let_stop_signals_in()
    stop_pipe.follow(stop)
    sockets.max_connections()  # raises the limit of open files
    try:
        with handover.access_lines(plan):
            app = factory.load_app(plan.app, plan.site)
    except AppServiceError as error:
        if plan.worker != 1:
            signals.on_stop_signal(lambda: os._exit(_NO_APP))
            time.sleep(_OTHERS_WAIT)
        complain(error)
        streams.drop_broken()
        process_end.Ending(0).finish_with_child()
        raise SystemExit(_NO_APP) from None
    stop_time = StopTime(plan.graceful_seconds)
    stop_time.end_with_child()
    graceful.install(stop_time.left, functools.partial(_all_stop, supervisor))
    idle.install()
    stalled.watch(plan.port)
    app_signals.hand_over(functools.partial(_restore, servers, stop_time))
    if supervisor is not None:
        ready = supervisor[0]
        ready.send_bytes(str(os.getpid()).encode())
        ready.close()
    report.print_ready(plan)
    if plan.worker == 1:
        report.print_per_worker(plan, app.app)
    return app


def _all_stop(supervisor: tuple[Any, Any] | None) -> bool:
    """Return whether all workers are stopped, and not only this one."""
    try:
        return supervisor is not None and supervisor[1].poll()
    except OSError:  # the supervisor is gone
        return True


def _restore(servers: dict[int, Any], stop_time: StopTime, then: Callable[[int], None]) -> None:
    """Set uvicorn's handlers again, between the start of the time limit and `then`."""

    def around(handler: Callable[..., Any]) -> Callable[..., None]:
        def handle(number: int, frame: Any) -> None:
            stop_time.begin()
            handler(number, frame)
            then(number)

        return handle

    for number, handler in servers.items():
        signal.signal(number, around(handler) if callable(handler) else handler)


class _Config(uvicorn.Config):
    """Uvicorn's configuration, whose event loop outlives what the app raises.

    A worker asks for the loop before it handles signals. When it has stopped, uvicorn sends itself
    the signal once more, for the handlers that were set before.
    """

    @property
    def use_subprocess(self) -> bool:
        """Whether a worker's loop has to accept on a socket that other processes had: always.

        On Windows uvicorn takes another loop for a single worker, by completion ports. A socket
        belongs to the port of the first process for good, and the next worker would accept nothing.
        """
        return True

    if hasattr(uvicorn.Config, "get_loop_factory"):

        def get_loop_factory(self) -> Any:
            """Return the function that makes a worker's event loop."""
            signals.exit_by_default()
            return event_loop.containing(super().get_loop_factory())

    else:  # before 0.36

        def setup_event_loop(self) -> None:
            """Make the settings for the loop that asyncio makes."""
            signals.exit_by_default()
            super().setup_event_loop()
            event_loop.contain_new()


class _Supervisor(Multiprocess):
    """Uvicorn's supervisor; `failed` is 1 if a worker's app could not be loaded."""

    plan: LaunchPlan
    failed = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connect()

    def _connect(self) -> None:
        """Make the connections to the workers."""
        pipe = functools.partial(multiprocessing.get_context("spawn").Pipe, duplex=False)
        self._begun: set[int] = set()
        self._started, ready = pipe()
        # Nobody reads what comes here: a worker only looks whether something has come.
        stopping, self._stops = pipe()
        self._for_workers = (ready, stopping)
        self._stop = stop_pipe.make()

    def init_processes(self) -> None:
        """Start the workers, and hand each the plan with its number."""
        wanted, self.processes_num = self.processes_num, 1
        for number in range(wanted):
            self._hand_over(worker=number + 1)
            # A stop signal that comes before a worker handles signals would be lost.
            with signals.holding_stop_signals():
                super().init_processes()
        self.processes_num = wanted
        self._hand_over(worker=0, began=None)

    def _hand_over(self, **changes: Any) -> None:
        # Processes that uvicorn starts later get the configuration as it is at that time.
        plan = dataclasses.replace(self.plan, **changes)
        stop = self._stop.reader if self._stop else None
        self.config.app = functools.partial(_make, plan, self._for_workers, stop)

    def terminate_all(self) -> None:
        """Stop listening here, and stop the workers; those that have not started yet at once.

        While a process that accepts nothing listens, connections wait in a queue that nobody
        empties, and are lost when it ends.
        """
        self._stops.send_bytes(b"all")
        starting = self._starting()
        for process in starting:
            process.kill()
        for process in starting:
            process.join()
        for one in self.sockets:
            one.close()
        if self._stop:  # uvicorn sends CTRL+BREAK, which needs a console
            self._stop.stop_workers()
        else:
            super().terminate_all()

    def _starting(self) -> list[Any]:
        """Return the processes of the workers that have not told yet that they can be stopped."""
        while self._started.poll():
            self._begun.add(int(self._started.recv_bytes()))
        return [one.process for one in self.processes if one.process.pid not in self._begun]

    def join_all(self) -> None:
        """Wait for the workers, and kill those that do not end in time."""
        until = time.monotonic() + numbers.kill_after(self.plan.graceful_seconds)
        for one in self.processes:
            one.process.join(max(0.0, until - time.monotonic()))
            if one.process.exitcode is None:
                one.process.kill()
        super().join_all()

    def keep_subprocess_alive(self) -> None:
        """Restart dead workers, unless a worker ended because its app cannot be loaded."""
        workers = list(self.processes)
        # Uvicorn waits up to five seconds for a sign of life, and then kills the worker. One that
        # starts, on a slow machine, gives none yet.
        starting = any(process.is_alive() for process in self._starting())
        is_due = not starting or not all(one.process.is_alive() for one in workers)
        if is_due and not _is_without_app(workers):
            with signals.holding_stop_signals():
                super().keep_subprocess_alive()
        # Checked again, as a worker may have ended in between. Uvicorn then replaces it, or, from
        # 0.50 on, stops.
        if _is_without_app(workers):
            self.failed = 1
            self.should_exit.set()


def _is_without_app(workers: list[Any]) -> bool:
    return any(one.process.exitcode == _NO_APP for one in workers)
