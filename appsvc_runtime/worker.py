r"""The entry point for worker roles and WebJobs.

    python -m appsvc_runtime.worker SCRIPT [ARG ...]

As a Cloud Service role's entry point::

    bin\ps.cmd LaunchWorker.ps1 -m appsvc_runtime.worker worker.py

As a WebJob's `run.py`::

    from appsvc_runtime.worker import main
    raise SystemExit(main(["worker.py"]))

A worker's own loop uses this module to learn whether it must stop, on every host, with the launcher
or without: `stop_requested`, `wait_for_stop`, `beat`.
"""

from __future__ import annotations

from .system.import_path import look_here_last

if __name__ == "__main__":
    look_here_last()  # queue.py in the current folder is the worker's, not the launcher's

from .launcher.stop_request import beat, stop_requested, wait_for_stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["beat", "main", "stop_requested", "wait_for_stop"]


def main(argv: Sequence[str] | None = None) -> int:
    """Keep a worker running with the arguments `argv` (the process's own by default).

    Return the exit code: 0 after a stop, the worker's own if it is not restarted, others if it
    cannot be run at all, as `--help` explains. Error messages go to standard error.
    """
    look_here_last()
    try:
        from .launcher.command import main as run  # its imports are for the launcher only

        return run(argv)
    except KeyboardInterrupt:  # before the launcher listens for it
        return 128 + 2  # as a shell reports it


if __name__ == "__main__":
    raise SystemExit(main())
