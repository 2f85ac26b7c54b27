"""The `appsvc` command: options in, one call to another package, text out, an exit code.

Prints and chooses exit codes, as the other entry points do. Must not hold any of the platform's
rules. Tools that a web process never needs add their commands as entry points of the group
`appsvc.commands`, so that this module does not import them (`commands.py`).
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..redaction import masking
from ..serving import arguments, launch, start
from ..settings.load import load_settings
from ..startup import fixed_paths
from ..startup import plan as startup_plan
from ..system import process
from ..system.console import PythonVersion, echo, run_command
from . import options_report, settings_checks, settings_report
from .commands import Commands

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["entry_point", "main"]

_SITE = click.argument("site", default=".", type=click.Path())


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="The settings that are read from the environment: appsvc settings --options",
)
@click.version_option(__version__, prog_name="appsvc")
def cli() -> None:
    """Run a Python web app right on every Azure App Service host, and try it before deploying."""


@cli.command()
@click.argument("app", required=False)
@click.option("--site", default=".", type=click.Path(), help="Folder of the app. [default: .]")
@click.option("--host", help="Address to listen on. [default: 0.0.0.0]")
@click.option("--port", metavar="PORT", help="Port to listen on. [default: PORT, or 8000]")
@arguments.add_server_options("gunicorn")
def serve(app: str | None, site: str, host: str | None, port: str | None, **given: Any) -> int:
    """Serve APP as the Linux container needs it, with gunicorn or the server you choose.

    APP is module:attr, module:factory() or module. Without it, the app is detected in the site's
    folder, as on the platform. gunicorn replaces this process, so that signals reach it. Its own
    settings still count: GUNICORN_CMD_ARGS, PYTHON_USE_GUNICORN_CONFIG_FROM_PATH.

    As the container's startup command: exec appsvc serve
    """
    return start.serve(
        launch.Launch(
            app=app,
            site=site,
            host=host,
            port=port,
            default_server="gunicorn",
            default_host="0.0.0.0",
            port_sources=("PORT",),
            container=True,
            **given,
        )
    )


@cli.command()
@_SITE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--show-secrets", is_flag=True, help="Show passwords, keys and the like.")
@click.option("--startup-command", metavar="CMD", help="The site's startup command, if any.")
@click.option(
    "--python-version", type=PythonVersion(), help="The container's. [default: the project's]"
)
def explain(
    site: str,
    as_json: bool,
    show_secrets: bool,
    startup_command: str | None,
    python_version: tuple[int, int] | None,
) -> None:
    """Show what the Linux container would run for SITE, and why."""
    python = ""
    if python_version is None:
        from ..emulator.processes.project_python import read_version

        python_version, python = read_version(Path(os.path.abspath(site)), os.environ)
    plan = startup_plan.make_plan(
        site,
        os.environ,
        startup_command=startup_command,
        python_version=python_version,
        cores=process.cpu_count(),
    )
    plan = _with_causes(plan, startup_command or "")
    paths = fixed_paths.find_in_text("The startup command", startup_command or "")
    told = fixed_paths.describe([*paths, *fixed_paths.find_paths(Path(site))])
    plan = dataclasses.replace(plan, warnings=(*plan.warnings, *told))
    if not show_secrets:
        plan = _masked(plan)
    if as_json:
        # ASCII, so that a name that is not UTF-8 can be printed too.
        click.echo(json.dumps(dataclasses.asdict(plan), indent=2))
        return
    echo(f"Site:       {os.path.abspath(plan.site)} (Python {plan.python_version})")
    if python:
        echo(f"Python:     {python}")
    echo(f"Framework:  {plan.framework}")
    echo(f"App:        {plan.app or 'not known'}")
    echo(f"Command:    {plan.command}")
    echo(f"Because:    {plan.rule}.")
    for note in plan.notes:
        echo(f"Means:      {note}")
    for step in plan.looked_at:
        echo(f"Looked at:  {step}")
    for warning in plan.warnings:
        echo(f"Warning:    {warning}")


def _with_causes(plan: startup_plan.StartPlan, startup_command: str) -> startup_plan.StartPlan:
    """Return a plan with warnings for what lies in the site and keeps it from starting."""
    from ..emulator.linux.diagnosis.site import Site, describe, find_causes

    causes = find_causes(Site(Path(plan.site), startup_command, plan, os.environ))
    return dataclasses.replace(plan, warnings=tuple(describe(plan, causes)))


def _masked(plan: startup_plan.StartPlan) -> startup_plan.StartPlan:
    """Return a plan with its secrets masked: users write commands and some of the settings."""
    mask = masking.mask_command
    return dataclasses.replace(
        plan,
        command=mask(plan.command),
        environment={name: mask(value) for name, value in plan.environment.items()},
        rule=mask(plan.rule),
        looked_at=tuple(map(mask, plan.looked_at)),
        warnings=tuple(map(mask, plan.warnings)),
        notes=tuple(map(mask, plan.notes)),
    )


@cli.command("settings")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--show-secrets", is_flag=True, help="Show passwords, keys and the like.")
@click.option("--site", default=".", type=click.Path(), help="Folder of the app. [default: .]")
@click.option(
    "--django", "for_django", is_flag=True, help="Show the settings from appsvc_runtime.django."
)
@click.option(
    "--options", "for_options", is_flag=True, help="Show this package's own settings, and stop."
)
def show_settings(
    as_json: bool, show_secrets: bool, site: str, for_django: bool, for_options: bool
) -> None:
    """Show each setting that the app would get, its origin, and problems.

    With --options, show this package's own settings instead (the APPSVC_* variables), and what each
    does.
    """
    if for_options:
        _show_options(as_json=as_json)
        return
    loaded = load_settings(folder=launch.enter(site))
    made: list[Any]
    if for_django:
        made = settings_report.django_choices(loaded, show_secrets=show_secrets)
        lines = settings_report.make_django_table(loaded, made)
    else:
        made = settings_report.make_rows(loaded, show_secrets=show_secrets)
        lines = settings_report.make_table(loaded, made)
    findings = settings_checks.find_problems(loaded)
    if as_json:
        shown = {
            "host": loaded.host,
            "dotenv": str(loaded.dotenv_path or ""),
            "django" if for_django else "settings": list(map(dataclasses.asdict, made)),
            "findings": list(map(dataclasses.asdict, findings)),
        }
        # ASCII, so that a value that is not UTF-8 can be printed too.
        click.echo(json.dumps(shown, indent=2, default=str))
        return
    for line in [*lines, *(f"{one.level.capitalize()}: {one}" for one in findings)]:
        echo(line)


def _show_options(*, as_json: bool) -> None:
    rows = options_report.make_rows()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        return
    for line in options_report.make_list(rows, shutil.get_terminal_size().columns):
        echo(line)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the arguments `argv`, by default this process's; return the exit code.

    0 is success, 1 an app that cannot be found, 2 an option, setting or folder that cannot be used.
    After `serve` has become gunicorn, its codes apply: 4 for an app that does not load. Error
    messages go to standard error.
    """
    return run_command(cli, argv, "appsvc")


def entry_point() -> None:
    """Run the `appsvc` command, and end this process with its exit code."""
    sys.exit(main())
