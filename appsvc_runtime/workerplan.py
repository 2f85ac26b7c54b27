"""What the launcher is to run and how, all of it checked before anything is started.

Reads settings and looks at files. Must not start anything.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import AppServiceError, ConfigError
from .restarts import KUDU_PAUSE, Mode
from .stopping import SHUTDOWN_FILE
from .workeroptions import WORKER_OPTIONS, parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .findings import Finding
    from .jobsettings import JobSettings

__all__ = ["WorkerError", "WorkerPlan", "make_worker_plan"]

# What the launcher ends with where nothing can be run: sysexits(3)'s, and two beside them.
NO_SCRIPT = 66
A_FOLDER = 67
NOT_READABLE = 77
SYNTAX_ERROR = 65
NO_INTERPRETER = 69

_PREFIX = "APPSVC_WORKER_"
_STORE = "DiagnosticStore"
# Both readers find it: the article names this file, ps.cmd writes LaunchWorker.ps1.txt beside it.
_ROLE_LOG = os.path.join("LogFiles", "LaunchWorker.ps1.log")
_RESTART_TIME = "WEBJOBS_RESTART_TIME"
# What the platform gives a WebJob, and a container, to stop.
_STOPPING_WAIT = 5.0
# The platform ends a worker's launcher together with the worker: it must be done before.
_MARGIN = 1.0
_JOB_FILE = "settings.job"
# Names of this process's own standard output, as in `logs`.
_STDOUT_NAMES = frozenset({"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})


class WorkerError(AppServiceError):
    """A worker that cannot be run at all; each cause has an exit code of its own."""

    def __init__(self, message: str, *, hint: str, exit_code: int) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


@dataclass(frozen=True)
class WorkerPlan:
    """A worker that can be run: `argv` in the current folder, called `name` in what is said.

    Times are in seconds. `grace` is what the worker gets to stop. `liveness`: after how long
    without a sign of life it counts as hung, by `heartbeat_file` or `health_url`, "" for not asked
    for. `shutdown_file`: by which a WebJob is told, "" for none. `logs` are the files beside
    standard output or, where `WSGI_LOG` names one, in its place. `storage` is the connection string
    for the lease on the blob `singleton`, "" for no lease.
    """

    argv: tuple[str, ...]
    name: str
    mode: Mode
    healthy_after: float
    kudu: bool
    kudu_pause: float
    give_up_after: int
    grace: float
    heartbeat_file: str
    health_url: str
    liveness: float
    shutdown_file: str
    logs: tuple[str, ...]
    to_stdout: bool
    singleton: str
    lease: float
    storage: str
    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        return f"WorkerPlan({self.name!r})"  # `storage` holds a key


def make_worker_plan(
    command: Sequence[str], environ: Mapping[str, str], *, module: bool, given: Mapping[str, Any]
) -> WorkerPlan:
    """Say how to run `command`, a script or (`module`) a module with its arguments.

    `given` are arguments by the names of their settings, None for one that was not given. Raises
    ConfigError for a setting, and WorkerError for a worker, that cannot be used.
    """

    def option(name: str) -> Any:
        name = _PREFIX + name
        value = given.get(name)
        try:
            return WORKER_OPTIONS[name].resolve(str(value) if value is not None else None, environ)
        except ConfigError as error:
            if value is None:
                raise
            switch = f"--{name.removeprefix(_PREFIX).lower().replace('_', '-')}"
            message = error.message.replace(f"argument for {name}", f"option {switch}")
            raise ConfigError(message, hint="Correct it, or leave it out.") from None

    python = _interpreter(option("PYTHON"))
    if module:
        _check_module(command[0], own_version=python == sys.executable)
        argv = [python, "-m", *command]
        name = command[0]
    else:
        _check_script(command[0], own_version=python == sys.executable)
        argv = [python, *command]
        name = os.path.basename(command[0])
    job, findings = _job_settings(environ)
    grace = option("GRACE")
    if grace is None:
        known = job.stopping_wait_time if job else None
        given_time = _STOPPING_WAIT if known is None else known
        grace = max(given_time - _MARGIN, given_time / 2)
    singleton, storage = "", ""
    if option("SINGLETON") or (job and job.is_singleton):
        storage = _storage(environ, option("SINGLETON_STORAGE"))
        if not storage and option("SINGLETON"):
            raise ConfigError(
                f"--singleton needs a storage account, and the setting "
                f"{option('SINGLETON_STORAGE')} is not there.",
                hint="Set it to the account's connection string, or name another setting by "
                "--singleton-storage.",
            )
        if not storage:
            findings = (*findings, _left_to_the_platform(option("SINGLETON_STORAGE")))
        singleton = (option("SINGLETON_NAME") or _lease_name(environ, name)) if storage else ""
    heartbeat = option("HEARTBEAT_FILE")
    own_log = environ.get("WSGI_LOG", "").strip()
    if own_log in _STDOUT_NAMES:
        own_log = ""
    store = environ.get(_STORE) or environ.get(_STORE.upper(), "")
    files = [own_log, os.path.join(store, _ROLE_LOG) if store else ""]
    return WorkerPlan(
        argv=tuple(argv),
        name=name,
        mode=option("RESTART"),
        healthy_after=option("HEALTHY_AFTER"),
        kudu=option("KUDU_TIMING"),
        kudu_pause=_restart_time(environ),
        give_up_after=option("GIVE_UP_AFTER"),
        grace=grace,
        heartbeat_file=os.path.abspath(heartbeat) if heartbeat else "",
        health_url=_health_url(option("HEALTH_URL")),
        liveness=option("LIVENESS_TIMEOUT"),
        shutdown_file=environ.get(SHUTDOWN_FILE, ""),
        logs=tuple(dict.fromkeys(os.path.abspath(file) for file in files if file)),
        to_stdout=not own_log,
        singleton=singleton,
        lease=option("SINGLETON_LEASE"),
        storage=storage,
        findings=findings,
    )


def _interpreter(python: str) -> str:
    if not python:
        return sys.executable
    found = shutil.which(python)
    if found is None:
        reason = "cannot be run" if os.path.exists(python) else "does not exist"
        raise WorkerError(
            f"The interpreter {python!r} {reason}.",
            hint="Name a python by --python, or leave that out.",
            exit_code=NO_INTERPRETER,
        )
    return os.path.abspath(found)


def _check_script(script: str, *, own_version: bool) -> None:
    """Raise WorkerError for what no Python would run. Another version's syntax is not judged."""
    where = f"The script {script!r}"
    if not os.path.isabs(script):
        where += f" in {os.getcwd()}"
    try:
        if os.path.isdir(script):
            if os.path.isfile(os.path.join(script, "__main__.py")):
                return  # which Python runs
            raise WorkerError(
                f"{where} is a folder without a __main__.py.",
                hint="Name the file that is to be run.",
                exit_code=A_FOLDER,
            )
        with open(script, "rb") as file:
            source = file.read()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise WorkerError(
            f"{where} does not exist.",
            hint="Name it from the folder that the launcher runs in, or start a module with -m.",
            exit_code=NO_SCRIPT,
        ) from None
    except OSError as error:
        raise WorkerError(
            f"{where} cannot be read: {error.strerror}.",
            hint="Let the user that runs the launcher read it.",
            exit_code=NOT_READABLE,
        ) from None
    if not own_version or source[:4] == b"PK\x03\x04":  # a zip file, which Python runs as well
        return
    try:
        compile(source, script, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        reason = getattr(error, "msg", None) or str(error) or "it is nested too deep"
        raise WorkerError(
            f"{where} has a syntax error{f' in line {line}' if line else ''}: {reason}.",
            hint="Correct it.",
            exit_code=SYNTAX_ERROR,
        ) from None


def _check_module(module: str, *, own_version: bool) -> None:
    """Raise WorkerError for a module that this interpreter does not have; others are not asked."""
    if own_version and not module.startswith("."):
        try:
            if importlib.util.find_spec(module.partition(".")[0]) is not None:
                return
        except (ImportError, ValueError):
            return  # Python itself shall say what is wrong
    elif not module.startswith("."):
        return
    raise WorkerError(
        f"There is no module {module!r} that could be run.",
        hint="Install it, or run the launcher in the folder that holds it.",
        exit_code=NO_SCRIPT,
    )


def _job_settings(environ: Mapping[str, str]) -> tuple[JobSettings | None, tuple[Finding, ...]]:
    """Read the WebJob's settings.job, which lies beside its script or where WEBJOBS_PATH says."""
    if not environ.get("WEBJOBS_NAME"):
        return None, ()
    from . import jobsettings  # which only a WebJob needs

    path = environ.get("WEBJOBS_PATH", "")
    for folder in (os.curdir, path, os.path.dirname(path)):
        file = os.path.join(folder, _JOB_FILE)
        try:
            with open(file, "rb") as opened:
                return jobsettings.read_job_settings(opened.read(), _JOB_FILE)
        except OSError:
            continue
    return None, ()


def _restart_time(environ: Mapping[str, str]) -> float:
    try:
        return parse_duration(environ.get(_RESTART_TIME, ""))
    except ValueError:
        return KUDU_PAUSE  # as the platform does


def _health_url(url: str) -> str:
    if url and not url.lower().startswith(("http://", "https://")):
        raise ConfigError(
            "--health-url is no address of http or https.",
            hint="Write it as http://127.0.0.1:8081/health.",
        )
    return url


def _storage(environ: Mapping[str, str], name: str) -> str:
    """Give a connection string from an app setting, or from the portal's connection strings."""
    for prefix in ("", "APPSETTING_", "CUSTOMCONNSTR_", "AZUREBLOBSTORAGE_"):
        text = environ.get(prefix + name) or environ.get((prefix + name).upper(), "")
        if text.strip():
            return text.strip()
    return ""


def _left_to_the_platform(setting: str) -> Finding:
    from .findings import Finding

    return Finding(
        "singleton",
        "warning",
        _JOB_FILE,
        "is_singleton is left to the platform, which keeps a job's instances of one site apart.",
        f"Set {setting} to a storage account's connection string to have it kept here as well.",
    )


def _lease_name(environ: Mapping[str, str], worker: str) -> str:
    """Give a name that all instances of this worker share, and no other worker has."""
    site = environ.get("WEBSITE_SITE_NAME") or environ.get("RoleDeploymentID", "")
    slot = environ.get("WEBSITE_SLOT_NAME", "")
    job = environ.get("WEBJOBS_NAME", "")
    return "/".join(part for part in (site, slot, job, worker) if part)
