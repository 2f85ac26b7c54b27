"""Starts another server in gunicorn's place if the app turns out to be an ASGI app.

A worker finds that out when it imports the app. It stops gunicorn, whose master then replaces
itself: the app is imported anew by the processes that serve it, and by those only once.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from ...errors import AppServiceError
from ...system import process
from .. import report, servers

if TYPE_CHECKING:
    from ..plan import LaunchPlan

__all__ = ["Change"]

_SWITCHES = {"APPSVC_WORKERS": "--workers", "APPSVC_GRACEFUL_TIMEOUT": "--graceful-timeout"}
# Longer than gunicorn takes to hear of a stop.
_WAIT_SECONDS = 30.0


class Change:
    """Another server in place of gunicorn; made in the master, before it starts workers."""

    def __init__(self, plan: LaunchPlan) -> None:
        self._plan = plan
        self._shared = mmap.mmap(-1, 1)  # the workers' only way to tell the master why

    def ask(self, worker: Any, error: AppServiceError) -> None:
        """Have the master start another server; runs in a worker, and does not return.

        Raises ConfigError if no server for ASGI apps is installed, and `error` if the user has
        named gunicorn, or the master does not stop.
        """
        if not self._plan.may_change:
            raise error
        row = servers.for_asgi(self._plan.app)
        if worker.age == 1:
            worker.log.info(report.describe_change(self._plan, row.name))
            self._shared[0] = 1
            os.kill(worker.ppid, signal.SIGTERM)
        deadline = time.monotonic() + _WAIT_SECONDS
        while worker.alive and time.monotonic() < deadline:
            worker.notify()
            time.sleep(0.02)
        if worker.alive:
            raise error
        raise SystemExit(0)

    def follow(self) -> None:
        """Replace the master if a worker has asked for it; runs when the master has stopped."""
        if not self._shared[0]:
            return
        plan = self._plan
        argv = [sys.executable, "-m", "appsvc_runtime", "serve", plan.app]
        argv += ["--site", plan.site, "--host", plan.address, "--port", str(plan.port)]
        argv += ["--server", servers.for_asgi(plan.app).name]
        for name, switch in _SWITCHES.items():
            if name in plan.given:
                argv += [switch, str(plan.given[name])]
        process.replace_process(argv, os.environ)
