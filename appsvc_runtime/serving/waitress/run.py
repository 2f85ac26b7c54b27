"""Serve with waitress: one process, threads for the app alone."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import click

from ...apps import load
from ...middleware import access_log, drain
from ...system import signals, sockets
from .. import defaults
from .graceful import GracefulServer

if TYPE_CHECKING:
    from ..launch import Launch

__all__ = ["run"]


def run(launch: Launch) -> int:
    """Serve until a stop signal; give 0. Raises ConfigError, AppLoadError."""
    number = launch.choose_port()
    settings = defaults.waitress_settings(os.environ, launch.threads)
    seconds = defaults.graceful_seconds(
        os.environ, launch.graceful_timeout, container=launch.container
    )
    # Before the app is imported, which may take long: a port in use is said at once. It listens
    # only when the app is there, so that nobody connects to a server that cannot answer.
    bound = sockets.bind(launch.address, number)
    # Nobody is being served yet: a stop while the app is imported need not wait for anything.
    signals.on_stop_signal(lambda: os._exit(0))
    choice = launch.choose_app()
    served = load.wrap(load.load_app(choice.name, launch.site))
    try:
        server = GracefulServer(served, bound, settings)
    except OSError as error:  # two that started together may both have bound it
        raise sockets.port_error(launch.address, number, error) from None
    signals.on_stop_signal(drain.delay(server.stop))
    # Waitress warns of every request that waits for a thread, which under load is every request.
    queue_log = logging.getLogger("waitress.queue")
    if queue_log.level == logging.NOTSET:
        queue_log.setLevel(logging.ERROR)
    access_log.show()
    launch.tell(choice, "waitress", server.port)
    cut = server.run(seconds)
    if cut:
        click.echo(f"Stopped after {seconds} s; {cut} requests were still running.", err=True)
    return 0
