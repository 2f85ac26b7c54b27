"""Runs the chosen server: the order of a start.

First the plan is made, which finds every mistake in options and settings. Then warnings are
printed, then the server binds the port, then the app is imported. Must not know of any server.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from ..apps.kinds import AsgiAppError
from . import plan, report, servers

if TYPE_CHECKING:
    from .launch import Launch

__all__ = ["serve"]


def serve(launch: Launch) -> int:
    """Run the chosen server until it is stopped; return the exit code.

    Raises ConfigError for an option, a setting or a port that cannot be used, AppLoadError for an
    app that cannot be loaded.
    """
    made = plan.make_plan(launch, os.environ)
    try:
        return _run(made)
    except AsgiAppError:
        if not made.may_change:
            raise
    row = servers.for_asgi(made.app)
    report.print_change(made, row.name)
    return _run(plan.make_plan(dataclasses.replace(launch, server=row.name), os.environ))


def _run(made: plan.LaunchPlan) -> int:
    run = servers.SERVERS[made.server].load()
    for sentence in made.warnings:
        report.print_warning(sentence)
    return run(made)
