"""Serves with waitress: one process, whose threads only run the app."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

import click

from ...apps import faults, load
from ...middleware import access_log, drain
from ...system import signals, sockets
from .. import defaults, handover, process_end, report, stalled
from ..app_signals import AppSignals
from ..stop_time import StopTime
from .graceful import GracefulServer

if TYPE_CHECKING:
    from ..plan import LaunchPlan

__all__ = ["run"]


def run(plan: LaunchPlan) -> int:
    """Serve until a stop signal; return 0. Raises ConfigError, AppLoadError."""
    # The port is bound before the app is imported, which may take long: a port in use is reported
    # at once. The server listens only when the app is loaded, so that no client connects to a
    # server that cannot respond.
    bound = sockets.bind(plan.address, plan.port)
    app_signals = AppSignals()
    with handover.access_lines(plan), process_end.finishing_on_error():
        served = faults.contain_wsgi(load.wrap(load.load_app(plan.app, plan.site)))
    try:
        server = GracefulServer(served, bound, defaults.waitress_settings(plan))
    except OSError as error:  # two servers that started together may both have bound the port
        raise sockets.port_error(plan.address, plan.port, error) from None
    stop_time = StopTime(plan.graceful_seconds)

    def stop() -> None:
        stop_time.begin()
        server.stop()

    app_signals.hand_over(functools.partial(signals.on_stop_signal, drain.delay(stop)))
    # Waitress warns about every request that waits for a thread, under load about every request.
    queue_log = logging.getLogger("waitress.queue")
    if queue_log.level == logging.NOTSET:
        queue_log.setLevel(logging.ERROR)
    stalled.watch(server.port)
    access_log.show()
    report.print_serving(plan, server.port)
    cut = server.run(stop_time.left)
    if cut:
        seconds = plan.graceful_seconds
        click.echo(f"Stopped after {seconds} s; {cut} requests were still running.", err=True)
    return stop_time.end(0)
