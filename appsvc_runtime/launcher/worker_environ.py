"""The variables that the launcher gives its worker, which is how it tells another process anything.

All that the launcher sets is set here, but for the tree's mark, which `Run` adds:

    APPSVC_STOP_FILE              by which a worker without signals is told to stop
    APPSVC_WORKER_HEARTBEAT_FILE  which `beat` touches
    PYTHONUNBUFFERED              or what it prints would be seen when much has come together
    PYTHONFAULTHANDLER            which shows the stack on SIGABRT, where a hung worker gets one

The worker reads the first two in `stop_request`, with WEBJOBS_SHUTDOWN_FILE, which is the
platform's. The launcher itself reads this process's variables once, in `command`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .stop_request import HEARTBEAT_FILE, STOP_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .plan import WorkerPlan

__all__ = ["worker_environ"]


def worker_environ(base: Mapping[str, str], plan: WorkerPlan, stop_file: str) -> dict[str, str]:
    """Return the variables of `base` with those for the worker of a plan.

    What a user has set for Python itself stays as it is.
    """
    environ = {**base, STOP_FILE: stop_file}
    environ.setdefault("PYTHONUNBUFFERED", "1")
    if plan.watched:
        environ.setdefault("PYTHONFAULTHANDLER", "1")
    if plan.heartbeat_file:
        environ[HEARTBEAT_FILE] = plan.heartbeat_file
    return environ
