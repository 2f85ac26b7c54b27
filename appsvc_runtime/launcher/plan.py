"""What the launcher runs and how, all of it checked before anything is started.

Reads settings and looks at files. Must not start anything; `script` decides what a script must be.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..azure import names
from ..errors import ConfigError
from ..logs.stdout import STDOUT_NAMES
from .options import WORKER_OPTIONS, parse_duration
from .restarts import KUDU_PAUSE, Mode
from .script import check_module, check_script, find_interpreter
from .stop_request import SHUTDOWN_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..azure.job_settings import JobSettings
    from ..findings import Finding

__all__ = ["WorkerPlan", "make_worker_plan"]

_PREFIX = "APPSVC_WORKER_"
_STORE = "DiagnosticStore"
# Two tools find this file: the article names it, ps.cmd writes LaunchWorker.ps1.txt beside it.
_ROLE_LOG = os.path.join("LogFiles", "LaunchWorker.ps1.log")
_RESTART_TIME = "WEBJOBS_RESTART_TIME"
# Seconds that the platform gives a WebJob, and a container, to stop.
_STOPPING_WAIT = 5.0
# The platform ends the launcher together with the worker: it must be done before.
_MARGIN = 1.0
_JOB_FILE = "settings.job"
# Not all of `names.CONNECTION_PREFIXES`: an account for file shares may have no blobs.
_STORAGE_PREFIXES = ("", names.APP_SETTING_PREFIX, "CUSTOMCONNSTR_", "AZUREBLOBSTORAGE_")


@dataclass(frozen=True)
class WorkerPlan:
    """A worker that can be run: `argv` in the current folder; `name` is used in messages.

    Times are in seconds. `grace` is the worker's time to stop. `liveness`: after so long without a
    sign of life it counts as hung, by `heartbeat_file` or `health_url`, "" if not configured.
    `shutdown_file`: the file that tells a WebJob to stop, or "". `logs` are files in addition to
    standard output or, if `WSGI_LOG` names one, instead of it. `storage` is the connection string
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
    storage: str = field(repr=False)
    findings: tuple[Finding, ...]

    @property
    def watched(self) -> bool:
        """Whether the worker is ended if it shows no sign of life."""
        return bool(self.heartbeat_file or self.health_url)

    def __repr__(self) -> str:
        return f"WorkerPlan({self.name!r})"  # `storage` holds a key


def make_worker_plan(
    command: Sequence[str], environ: Mapping[str, str], *, module: bool, given: Mapping[str, Any]
) -> WorkerPlan:
    """Return how to run `command`, a script or (`module`) a module with its arguments.

    `given` are arguments by the names of their settings, None if not given. Raise ConfigError for
    an invalid setting, WorkerError for a worker that cannot be run.
    """

    def option(name: str) -> Any:
        value = given.get(name)
        try:
            return WORKER_OPTIONS[name].resolve(str(value) if value is not None else None, environ)
        except ConfigError as error:
            if value is None:
                raise
            switch = f"--{name.removeprefix(_PREFIX).lower().replace('_', '-')}"
            message = error.message.replace(f"argument for {name}", f"option {switch}")
            raise ConfigError(message, hint="Correct it, or leave it out.") from None

    python = find_interpreter(option("APPSVC_WORKER_PYTHON"))
    if module:
        check_module(command[0], own_version=python == sys.executable)
        argv = [python, "-m", *command]
        name = command[0]
    else:
        check_script(command[0], own_version=python == sys.executable)
        argv = [python, *command]
        name = os.path.basename(command[0])
    job, findings = _job_settings(environ)
    grace = option("APPSVC_WORKER_GRACE")
    if grace is None:
        known = job.stopping_wait_time if job else None
        given_time = _STOPPING_WAIT if known is None else known
        grace = max(given_time - _MARGIN, given_time / 2)
    singleton, storage, more = _singleton(option, environ, name, job)
    own_log = environ.get("WSGI_LOG", "").strip()
    if own_log in STDOUT_NAMES:
        own_log = ""
    store = environ.get(_STORE) or environ.get(_STORE.upper(), "")
    files = [own_log, os.path.join(store, _ROLE_LOG) if store else ""]
    return WorkerPlan(
        argv=tuple(argv),
        name=name,
        mode=option("APPSVC_WORKER_RESTART"),
        healthy_after=option("APPSVC_WORKER_HEALTHY_AFTER"),
        kudu=option("APPSVC_WORKER_KUDU_TIMING"),
        kudu_pause=_restart_time(environ),
        give_up_after=option("APPSVC_WORKER_GIVE_UP_AFTER"),
        grace=grace,
        heartbeat_file=_heartbeat_file(option("APPSVC_WORKER_HEARTBEAT_FILE")),
        health_url=_health_url(option("APPSVC_WORKER_HEALTH_URL")),
        liveness=option("APPSVC_WORKER_LIVENESS_TIMEOUT"),
        shutdown_file=environ.get(SHUTDOWN_FILE, ""),
        logs=tuple(dict.fromkeys(os.path.abspath(file) for file in files if file)),
        to_stdout=not own_log,
        singleton=singleton,
        lease=option("APPSVC_WORKER_SINGLETON_LEASE"),
        storage=storage,
        findings=(*findings, *more),
    )


def _singleton(
    option: Callable[[str], Any], environ: Mapping[str, str], worker: str, job: JobSettings | None
) -> tuple[str, str, tuple[Finding, ...]]:
    """Return the lease's name and its storage, both "" without a lease."""
    asked = option("APPSVC_WORKER_SINGLETON")
    if not asked and not (job and job.is_singleton):
        return "", "", ()
    setting = option("APPSVC_WORKER_SINGLETON_STORAGE")
    storage = _storage(environ, setting)
    if storage:
        name = option("APPSVC_WORKER_SINGLETON_NAME") or _lease_name(environ, worker)
        return name, storage, ()
    if asked:
        raise ConfigError(
            f"--singleton needs a storage account, but the setting {setting} is missing.",
            hint="Set it to the account's connection string, or name another setting with "
            "--singleton-storage.",
        )
    return "", "", (_left_to_the_platform(setting),)


def _job_settings(environ: Mapping[str, str]) -> tuple[JobSettings | None, tuple[Finding, ...]]:
    """Read the WebJob's settings.job, which is beside its script or in WEBJOBS_PATH."""
    if not environ.get("WEBJOBS_NAME"):
        return None, ()
    from ..azure import job_settings  # needed by WebJobs only
    from ..system.plain_file import read_plain

    path = environ.get("WEBJOBS_PATH", "")
    for folder in (os.curdir, path, os.path.dirname(path)):
        file = os.path.join(folder, _JOB_FILE)
        try:
            return job_settings.read_job_settings(read_plain(file), _JOB_FILE)
        except OSError:
            continue
    return None, ()


def _restart_time(environ: Mapping[str, str]) -> float:
    try:
        return parse_duration(environ.get(_RESTART_TIME, ""))
    except ValueError:
        return KUDU_PAUSE  # as the platform does


def _heartbeat_file(file: str) -> str:
    if not file:
        return ""
    path = os.path.abspath(file)
    if os.path.isdir(path):
        raise ConfigError(
            f"The heartbeat file {file!r} is a folder.",
            hint="Name a file in it with --heartbeat-file.",
        )
    if not os.path.isdir(os.path.dirname(path)):
        raise ConfigError(
            f"The heartbeat file {file!r} cannot be made: its folder does not exist.",
            hint="Make it, or name another file with --heartbeat-file.",
        )
    return path


def _health_url(url: str) -> str:
    if not url:
        return ""
    from urllib.parse import urlsplit  # needed here only

    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # an invalid port, brackets without an address
        usable = False
    if not usable:  # not shown: it may contain a password
        raise ConfigError(
            "--health-url is not an http or https URL.",
            hint="Write it as http://127.0.0.1:8081/health.",
        )
    return url


def _storage(environ: Mapping[str, str], name: str) -> str:
    """Return a connection string from an app setting, or from the portal's connection strings."""
    for prefix in _STORAGE_PREFIXES:
        text = environ.get(prefix + name) or environ.get((prefix + name).upper(), "")
        if text.strip():
            return text.strip()
    return ""


def _left_to_the_platform(setting: str) -> Finding:
    from ..findings import Finding

    return Finding(
        "singleton",
        "warning",
        _JOB_FILE,
        "is_singleton is left to the platform, which keeps a job's instances of one site apart.",
        f"Set {setting} to a storage account's connection string to apply it here as well.",
    )


def _lease_name(environ: Mapping[str, str], worker: str) -> str:
    """Return a name that all instances of this worker share, and no other worker has."""
    site = environ.get("WEBSITE_SITE_NAME") or environ.get("RoleDeploymentID", "")
    slot = environ.get("WEBSITE_SLOT_NAME", "")
    job = environ.get("WEBJOBS_NAME", "")
    return "/".join(part for part in (site, slot, job, worker) if part)
