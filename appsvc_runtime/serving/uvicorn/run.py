"""Serve with uvicorn: ASGI apps, one event loop in each worker."""

from __future__ import annotations

import contextlib
import inspect
import os
import time
from typing import TYPE_CHECKING, Any

import click
import uvicorn
from uvicorn.supervisors import Multiprocess

from ...errors import AppServiceError
from ...system import signals, sockets
from ...system.console import complain
from .. import defaults, start_time
from ..launch import enter, hide_main
from . import factory

if TYPE_CHECKING:
    from ..launch import Launch

__all__ = ["make", "run"]

# Uvicorn's own code for an app that does not start.
_NO_APP = 3
# The first worker whose app cannot be loaded says why; the others wait so long to be ended.
_OTHERS_WAIT = 30.0
_WORKER = "APPSVC_WORKER_NUMBER"
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


def run(launch: Launch) -> int:
    """Serve until a stop signal; give 0, or 1 for an app that cannot be loaded.

    Raises ConfigError, AppLoadError where no app is found.
    """
    number = launch.choose_port()
    settings = defaults.uvicorn_settings(os.environ)
    seconds = defaults.graceful_seconds(
        os.environ, launch.graceful_timeout, container=launch.container
    )
    enter(launch.site)  # its workers look for the app there
    bound = sockets.bind(launch.address, number)
    number = bound.getsockname()[1]
    choice = launch.choose_app()
    config = uvicorn.Config(
        f"{__name__}:make",
        factory=True,
        timeout_graceful_shutdown=seconds,
        log_config=_LOGGING,
        **settings,
    )
    launch.tell(choice, "uvicorn", number, ready=False)
    bound.listen(config.backlog)
    bound.set_inheritable(True)
    hide_main()
    options: dict[str, Any] = {"sockets": [bound]}
    if "target" in inspect.signature(Multiprocess).parameters:  # uvicorn before 0.50
        options["target"] = uvicorn.Server(config).run
    # Also for one worker: who dies is replaced.
    supervisor = _Supervisor(config, **options)
    supervisor.run()
    return supervisor.failed


def make() -> Any:
    """Give the app to a worker of uvicorn; end it with a sentence where there is none."""
    try:
        with signals.stopping_by(lambda: os._exit(0)):  # uvicorn's own waits until it serves
            app = factory.make()
    except AppServiceError as error:
        if os.environ.get(_WORKER, "1") != "1":
            signals.on_stop_signal(lambda: os._exit(_NO_APP))  # uvicorn's waits for us
            time.sleep(_OTHERS_WAIT)
        complain(error)
        raise SystemExit(_NO_APP) from None
    with contextlib.suppress(OSError):  # standard output may be full
        click.echo(start_time.ready())
    return app


class _Supervisor(Multiprocess):
    """Uvicorn's own; `failed` is 1 where a worker's app could not be loaded."""

    failed = 0

    def init_processes(self) -> None:
        """Start the workers, each of which knows its number."""
        wanted, self.processes_num = self.processes_num, 1
        for number in range(wanted):
            os.environ[_WORKER] = str(number + 1)
            super().init_processes()
        self.processes_num = wanted
        os.environ[_WORKER] = "0"
        start_time.end()

    def keep_subprocess_alive(self) -> None:
        """Start dead workers again, unless there is no app."""
        workers = list(self.processes)
        if not _is_without_app(workers):
            super().keep_subprocess_alive()
        # Again: one may have ended in between. Uvicorn then replaces it, or stops, from 0.50 on.
        if _is_without_app(workers):
            self.failed = 1
            self.should_exit.set()


def _is_without_app(workers: list[Any]) -> bool:
    return any(one.process.exitcode == _NO_APP for one in workers)
