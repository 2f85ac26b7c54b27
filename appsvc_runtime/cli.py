"""The `appsvc` command: options in, one call to a room, text out, an exit code.

The only room that prints and picks exit codes, beside the doors. Must not hold any rule of the
platform's.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import sys
from typing import TYPE_CHECKING

import click

from . import (
    __version__,
    apps,
    facts,
    options,
    ports,
    process,
    servers,
    settingsfindings,
    settingsreport,
    startup,
)
from .cli_build import build
from .cli_emulate import emulate
from .console import PythonVersion, echo, run_command
from .errors import ConfigError
from .middleware import AppServiceMiddleware
from .settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["entry_point", "main"]

_SITE = click.argument("site", default=".", type=click.Path())


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings read from the environment:\n\n"
    + "\n\n".join(f"{row.name}: {row.help}" for row in options.OPTIONS.values()),
)
@click.version_option(__version__, prog_name="appsvc")
def cli() -> None:
    """Run a Python web app right on every Azure App Service host, and see it before deploying."""


cli.add_command(build)
cli.add_command(emulate)


@cli.command()
@click.argument("app", required=False)
@click.option("--site", default=".", type=click.Path(), help="Folder of the app. [default: .]")
@click.option("--host", help="Address to listen on. [default: 0.0.0.0]")
@click.option("--port", metavar="PORT", help="Port to listen on. [default: PORT, else 8000]")
def serve(app: str | None, site: str, host: str | None, port: str | None) -> int:
    """Serve APP with gunicorn, set up for the Linux container.

    APP is module:attr, module:factory() or module; left out, it is what the platform would detect
    in the site's folder. gunicorn takes this process's place, so that a signal to it reaches
    gunicorn. Its own settings count as ever: GUNICORN_CMD_ARGS,
    PYTHON_USE_GUNICORN_CONFIG_FROM_PATH.
    """
    if importlib.util.find_spec("gunicorn") is None or process.WINDOWS:
        raise ConfigError(
            "gunicorn, which `appsvc serve` starts, is not here (it does not run on Windows).",
            hint="Serve with `python -m appsvc_runtime.runserver`, or `pip install gunicorn`.",
        )
    folder = _enter(site)
    arguments = ["-c", "python:appsvc_runtime.gunicorn_conf"]
    number = ports.choose_port(port, os.environ, ["PORT"])
    # What gunicorn and its workers will read; here a mistake is said before anything is started.
    servers.gunicorn_settings(os.environ)
    AppServiceMiddleware(lambda *_: [])
    from . import gunicorn_user  # gunicorn, which not every machine has

    own_config, _ = gunicorn_user.config_location(os.environ)
    if not own_config and os.path.isfile("gunicorn.conf.py"):
        # gunicorn reads this one by itself where it is given no other, as it is here.
        own_config = os.environ[facts.GUNICORN_CONFIG_PATH] = "gunicorn.conf.py"
    named = host is not None or port is not None
    address = host or "0.0.0.0"
    if number and (named or not (own_config or gunicorn_user.binds())):
        # gunicorn tries a port in use for five seconds before it says so.
        process.bind(address, number).close()
    if named:
        arguments += ["--bind", ports.with_port(address, number)]
    choice = apps.choose_app(folder, os.environ, app)
    os.environ["APPSVC_APP"] = choice.name
    click.echo(f"Serving {choice.name} ({choice.reason}) from {folder} with gunicorn.")
    return process.replace_process(
        [sys.executable, "-m", "gunicorn", *arguments, "appsvc_runtime.wsgi:application"]
    )


@cli.command()
@_SITE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--startup-command", metavar="CMD", help="The site's startup command, if any.")
@click.option("--python-version", type=PythonVersion(), help="Of the container. [default: this]")
def explain(
    site: str, as_json: bool, startup_command: str | None, python_version: tuple[int, int] | None
) -> None:
    """Say what the Linux container would run for SITE, and why."""
    plan = startup.make_plan(
        site,
        os.environ,
        startup_command=startup_command,
        python_version=python_version,
        cores=process.cpu_count(),
    )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(plan), indent=2, ensure_ascii=False))
        return
    click.echo(f"Site:       {os.path.abspath(plan.site)} (Python {plan.python_version})")
    click.echo(f"Framework:  {plan.framework}")
    click.echo(f"App:        {plan.app or 'not known'}")
    click.echo(f"Command:    {plan.command}")
    click.echo(f"Because:    {plan.rule}.")
    for step in plan.looked_at:
        click.echo(f"Looked at:  {step}")
    for warning in plan.warnings:
        click.echo(f"Warning:    {warning}")


@cli.command("settings")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--show-secrets", is_flag=True, help="Show passwords, keys and the like.")
@click.option("--site", default=".", type=click.Path(), help="Folder of the app. [default: .]")
@click.option("--django", "for_django", is_flag=True, help="Show what appsvc_runtime.django gives.")
def show_settings(as_json: bool, show_secrets: bool, site: str, for_django: bool) -> None:
    """Show what the app would see: each setting, where it is from, and what is wrong."""
    loaded = load_settings(folder=_enter(site))
    rows = choices = None
    if for_django:
        choices = settingsreport.django_choices(loaded, show_secrets=show_secrets)
        lines = settingsreport.make_django_table(loaded, choices)
    else:
        rows = settingsreport.make_rows(loaded, show_secrets=show_secrets)
        lines = settingsreport.make_table(loaded, rows)
    findings = settingsfindings.find_problems(loaded)
    if as_json:
        told = {
            "host": loaded.host,
            "dotenv": str(loaded.dotenv_path or ""),
            "django" if for_django else "settings": [
                dataclasses.asdict(row) for row in choices or rows or []
            ],
            "findings": [dataclasses.asdict(finding) for finding in findings],
        }
        # ASCII, so that a value that is no UTF-8 can be printed too.
        click.echo(json.dumps(told, indent=2, default=str))
        return
    for line in lines:
        echo(line)
    for finding in findings:
        echo(f"{finding.level.capitalize()}: {finding}")


def _enter(site: str) -> str:
    """Make the app's folder the current one, and give its full path."""
    try:
        os.chdir(site)
    except OSError as error:
        raise ConfigError(
            f"The site folder {site!r} cannot be entered: {error.strerror}.",
            hint="Name the folder that holds your app.",
        ) from None
    return os.getcwd()


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
