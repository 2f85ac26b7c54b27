"""Serve with waitress: one process, threads for the app alone."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import click

from ...apps import load
from ...middleware import access_log, drain
from ...system import signals, sockets
from .. import defaults, handover, report
from .graceful import GracefulServer

if TYPE_CHECKING:
    from ..plan import LaunchPlan

__all__ = ["run"]


def run(plan: LaunchPlan) -> int:
    """Serve until a stop signal; return 0. Raises ConfigError, AppLoadError."""
    # Before the app is imported, which may take long: a port in use is reported at once. It listens
    # only when the app is there, so that no client connects to a server that cannot respond.
    bound = sockets.bind(plan.address, plan.port)
    # No client is being served yet: a stop while the app is imported need not wait for anything.
    signals.on_stop_signal(lambda: os._exit(0))
    with handover.access_lines(plan):
        served = load.wrap(load.load_app(plan.app, plan.site))
    try:
        server = GracefulServer(served, bound, defaults.waitress_settings(plan))
    except OSError as error:  # two that started together may both have bound it
        raise sockets.port_error(plan.address, plan.port, error) from None
    signals.on_stop_signal(drain.delay(server.stop))
    # Waitress warns of every request that waits for a thread, which under load is every request.
    queue_log = logging.getLogger("waitress.queue")
    if queue_log.level == logging.NOTSET:
        queue_log.setLevel(logging.ERROR)
    access_log.show()
    report.print_serving(plan, server.port)
    seconds = plan.graceful_seconds
    cut = server.run(seconds)
    if cut:
        click.echo(f"Stopped after {seconds} s; {cut} requests were still running.", err=True)
    return 0
