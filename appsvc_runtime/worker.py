r"""Entry point for worker roles and WebJobs: `python -m appsvc_runtime.worker SCRIPT [ARG ...]`.

As a Cloud Service role's entry point::

    bin\ps.cmd LaunchWorker.ps1 -m appsvc_runtime.worker worker.py

As a WebJob's `run.py`::

    from appsvc_runtime.worker import main
    raise SystemExit(main(["worker.py"]))

A worker's own loop asks here whether it shall stop, on every host, with the launcher or without:
`stop_requested`, `wait_for_stop`, `beat`.
"""

from __future__ import annotations

import os
import sys


def _look_here_last() -> None:
    """Have the launcher import from the current folder last: queue.py there is the worker's.

    With `-m`, and for a script there, Python looks into it first; so it does for the worker.
    """
    try:
        here = os.getcwd()
    except OSError:  # it has been removed
        return
    sys.path.sort(key=here.__eq__)


if __name__ == "__main__":
    _look_here_last()  # before any other module of the standard library is imported

from .launcher.stop_request import beat, stop_requested, wait_for_stop  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["beat", "main", "stop_requested", "wait_for_stop"]


def main(argv: Sequence[str] | None = None) -> int:
    """Keep a worker running with the arguments `argv` (the process's own by default).

    Gives the exit code: 0 after a stop, the worker's own where it is not started again, others for
    what cannot be run at all, as `--help` says. Messages of errors go to standard error.
    """
    _look_here_last()
    try:
        from .launcher.command import main as run  # which needs what no worker needs

        return run(argv)
    except KeyboardInterrupt:  # before the launcher listens for it
        return 128 + 2  # as a shell says it


if __name__ == "__main__":
    raise SystemExit(main())
