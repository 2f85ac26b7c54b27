"""The `appsvc` command: options in, one call to another package, text out, an exit code.

Prints and picks exit codes, as only the entry points do besides. Must not hold any rule of the
platform's. Tools that a web process never needs add their commands as entry points of the group
`appsvc.commands`, so that nothing here imports them.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..redaction import masking
from ..serving import launch, start
from ..settings import options
from ..settings.load import load_settings
from ..startup import plan as startup_plan
from ..system import process
from ..system.console import PythonVersion, echo, run_command
from . import settings_checks, settings_report

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["entry_point", "main"]

_SITE = click.argument("site", default=".", type=click.Path())
_ADDED = "appsvc.commands"


@functools.cache
def _added() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the commands that installed packages add, by name."""
    return {point.name: point for point in importlib.metadata.entry_points(group=_ADDED)}


class _Commands(click.Group):
    """This module's commands, and those that are added; these are loaded when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *_added()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None for a name that no command has."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in _added():
            return own
        command: click.Command = _added()[cmd_name].load()
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings read from the environment:\n\n"
    + "\n\n".join(f"{row.name}: {row.help}" for row in options.OPTIONS.values()),
)
@click.version_option(__version__, prog_name="appsvc")
def cli() -> None:
    """Run a Python web app right on every Azure App Service host, and see it before deploying."""


@cli.command()
@click.argument("app", required=False)
@click.option("--site", default=".", type=click.Path(), help="Folder of the app. [default: .]")
@click.option("--host", help="Address to listen on. [default: 0.0.0.0]")
@click.option("--port", metavar="PORT", help="Port to listen on. [default: PORT, else 8000]")
@start.SERVER
@start.THREADS
@start.GRACEFUL_TIMEOUT
def serve(
    app: str | None,
    site: str,
    host: str | None,
    port: str | None,
    server: str | None,
    threads: int | None,
    graceful_timeout: int | None,
) -> int:
    """Serve APP, set up for the Linux container; with gunicorn unless told otherwise.

    APP is module:attr, module:factory() or module; left out, it is what the platform would detect
    in the site's folder. gunicorn takes this process's place, so that a signal to it reaches
    gunicorn. Its own settings count as ever: GUNICORN_CMD_ARGS,
    PYTHON_USE_GUNICORN_CONFIG_FROM_PATH.
    """
    return start.serve(
        launch.Launch(
            app=app,
            site=launch.enter(site),
            host=host,
            port=port,
            server=server,
            default_server="gunicorn",
            default_host="0.0.0.0",
            port_sources=("PORT",),
            threads=threads,
            graceful_timeout=graceful_timeout,
            container=True,
        )
    )


@cli.command()
@_SITE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--show-secrets", is_flag=True, help="Show passwords, keys and the like.")
@click.option("--startup-command", metavar="CMD", help="The site's startup command, if any.")
@click.option(
    "--python-version", type=PythonVersion(), help="Of the container. [default: the project's]"
)
def explain(
    site: str,
    as_json: bool,
    show_secrets: bool,
    startup_command: str | None,
    python_version: tuple[int, int] | None,
) -> None:
    """Say what the Linux container would run for SITE, and why."""
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
    if not show_secrets:
        plan = _masked(plan)
    if as_json:
        # ASCII, so that a name that is no UTF-8 can be printed too.
        click.echo(json.dumps(dataclasses.asdict(plan), indent=2))
        return
    echo(f"Site:       {os.path.abspath(plan.site)} (Python {plan.python_version})")
    if python:
        echo(f"Python:     {python}")
    echo(f"Framework:  {plan.framework}")
    echo(f"App:        {plan.app or 'not known'}")
    echo(f"Command:    {plan.command}")
    echo(f"Because:    {plan.rule}.")
    for step in plan.looked_at:
        echo(f"Looked at:  {step}")
    for warning in plan.warnings:
        echo(f"Warning:    {warning}")


def _masked(plan: startup_plan.StartPlan) -> startup_plan.StartPlan:
    """Return a plan of which everything may be shown: users write commands and some settings."""
    mask = masking.mask_command
    return dataclasses.replace(
        plan,
        command=mask(plan.command),
        environment={name: mask(value) for name, value in plan.environment.items()},
        rule=mask(plan.rule),
        looked_at=tuple(map(mask, plan.looked_at)),
        warnings=tuple(map(mask, plan.warnings)),
    )


@cli.command("settings")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--show-secrets", is_flag=True, help="Show passwords, keys and the like.")
@click.option("--site", default=".", type=click.Path(), help="Folder of the app. [default: .]")
@click.option("--django", "for_django", is_flag=True, help="Show what appsvc_runtime.django gives.")
def show_settings(as_json: bool, show_secrets: bool, site: str, for_django: bool) -> None:
    """Show what the app would see: each setting, where it is from, and what is wrong."""
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
        told = {
            "host": loaded.host,
            "dotenv": str(loaded.dotenv_path or ""),
            "django" if for_django else "settings": list(map(dataclasses.asdict, made)),
            "findings": list(map(dataclasses.asdict, findings)),
        }
        # ASCII, so that a value that is no UTF-8 can be printed too.
        click.echo(json.dumps(told, indent=2, default=str))
        return
    for line in [*lines, *(f"{one.level.capitalize()}: {one}" for one in findings)]:
        echo(line)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the arguments `argv`, the process's own by default; give the exit code.

    0 is success, 1 an app that cannot be found, 2 an option, setting or folder that cannot be
    used; once `serve` has become gunicorn, its codes: 4 for an app that does not load. Messages of
    errors go to standard error.
    """
    return run_command(cli, argv, "appsvc")


def entry_point() -> None:
    """Be the `appsvc` command."""
    sys.exit(main())
