"""From the options of `appsvc emulate` to what runs: a host behind the front end, roles, jobs.

Must not contain any rule of the platform.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..system.console import echo, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..findings import Finding
    from .http.backend import Host
    from .processes.project_python import ProjectPython

__all__ = ["make_iis_host", "make_linux_host", "run_webjob", "run_worker"]


def run_worker(folder: Path, options: dict[str, Any]) -> int:
    """Run the worker roles of a Cloud Service until they are stopped; return the exit code."""
    from .processes import background, environment
    from .roles import host
    from .roles import plan as roles_plan

    made = roles_plan.make_role_plan(
        roles_plan.RoleOptions(
            folder=folder,
            python=options["python"],
            settings=[environment.parse_setting(text) for text in options["settings"]],
            instances=options["instances"],
        ),
        os.environ,
    )
    _tell(made.python, made.findings)
    return background.run_background(host.RoleHost(made, say, echo))


def run_webjob(folder: Path, options: dict[str, Any]) -> int:
    """Run WebJobs until they are stopped, or one triggered job once; return the exit code."""
    from .processes import background, environment
    from .webjobs import host as webjobs_host
    from .webjobs import plan as webjobs_plan

    trigger = options["trigger"]
    if trigger is not None and not trigger.strip():
        raise ConfigError("--trigger names no job.", hint="Write it as --trigger NAME.")
    wanted = webjobs_plan.WebJobOptions(
        folder=folder,
        python=options["python"],
        settings=[environment.parse_setting(text) for text in options["settings"]],
        trigger=trigger or "",
        hosting=options["job_os"],
    )

    made = webjobs_plan.make_webjob_plan(wanted, os.environ)
    wanted = replace(wanted, hosting=made.hosting)  # until the end, whatever files come

    def plan() -> webjobs_plan.JobsPlan:
        return webjobs_plan.make_webjob_plan(wanted, os.environ)

    _tell(made.chosen, made.findings)
    for line in made.notes:
        echo(line)
    jobs = webjobs_host.WebJobs(made, say, echo, once=trigger is not None, replan=plan)
    return background.run_background(jobs)


def make_iis_host(folder: Path, options: dict[str, Any]) -> Host:
    """Return IIS with the site of a folder; raise ConfigError if it cannot be run."""
    from .iis import applications, plan, windows_paths
    from .iis import host as iis_host
    from .processes import environment

    made = plan.make_plan(
        plan.Options(
            folder=folder,
            kind=options["kind"],
            config=Path(options["config"]) if options["config"] else None,
            python=options["python"],
            app_settings=[environment.parse_setting(text) for text in options["settings"]],
            maps=[windows_paths.parse_map(text) for text in options["maps"]],
            public_name=options["public_name"],
            httpplatform_version=options["httpplatform_version"],
            applications=[applications.parse_application(text) for text in options["applications"]],
        ),
        os.environ,
    )
    _tell(made.python, made.findings)
    for other in made.others:
        if other.python != made.python:
            echo(f"{other.application.path}: {other.python.lines[0]}")
    return iis_host.IisHost(made, say)


def make_linux_host(folder: Path, options: dict[str, Any]) -> Host:
    """Return the Linux container of a site; raise ConfigError if it cannot be run."""
    from .linux import host as linux_host
    from .linux import plan as linux_plan
    from .processes import environment

    made = linux_plan.make_linux_plan(
        linux_plan.LinuxOptions(
            folder=folder,
            startup_command=options["startup_command"].strip(),
            python=options["python"],
            python_version=options["python_version"],
            app_settings=[environment.parse_setting(text) for text in options["settings"]],
            home=linux_plan.parse_home(options["maps"]),
            public_name=options["public_name"],
            build=options["build"],
            clean=options["clean"],
            instances=options["instances"] or 1,
            affinity=options["affinity"],
            health_path=options["health_check"],
            health_interval=options["health_check_interval"],
        ),
        os.environ,
    )
    _tell(made.chosen)
    return linux_host.LinuxHost(made, os.environ, say)


def _tell(python: ProjectPython, findings: Iterable[Finding] = ()) -> None:
    """Print which Python was chosen and why, and the findings about the site."""
    for line in python.lines:
        echo(line)
    for finding in findings:
        echo(f"{finding.level.capitalize()}: {finding.where}: {finding}")
