"""Serves with gunicorn, which replaces this process.

A signal to this process then reaches gunicorn. Gunicorn's own configuration still counts:
GUNICORN_CMD_ARGS, PYTHON_USE_GUNICORN_CONFIG_FROM_PATH, a gunicorn.conf.py in the site's folder.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ...system import process, sockets
from .. import handover, report
from ..launch import enter

if TYPE_CHECKING:
    from ..plan import LaunchPlan

__all__ = ["run"]

_SWITCHES = {
    "APPSVC_WORKERS": "--workers",
    "APPSVC_THREADS": "--threads",
    "APPSVC_GRACEFUL_TIMEOUT": "--graceful-timeout",
}


def run(plan: LaunchPlan) -> int:
    """Replace this process by gunicorn. Raises ConfigError for a port that cannot be bound."""
    enter(plan.site)  # gunicorn looks for its own file there, and its workers for the app
    if plan.named or not plan.own.binds:
        # gunicorn would retry a port in use, or a bad address, for five seconds.
        sockets.bind(plan.address, plan.port).close()
    arguments = ["-c", "python:appsvc_runtime.gunicorn_conf"]
    if plan.named:
        arguments += ["--bind", plan.bind]
    for name, value in plan.given.items():
        arguments += [_SWITCHES[name], str(value)]
    report.print_serving(plan, plan.port, ready=False)
    return process.replace_process(
        [sys.executable, "-m", "gunicorn", *arguments, "appsvc_runtime.wsgi:application"],
        handover.write(plan, os.environ),
    )
