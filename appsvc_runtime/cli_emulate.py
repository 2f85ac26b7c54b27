"""The command `appsvc emulate`: options in, a running emulator, its log and its exit code out.

Apart from `cli`, so that what it needs is only loaded where it is asked for. Must not hold any rule
of the platform's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .console import echo, say
from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["emulate"]


@click.command()
@click.argument("site", default=".", type=click.Path())
@click.option(
    "--as",
    "kind",
    type=click.Choice(["auto", "httpplatform", "fastcgi"]),
    default="auto",
    show_default=True,
    help="The handler of IIS that starts Python; auto reads it from web.config.",
)
@click.option("--port", metavar="PORT", default="8000", show_default=True, help="0: a free one.")
@click.option("--https", is_flag=True, help="Speak TLS, with a certificate made on the spot.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An app setting.")
@click.option("--python", default="", metavar="PATH", help="The site's Python. [default: this one]")
@click.option("--map", "maps", multiple=True, metavar="WINPATH=DIR", help="Where a path is here.")
@click.option("--config", type=click.Path(), help="A file to read in place of web.config.")
@click.option(
    "--check",
    is_flag=False,
    flag_value="/",
    metavar="[PATH]",
    help="Ask for PATH (/), print status and timing, and end: 0 for a status under 500, else 1.",
)
@click.option("--public-name", default="", metavar="HOST", help="[default: SITE.azurewebsites.net]")
@click.option("--raw", is_flag=True, help="Translate no public name to the local address.")
@click.option(
    "--httpplatform-version",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="Of HttpPlatformHandler.",
)
@click.option(
    "--request-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=230.0,
    show_default=True,
    metavar="SECONDS",
    help="When the load balancer cuts a request.",
)
def emulate(
    site: str,
    kind: str,
    port: str,
    https: bool,
    settings: Sequence[str],
    python: str,
    maps: Sequence[str],
    config: str | None,
    check: str | None,
    public_name: str,
    raw: bool,
    httpplatform_version: int,
    request_limit: float,
) -> int:
    r"""Run SITE's own web.config as IIS on App Service would, on this machine.

    Windows paths in it stay as they are: every python.exe is this Python (or --python),
    D:\home\site\wwwroot is SITE, the rest of D:\home is a folder in .appsvc beside it. Ctrl-C ends
    everything, a second one at once.
    """
    try:
        from .emulator import emulation, environment, iishost, plan, winpaths
    except ImportError as error:
        if (error.name or "").startswith(__package__):
            raise
        raise ConfigError(
            f"The emulator needs a package that is not here: {error.name}.",
            hint='Install it with `pip install "appsvc-runtime[emulator]"`.',
        ) from None
    if check is not None and site == "." and os.path.isdir(check):
        site, check = check, "/"  # `--check SITE`: the option has taken the argument
    if check is not None and not check.startswith("/"):
        raise ConfigError(
            f"--check {check!r} is no path.", hint="Write it with a slash: --check /health."
        )
    made = plan.make_plan(
        plan.Options(
            folder=Path(site),
            kind=kind,
            config=Path(config) if config else None,
            python=python,
            app_settings=[environment.parse_setting(text) for text in settings],
            maps=[winpaths.parse_map(text) for text in maps],
            public_name=public_name,
            httpplatform_version=httpplatform_version,
        ),
        os.environ,
    )
    for finding in made.findings:
        echo(f"{finding.level.capitalize()}: {finding.where}: {finding}")
    return emulation.run(
        iishost.IisHost(made, say),
        emulation.Serving(
            port=port,
            https=https,
            raw=raw,
            request_limit=request_limit,
            check=check,
        ),
        say=say,
        show=echo,
    )
