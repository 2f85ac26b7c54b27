"""Serves ASGI apps with uvicorn, with one event loop in each worker."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import time
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from ...apps import event_loop
from ...errors import AppServiceError
from ...system import signals, sockets
from ...system.console import complain
from .. import defaults, handover, process_end, report
from ..launch import enter, hide_main
from . import factory

if TYPE_CHECKING:
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
    config = _Config(
        functools.partial(_make, plan),
        factory=True,
        log_config=_LOGGING,
        **defaults.uvicorn_settings(plan),
    )
    report.print_serving(plan, bound.getsockname()[1], ready=False)
    bound.listen(config.backlog)
    bound.set_inheritable(True)
    hide_main()
    options: dict[str, Any] = {"sockets": [bound]}
    if "target" in inspect.signature(Multiprocess).parameters:  # uvicorn before 0.50
        options["target"] = uvicorn.Server(config).run
    # Used for one worker too, as it replaces a worker that dies.
    supervisor = _Supervisor(config, **options)
    supervisor.plan = plan
    supervisor.run()
    return supervisor.failed


def _make(plan: LaunchPlan) -> Any:
    """Return the app for a worker of uvicorn; print why and end the worker if loading fails."""
    with signals.stopping_by(lambda: os._exit(0)):  # uvicorn's own handler waits until it serves
        signals.let_stop_signals_in()
        try:
            with handover.access_lines(plan):
                app = factory.load_app(plan.app, plan.site)
        except AppServiceError as error:
            if plan.worker != 1:
                signals.on_stop_signal(lambda: os._exit(_NO_APP))
                time.sleep(_OTHERS_WAIT)
            complain(error)
            process_end.Ending(0).finish_with_child()
            raise SystemExit(_NO_APP) from None
    ending = process_end.Ending(*process_end.beyond(plan.graceful_seconds))
    ending.finish_with_child()
    ending.on_signals("SIGTERM", "SIGINT", "SIGBREAK")
    report.print_ready(plan)
    return app


class _Config(uvicorn.Config):
    """Uvicorn's configuration, whose event loop outlives what the app raises.

    A worker asks for the loop before it handles signals. When it has stopped, uvicorn sends itself
    the signal once more, for the handlers that were set before.
    """

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
        self.config.app = functools.partial(_make, plan)

    def keep_subprocess_alive(self) -> None:
        """Restart dead workers, unless a worker ended because its app cannot be loaded."""
        workers = list(self.processes)
        if not _is_without_app(workers):
            with signals.holding_stop_signals():
                super().keep_subprocess_alive()
        # Checked again, as a worker may have ended in between. Uvicorn then replaces it, or, from
        # 0.50 on, stops.
        if _is_without_app(workers):
            self.failed = 1
            self.should_exit.set()


def _is_without_app(workers: list[Any]) -> bool:
    return any(one.process.exitcode == _NO_APP for one in workers)
