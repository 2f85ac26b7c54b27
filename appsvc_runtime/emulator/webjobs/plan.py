"""Which WebJobs of a site to emulate, and with which variables.

Looks at files and makes the folders that Kudu makes; starts nothing. Must not know of processes.
Sources: Kudu.Core/Jobs (JobsManagerBase.cs, BaseJobRunner.cs); AD, webjobs-create.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ConfigError
from ...findings import Finding
from ...system import capabilities
from ..processes import environment, requirement, run_folder, surroundings
from ..processes.interpreter import app_environ
from ..processes.project_python import ProjectPython, choose_python
from .files import Job, find_jobs, program_for
from .schedule import Schedule, read_schedule

__all__ = ["JobPlan", "JobsPlan", "WebJobOptions", "make_webjob_plan"]

# An app setting that Kudu reads: how many seconds it waits after a run.
RESTART_TIME = "WEBJOBS_RESTART_TIME"
DEFAULT_RESTART_SECONDS = 60.0


@dataclass(frozen=True)
class WebJobOptions:
    """A user's options; all but the folder have a default. `trigger`: the job to run once."""

    folder: Path
    python: str = ""
    settings: Sequence[tuple[str, str]] = field(default=(), repr=False)
    trigger: str = ""


@dataclass(frozen=True)
class JobPlan:
    """One job that can be run: `data` is its folder in the site's home, `temp` that of copies.

    `label` is its name in the log.
    """

    job: Job
    label: str
    script: Path
    data: Path
    temp: Path
    schedule: Schedule | None


@dataclass(frozen=True)
class JobsPlan:
    """All jobs of a site that run. `home` is the site's home folder; `restart` is in seconds.

    `temp` is this emulator's own folder.
    """

    site: Path
    home: Path
    python: str
    jobs: tuple[JobPlan, ...]
    restart: float
    temp: Path
    findings: tuple[Finding, ...]
    chosen: ProjectPython
    environ: Mapping[str, str] = field(repr=False)


def make_webjob_plan(options: WebJobOptions, environ: Mapping[str, str]) -> JobsPlan:
    """Check a site and return which of its jobs run; `environ` holds this process's own variables.

    Raise ConfigError if there are no jobs, or the job to trigger is missing.
    """
    site = Path(os.path.abspath(options.folder))
    if not site.is_dir():
        what = "is a file, not the site's folder" if site.exists() else "does not exist"
        raise ConfigError(
            f"The site folder {str(site)!r} {what}.", hint="Name the folder with App_Data in it."
        )
    chosen = choose_python(site, options.python, environ)
    found, findings = find_jobs(site)
    if not found:
        raise ConfigError(
            f"There is no WebJob in {site / 'App_Data' / 'jobs'}.",
            hint="Put jobs into App_Data/jobs/continuous/NAME or App_Data/jobs/triggered/NAME.",
        )
    wanted = _choose(found, options.trigger)
    told = [*findings, *(finding for job in wanted for finding in job.findings)]
    settings = dict(options.settings)
    name, default, public = surroundings.names(site, settings, "")
    home = surroundings.make_home(site, None)
    temp = run_folder.run_folder(home / "temp")
    jobs = _plan_jobs(wanted, chosen, home, temp, told)
    if options.trigger and not jobs:
        why = told[-1]
        raise ConfigError(f"The job {options.trigger} cannot be run: {why.message}", hint=why.hint)
    return JobsPlan(
        site=site,
        home=home,
        python=chosen.path,
        jobs=tuple(jobs),
        restart=_restart(settings),
        temp=temp,
        findings=tuple(told),
        chosen=chosen,
        environ=environment.make_environ(
            app_environ(environ, chosen.interpreter),
            site_name=name,
            public_name=default or public,
            home=home,
            app_settings=options.settings,
        ),
    )


def _plan_jobs(
    wanted: Sequence[Job], chosen: ProjectPython, home: Path, temp: Path, told: list[Finding]
) -> list[JobPlan]:
    """Return the jobs that run on this machine; add findings about all of them to `told`."""
    continuous = {job.name for job in wanted if job.kind == "continuous"}
    twice = {job.name for job in wanted if job.kind == "triggered" and job.name in continuous}
    jobs: list[JobPlan] = []
    for job in wanted:
        if job.script is None:
            continue
        if not _runs_here(job.script, chosen.path):
            told.append(_not_here(job, job.script))
            continue
        told += _lacking(job, job.script, chosen)
        schedule, more = _schedule(job)
        told += more
        part = Path("jobs") / job.kind / job.name
        label = f"{job.kind}/{job.name}" if job.name in twice else job.name
        jobs.append(JobPlan(job, label, job.script, home / "data" / part, temp / part, schedule))
    return jobs


def _runs_here(script: Path, python: str) -> bool:
    suffix, windows = script.suffix.lower(), capabilities.runs_batch_files()
    return program_for(suffix, python, windows=windows) is not None


def _schedule(job: Job) -> tuple[Schedule | None, Sequence[Finding]]:
    if not job.settings.schedule or job.kind != "triggered":
        return None, ()
    return read_schedule(job.settings.schedule, f"{job.kind}/{job.name}/settings.job")


def _choose(found: Sequence[Job], trigger: str) -> list[Job]:
    """Return the wanted jobs: all, or the one to trigger."""
    if not trigger:
        return list(found)
    triggered = [job for job in found if job.kind == "triggered"]
    chosen = [job for job in triggered if job.name.lower() == trigger.lower()]
    if not chosen:
        raise _not_triggered(found, trigger)
    return chosen


def _not_triggered(found: Sequence[Job], trigger: str) -> ConfigError:
    if trigger.lower() in {job.name.lower() for job in found}:
        return ConfigError(
            f"The job {trigger} is continuous, so it cannot be triggered.",
            hint="Leave out --trigger to run it.",
        )
    known = ", ".join(job.name for job in found if job.kind == "triggered")
    return ConfigError(
        f"There is no triggered job {trigger!r}.",
        hint=f"There is: {known}." if known else "App_Data/jobs/triggered has no job.",
    )


def _not_here(job: Job, script: Path) -> Finding:
    return Finding(
        "not-here",
        "warning",
        f"{job.kind}/{job.name}",
        f"{script.name}, which Kudu runs, cannot be run on this machine: the job is ignored.",
        "On the platform it runs. To run the job everywhere, replace the file with a run.py.",
    )


def _lacking(job: Job, script: Path, python: ProjectPython) -> list[Finding]:
    """Return a finding for a script that needs this package, if its Python does not have it."""
    try:
        text = script.read_text("utf-8", "replace") if script.suffix.lower() == ".py" else ""
    except OSError:
        return []  # the run reports why
    try:
        what = requirement.runtime_in([script.name], text)
        requirement.need_runtime(python.interpreter, script.name, what, script.parent, {})
    except ConfigError as error:
        where = f"{job.kind}/{job.name}"
        return [Finding("no-runtime", "warning", where, error.message, error.hint)]
    return []


def _restart(settings: Mapping[str, str]) -> float:
    text = settings.get(RESTART_TIME, "").strip()
    return float(text) if text.isascii() and text.isdigit() else DEFAULT_RESTART_SECONDS
