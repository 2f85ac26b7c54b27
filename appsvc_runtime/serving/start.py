"""Run the server that is asked for: the order of a start.

The plan is made first, which finds every mistake in options and settings. Then it prints what will
not be used, then the server takes the port, then the app is imported. Must not know of any server.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import plan, report, servers

if TYPE_CHECKING:
    from .launch import Launch

__all__ = ["serve"]


def serve(launch: Launch) -> int:
    """Run the server that is asked for until it is stopped; return the exit code.

    Raises ConfigError for an option, a setting or a port that cannot be used, AppLoadError for an
    app that cannot be loaded.
    """
    made = plan.make_plan(launch, os.environ)
    run = servers.SERVERS[made.server].load()
    for sentence in made.warnings:
        report.print_warning(sentence)
    return run(made)
