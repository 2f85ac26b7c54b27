"""The launcher as a command: takes options, keeps a worker running, returns its exit code.

Separate from `worker`, which every worker imports and which must therefore stay light.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError
from ..settings import options
from ..system import process, process_one, signals, spare_descriptors
from ..system.console import run_command
from .options import WORKER_OPTIONS
from .output import FileTarget, StreamTarget, Target, WorkerLog
from .plan import WorkerPlan, make_worker_plan
from .supervisor import Launcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["main"]

_STDOUT = 1
_LOOK_SECONDS = 0.05
# These options are flags, whatever values their variables accept.
_FLAGS = frozenset({"APPSVC_WORKER_KUDU_TIMING", "APPSVC_WORKER_SINGLETON"})
_PREFIX = "APPSVC_WORKER_"
_METAVARS = {
    "parse_duration": "SECONDS",
    "parse_timeout": "SECONDS",
    "parse_count": "N",
    "parse_lease": "SECONDS",
    "parse_mode": "MODE",
}


def _with_worker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each setting to a command, with parser and help from the one table."""
    for row in reversed(WORKER_OPTIONS.values()):
        switch = "--" + row.name.removeprefix(_PREFIX).lower().replace("_", "-")
        if row.name in _FLAGS:
            option = click.option(switch, row.name, is_flag=True, default=None, help=row.help)
        else:
            metavar = _METAVARS.get(row.parser.__name__, "TEXT")
            option = click.option(switch, row.name, metavar=metavar, help=row.help)
        command = option(command)
    return command


@click.command(
    name="worker",
    context_settings={"help_option_names": ["-h", "--help"], "allow_interspersed_args": False},
    epilog="Each option is also a setting: APPSVC_WORKER_ and its name, such as "
    "APPSVC_WORKER_HEALTHY_AFTER. Exit codes: 0 after a stop; the worker's own (128+n for signal "
    "n) if it is not started again; 2 for an invalid option or setting, 65 for a syntax error in "
    "the script, 66 if it does not exist, 67 if it is a folder, 77 if it cannot be read, 69 if "
    "there is no interpreter.",
)
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module, as for python -m.")
@click.option("--once", is_flag=True, help="Never start it again: --restart never.")
@_with_worker_options
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(module: bool, once: bool, script: str, arguments: tuple[str, ...], **given: Any) -> int:
    """Keep the Python worker SCRIPT running, with its ARGUMENTS, until a stop is requested.

    Stops on SIGTERM, SIGINT (Ctrl-C), SIGBREAK, and for a WebJob when WEBJOBS_SHUTDOWN_FILE
    appears; a second signal ends everything at once.
    """
    # click converts names of parameters to lower case.
    arguments_given = {name.upper(): value for name, value in given.items()}
    if once:
        arguments_given["APPSVC_WORKER_RESTART"] = "never"
    environ = dict(os.environ)
    plan = make_worker_plan([script, *arguments], environ, module=module, given=arguments_given)
    return launch(plan, environ)


def launch(plan: WorkerPlan, environ: Mapping[str, str]) -> int:
    """Run a plan in this process, until it ends or a signal comes; return the exit code.

    `environ` holds this process's own variables.
    """
    process.open_standard_streams()
    process_one.step_aside()
    spare_descriptors.hold()
    try:
        return _launch(plan, environ)
    except RuntimeError as error:
        if "thread" not in str(error):
            raise
        raise ConfigError(
            "The launcher cannot start: the system allows no more threads.",
            hint="Raise the limit of processes (`ulimit -u`, or that of the container).",
        ) from None


def _launch(plan: WorkerPlan, environ: Mapping[str, str]) -> int:
    log = WorkerLog(_targets(plan, environ), options.resolve("APPSVC_LOG_FORMAT", None, environ))
    for finding in plan.findings:
        log.say(f"{finding.level.capitalize()}: {finding.where}: {finding}")
    singleton = None
    try:
        if plan.singleton:
            from .singleton import Singleton

            singleton = Singleton(plan.storage, plan.singleton, plan.lease, log.say)
        launcher = Launcher(plan, environ, log, singleton)
        signals.on_stop_signal(launcher.stop)
        if singleton is not None:
            singleton.start()
        code = launcher.run()
        # Only a stop requires haste: otherwise a slow reader gets all of the output.
        while not launcher.stopping and not log.idle():
            time.sleep(_LOOK_SECONDS)
        return code
    finally:
        signals.ignore_stop_signals()  # nothing is left to stop, and the exit code is known
        log.close()


def _targets(plan: WorkerPlan, environ: Mapping[str, str]) -> list[Target]:
    """Return where the output goes; a folder that cannot be made is reported when writing fails."""
    size = options.resolve("APPSVC_LOG_MAX_BYTES", None, environ)
    backups = options.resolve("APPSVC_LOG_BACKUPS", None, environ)
    targets: list[Target] = [StreamTarget(_STDOUT)] if plan.to_stdout else []
    for path in plan.logs:
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        targets.append(FileTarget(path, max_bytes=size, backups=backups))
    return targets


def main(argv: Sequence[str] | None = None) -> int:
    """Run the launcher with the arguments `argv`, or this process's own; return the exit code."""
    return run_command(command, argv, "python -m appsvc_runtime.worker")
