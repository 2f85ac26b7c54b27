"""The variables that the launcher sets for its worker, the only way to pass it information.

All that the launcher sets is set here, except the tree's mark, which `Run` adds:

    APPSVC_STOP_FILE              the file that tells a worker without signals to stop
    APPSVC_WORKER_HEARTBEAT_FILE  the file that `beat` touches
    PYTHONUNBUFFERED              shows output at once, not only when a buffer is full
    PYTHONFAULTHANDLER            shows the stack on SIGABRT, which a hung worker gets

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

    Settings of a user for Python itself stay.
    """
    environ = {**base, STOP_FILE: stop_file}
    environ.setdefault("PYTHONUNBUFFERED", "1")
    if plan.watched:
        environ.setdefault("PYTHONFAULTHANDLER", "1")
    if plan.heartbeat_file:
        environ[HEARTBEAT_FILE] = plan.heartbeat_file
    return environ
