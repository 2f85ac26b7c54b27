"""The command `appsvc doctor`: options in, a report out."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import click

from ..errors import ConfigError
from ..system.console import PythonVersion, echo
from .check import HOSTS, SEVERITIES
from .formats import machine, text
from .given import read_settings
from .logs.read import read_log
from .report import Report
from .selection import Selection, read_baseline, read_selection, without_known, write_baseline
from .site import Site
from .table import all_checks, find_check, run_checks
from .trial import TrialOptions

__all__ = ["command"]

# Of a longer log, the beginning: the first error is the cause of the others.
_MAX_BYTES = 50_000_000
_PROFILES = (*(host for host in HOSTS if host != "any"), "full")


@click.command("doctor")
@click.argument("site", default=".", type=click.Path())
@click.option("--profile", type=click.Choice(_PROFILES), multiple=True,
              help="Host to check for. [default: what the files are for]")  # fmt: skip
@click.option(
    "--settings",
    "settings_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Output of `az webapp config appsettings list`, or NAME=value lines.",
)
@click.option("--startup-command", metavar="CMD", help="The site's startup command, '' for none.")
@click.option("--python-version", type=PythonVersion(), help="The platform's Python.")
@click.option("--run/--no-run", "runs", default=True,
              help="Linux: build and run the site once in the emulator.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="An app setting for that run.")  # fmt: skip
@click.option("--health-check", default="", metavar="PATH", help="The site's health path.")
@click.option("--select", multiple=True, metavar="ID", help="Check this only: DB-04, or DB.")
@click.option("--ignore", multiple=True, metavar="ID", help="Leave this out.")
@click.option("--fail-on", type=click.Choice((*SEVERITIES, "never")),
              help="Lowest level for exit code 1. [default: error]")  # fmt: skip
@click.option("--baseline", metavar="FILE", type=click.Path(path_type=Path),
              help="Leave out the findings in FILE.")  # fmt: skip
@click.option("--write-baseline", "new_baseline", metavar="FILE", type=click.Path(path_type=Path),
              help="Write all findings to FILE, and stop.")  # fmt: skip
@click.option("--format", "form", default="text", show_default=True,
              type=click.Choice(("text", "json", "sarif", "junit", "github")))  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Show each check.")
@click.option("--log", metavar="FILE|-",
              help="Explain a log: of the stream, the container, a build, IIS.")  # fmt: skip
@click.option("--explain", "explained", metavar="ID", help="Explain a check, and stop.")
@click.option("--list", "lists", is_flag=True, help="List all checks, and stop.")
def command(
    site: str,
    profile: tuple[str, ...],
    settings_file: Path | None,
    startup_command: str | None,
    python_version: tuple[int, int] | None,
    runs: bool,
    settings: tuple[str, ...],
    health_check: str,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str | None,
    baseline: Path | None,
    new_baseline: Path | None,
    form: str,
    verbose: bool,
    log: str | None,
    explained: str | None,
    lists: bool,
) -> int:
    """Check SITE for what fails on the platform.

    Reads its files, and runs it once in the emulator; --no-run leaves that out. The app settings
    and the startup command are on the platform: give them with --settings and --startup-command.

    Exit codes: 0 nothing found, 1 findings at or above --fail-on, 2 cannot look.
    """
    if lists:
        for line in text.list_checks(all_checks()):
            echo(line)
        return 0
    if explained is not None:
        return _explain(explained)
    if log is not None:
        return _explain_log(log)
    folder = Path(site)
    if not folder.is_dir():
        raise ConfigError(
            f"The site folder {site!r} is not a folder.", hint="Name the folder of your app."
        )
    looked = Site(
        folder,
        read_settings(settings_file) if settings_file else None,
        startup_command,
        python_version,
    )
    if runs:
        looked.trial_options = TrialOptions(settings, health_check, looked.command, python_version)
    chosen = read_selection(looked.project, Selection(select, ignore), fail_on)
    hosts = _hosts(looked, profile)
    checks = [check for check in all_checks() if chosen.takes(check)]
    if runs and sys.stderr.isatty() and any(check.needs_run(hosts) for check in checks):
        echo("Building and running the site in the emulator; --no-run leaves it out.", err=True)
    results = run_checks(looked, checks, hosts)
    if baseline:
        results = without_known(results, read_baseline(baseline))
    if new_baseline:
        count = write_baseline(new_baseline, results)
        echo(f"{new_baseline} holds {count} findings.")
        return 0
    report = Report(os.path.abspath(folder), results, hosts, chosen.fail_on)
    _print(report, form, verbose=verbose)
    return report.exit_code


def _explain(id_: str) -> int:
    check = find_check(id_)
    if check is None:
        raise ConfigError(f"There is no check {id_!r}.", hint="`appsvc doctor --list` shows them.")
    for line in text.explain(check):
        echo(line)
    return 0


def _explain_log(name: str) -> int:
    """Print what a log shows; return 1 if it shows a cause."""
    try:
        with click.open_file(name, "rb") as file:
            lines = _decode(file.read(_MAX_BYTES))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"The log {name} cannot be read: {reason}.", hint="Name a file, or - for a pipe."
        ) from None
    seen = read_log(lines)
    for line in text.describe_log(seen, len(lines)):
        echo(line)
    return int(any(one.shape.is_cause for one in seen))


def _decode(data: bytes) -> list[str]:
    """Return the lines of a log; PowerShell's `>` and Tee-Object write UTF-16."""
    is_utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = data.decode("utf-16" if is_utf16 else "utf-8-sig", "replace")
    # Not splitlines(): a form feed ends no line of a log.
    return re.split("\r\n|\n|\r", text.rstrip("\r\n")) if text else []


def _hosts(site: Site, profile: tuple[str, ...]) -> frozenset[str]:
    if "full" in profile:
        return frozenset(HOSTS) - {"any"}
    return frozenset(profile) or site.hosts


def _print(report: Report, form: str, *, verbose: bool) -> None:
    if form == "text":
        for line in text.render(report, verbose=verbose):
            echo(line)
    elif form == "github":
        for line in machine.github(report):
            echo(line)
    else:
        make = {"json": machine.json_report, "sarif": machine.sarif, "junit": machine.junit}[form]
        click.echo(make(report))
