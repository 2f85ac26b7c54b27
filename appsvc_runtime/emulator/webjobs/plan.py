"""Which WebJobs of a site to emulate, and with which variables.

Looks at files and makes the folders that Kudu makes; starts nothing. Must not know of processes.
Sources: Kudu.Core/Jobs (JobsManagerBase.cs, BaseJobRunner.cs); AD, webjobs-create.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ConfigError
from ...findings import Finding
from ...system import capabilities, folders
from ...system.plain_file import read_plain
from ..processes import environment, requirement, run_folder, surroundings
from ..processes.interpreter import app_environ
from ..processes.project_python import ProjectPython, choose_python
from .bare_python import bare_environ
from .files import Hosting, Job, find_jobs, guess_hosting, program_for
from .schedule import Schedule, read_schedule
from .shell_script import find_problems

__all__ = ["JobPlan", "JobsPlan", "WebJobOptions", "make_webjob_plan"]

# An app setting that Kudu reads: how many seconds it waits after a run.
RESTART_TIME = "WEBJOBS_RESTART_TIME"
DEFAULT_RESTART_SECONDS = 60.0
_BARE = "python"


@dataclass(frozen=True)
class WebJobOptions:
    """A user's options; all but the folder have a default. `trigger`: the job to run once.

    `hosting`: what the site runs on there; by default its files tell.
    """

    folder: Path
    python: str = ""
    settings: Sequence[tuple[str, str]] = field(default=(), repr=False)
    trigger: str = ""
    hosting: Hosting | None = None


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

    `temp` is this emulator's own folder. `bare` is where the bare Python of a Linux site is to be
    made, `python` then the path that it will have. `notes` are lines about what is emulated.
    """

    site: Path
    home: Path
    python: str
    jobs: tuple[JobPlan, ...]
    restart: float
    temp: Path
    findings: tuple[Finding, ...]
    chosen: ProjectPython
    hosting: Hosting
    bare: Path | None
    notes: tuple[str, ...]
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
    hosting, why = guess_hosting(site)
    if options.hosting is not None:
        hosting, why = options.hosting, "as --job-os has it"
    found, findings = find_jobs(site, hosting)
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
    jobs = _plan_jobs(wanted, chosen, hosting, home, temp, told)
    if options.trigger and not jobs:
        *others, last = [one for one in told if one.level == "error"] or told[-1:]
        why = " ".join([*map(str, others), last.message])
        raise ConfigError(f"The job {options.trigger} cannot be run: {why}", hint=last.hint)
    bare = temp / _BARE if hosting == "linux" else None
    return JobsPlan(
        site=site,
        home=home,
        python=str(folders.python_in(bare)) if bare else chosen.path,
        jobs=tuple(jobs),
        restart=_restart(settings),
        temp=temp,
        findings=tuple(told),
        chosen=chosen,
        hosting=hosting,
        bare=bare,
        notes=tuple(_notes(hosting, why, jobs)),
        environ=environment.make_environ(
            bare_environ(environ, chosen.interpreter, bare)
            if bare
            else app_environ(environ, chosen.interpreter),
            site_name=name,
            public_name=default or public,
            home=home,
            app_settings=options.settings,
        ),
    )


def _notes(hosting: Hosting, why: str, jobs: Sequence[JobPlan]) -> Iterator[str]:
    """Yield lines about the emulated system, and about what is not known of it."""
    yield f"WebJobs of a {hosting.capitalize()} site: {why}."
    names = sorted({job.script.name for job in jobs if job.script.suffix == ".py"})
    if hosting == "linux" and names:
        yield (
            f"{', '.join(names)}: run by the bare interpreter, without the packages of antenv. "
            "Whether the platform's finds them is documented nowhere; a run.sh can activate them."
        )


def _plan_jobs(
    wanted: Sequence[Job],
    chosen: ProjectPython,
    hosting: Hosting,
    home: Path,
    temp: Path,
    told: list[Finding],
) -> list[JobPlan]:
    """Return the jobs that run on this machine; add findings about all of them to `told`."""
    continuous = {job.name for job in wanted if job.kind == "continuous"}
    twice = {job.name for job in wanted if job.kind == "triggered" and job.name in continuous}
    jobs: list[JobPlan] = []
    for job in wanted:
        if job.script is None:
            continue
        if not _runs_here(job.script, chosen.path, hosting):
            told.append(_not_here(job, job.script))
            continue
        if hosting == "linux" and job.script.suffix == ".sh":
            problems = _problems(job, job.script)
            told += problems
            if problems:
                continue
        told += _lacking(job, job.script, chosen, hosting)
        schedule, more = _schedule(job)
        told += more
        part = Path("jobs") / job.kind / job.name
        label = f"{job.kind}/{job.name}" if job.name in twice else job.name
        jobs.append(JobPlan(job, label, job.script, home / "data" / part, temp / part, schedule))
    return jobs


def _runs_here(script: Path, python: str, hosting: Hosting) -> bool:
    suffix, windows = script.suffix.lower(), capabilities.runs_batch_files()
    return program_for(suffix, python, windows=windows, hosting=hosting) is not None


def _problems(job: Job, script: Path) -> list[Finding]:
    """Return a finding for each reason why Linux would not run a script."""
    where = f"{job.kind}/{job.name}"
    try:
        found = find_problems(script)
    except OSError as error:
        found = [(f"{script.name} cannot be read: {error.strerror}.", "")]
    return [Finding("script", "error", where, message, hint) for message, hint in found]


def _schedule(job: Job) -> tuple[Schedule | None, Sequence[Finding]]:
    where = f"{job.kind}/{job.name}/settings.job"
    if not job.settings.schedule:
        return None, ()
    if job.kind == "continuous":
        message = "A continuous job has no use for a schedule: it runs all the time."
        hint = "Move its folder to App_Data/jobs/triggered."
        return None, (Finding("schedule", "warning", where, message, hint),)
    return read_schedule(job.settings.schedule, where)


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


def _lacking(job: Job, script: Path, python: ProjectPython, hosting: Hosting) -> list[Finding]:
    """Return a finding for a script that needs this package, if its Python does not have it."""
    try:
        text = read_plain(script).decode("utf-8", "replace") if script.suffix == ".py" else ""
    except OSError:
        return []  # the run reports why
    what, where = requirement.runtime_in([script.name], text), f"{job.kind}/{job.name}"
    if what and hosting == "linux":
        message = f"{script.name} needs appsvc-runtime, which the bare interpreter does not have."
        hint = "Start it from a run.sh that activates an environment which has it."
        return [Finding("no-runtime", "warning", where, message, hint)]
    try:
        requirement.need_runtime(python.interpreter, script.name, what, script.parent, {})
    except ConfigError as error:
        return [Finding("no-runtime", "warning", where, error.message, error.hint)]
    return []


def _restart(settings: Mapping[str, str]) -> float:
    text = settings.get(RESTART_TIME, "").strip()
    return float(text) if text.isascii() and text.isdigit() else DEFAULT_RESTART_SECONDS
