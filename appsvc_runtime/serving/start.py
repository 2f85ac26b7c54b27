"""Runs the chosen server: the order of a start.

First the import path is put in order. Then the plan is made, which finds every mistake in options
and settings. Then process 1 of a container steps aside for a server that does not wait for orphans.
Then warnings are printed, then the server binds the port, then the app is imported. Must not know
of any server.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from ..apps.kinds import AsgiAppError
from ..system import process_one
from . import agents, exec_advice, plan, report, servers
from .launch import enter

if TYPE_CHECKING:
    from .launch import Launch

__all__ = ["serve"]


def serve(launch: Launch) -> int:
    """Run the chosen server until it is stopped; return the exit code.

    Raises ConfigError for an option, a setting or a port that cannot be used, AppLoadError for an
    app that cannot be loaded.
    """
    agents.put_last()  # may run this command again, so it comes before the folder is entered
    if launch.container:
        enter(launch.site)
        launch = dataclasses.replace(launch, site=os.getcwd())
    made = plan.make_plan(launch, os.environ)
    for sentence in exec_advice.advise():
        report.print_warning(sentence)
    try:
        return _run(made)
    except AsgiAppError:
        if not made.may_change:
            raise
    row = servers.for_asgi(made.app)
    report.print_change(made, row.name)
    return _run(plan.make_plan(dataclasses.replace(launch, server=row.name), os.environ))


def _run(made: plan.LaunchPlan) -> int:
    row = servers.SERVERS[made.server]
    run = row.load()
    if not row.waits:
        process_one.step_aside()
    for sentence in made.warnings:
        report.print_warning(sentence)
    return run(made)
