"""The command `appsvc emulate`: options in, a running emulator, its log and its exit code out.

Apart from `cli`, so that what it needs is only loaded where it is asked for. Must not hold any rule
of the platform's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import process
from .console import PythonVersion, echo, say
from .errors import ConfigError

if TYPE_CHECKING:
    from .emulator.emulation import Host

__all__ = ["emulate"]

# Options that only one kind of host has: the name of the parameter, and how it is written.
_IIS_ONLY = {"config": "--config", "httpplatform_version": "--httpplatform-version"}
_LINUX_ONLY = {
    "startup_command": "--startup-command",
    "python_version": "--python-version",
    "build": "--no-build",
    "clean": "--clean",
    "instances": "--instances",
    "affinity": "--affinity",
    "health_check": "--health-check",
    "health_check_interval": "--health-check-interval",
}
_PORTS = {"iis": "8000", "linux": "8080"}


@click.command()
@click.argument("site", default=".", type=click.Path())
@click.option(
    "--as",
    "kind",
    type=click.Choice(["auto", "linux", "httpplatform", "fastcgi"]),
    default="auto",
    show_default=True,
    help="The host: the Linux container, or the handler of IIS that starts Python. auto: what "
    "web.config says; linux where there is none.",
)
@click.option(
    "--port", metavar="PORT", help="0: a free one. [default: 8000; 8080 before a container]"
)
@click.option("--https", is_flag=True, help="Speak TLS, with a certificate made on the spot.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An app setting.")
@click.option("--python", default="", metavar="PATH", help="The site's Python. [default: this one]")
@click.option("--map", "maps", multiple=True, metavar="PATH=DIR", help="Where a path is here.")
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
    "--request-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=230.0,
    show_default=True,
    metavar="SECONDS",
    help="When the load balancer cuts a request.",
)
@click.option("--config", type=click.Path(), help="IIS: a file to read in place of web.config.")
@click.option(
    "--httpplatform-version",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="IIS: of HttpPlatformHandler.",
)
@click.option("--startup-command", default="", metavar="CMD", help="Linux: as set for the site.")
@click.option(
    "--python-version",
    type=PythonVersion(),
    help="Linux: of the container. [default: that of --python]",
)
@click.option("--build/--no-build", default=True, help="Linux: build first, as a deployment does.")
@click.option("--clean", is_flag=True, help="Linux: build from nothing.")
@click.option(
    "--instances",
    type=click.IntRange(1, 30),
    default=1,
    show_default=True,
    help="Linux: how many containers.",
)
@click.option(
    "--affinity/--no-affinity", default=True, help="Linux: the cookie that keeps an instance."
)
@click.option("--health-check", default="", metavar="PATH", help="Linux: ask PATH each minute.")
@click.option(
    "--health-check-interval",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Linux: not each minute.",
)
@click.pass_context
def emulate(context: click.Context, /, **options: Any) -> int:
    r"""Run SITE on this machine as App Service would: in IIS, by its own web.config, or on Linux.

    IIS: Windows paths in web.config stay as they are; every python.exe is this Python (or
    --python), D:\home\site\wwwroot is SITE, the rest of D:\home is a folder in .appsvc beside it.

    Linux: a copy of SITE is built and started as the container would; it is found in .appsvc
    beside SITE, which is never written to.

    Ctrl-C ends everything, a second one at once.
    """
    site, check = options["site"], options["check"]
    if check is not None and site == "." and os.path.isdir(check):
        site, check = check, "/"  # `--check SITE`: the option has taken the argument
    if check is not None and not check.startswith("/"):
        raise ConfigError(
            f"--check {check!r} is no path.", hint="Write it with a slash: --check /health."
        )
    try:
        from .emulator import emulation
        from .emulator.site import find_config
    except ImportError as error:
        if (error.name or "").startswith(__package__):
            raise
        raise ConfigError(
            f"The emulator needs a package that is not here: {error.name}.",
            hint='Install it with `pip install "appsvc-runtime[emulator]"`.',
        ) from None
    folder = Path(site)
    linux = options["kind"] == "linux"
    if options["kind"] == "auto" and folder.is_dir() and options["config"] is None:
        linux = find_config(folder) is None and not process.WINDOWS
    _refuse(context, _IIS_ONLY if linux else _LINUX_ONLY, linux)
    host = (_linux if linux else _iis)(folder, options)
    return emulation.run(
        host,
        emulation.Serving(
            port=options["port"] or _PORTS["linux" if linux else "iis"],
            https=options["https"],
            raw=options["raw"],
            request_limit=options["request_limit"],
            check=check,
        ),
        say=say,
        show=echo,
    )


def _refuse(context: click.Context, others: dict[str, str], linux: bool) -> None:
    """Raise ConfigError where an option was given that means nothing to this kind of host."""
    for name, written in others.items():
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            kind, instead = ("the Linux container", "IIS") if linux else ("IIS", "--as linux")
            raise ConfigError(
                f"{written} means nothing to {kind}.", hint=f"It is for {instead}: leave it out."
            )


def _iis(folder: Path, options: dict[str, Any]) -> Host:
    from .emulator import environment, iishost, plan, winpaths

    made = plan.make_plan(
        plan.Options(
            folder=folder,
            kind=options["kind"],
            config=Path(options["config"]) if options["config"] else None,
            python=options["python"],
            app_settings=[environment.parse_setting(text) for text in options["settings"]],
            maps=[winpaths.parse_map(text) for text in options["maps"]],
            public_name=options["public_name"],
            httpplatform_version=options["httpplatform_version"],
        ),
        os.environ,
    )
    for finding in made.findings:
        echo(f"{finding.level.capitalize()}: {finding.where}: {finding}")
    return iishost.IisHost(made, say)


def _linux(folder: Path, options: dict[str, Any]) -> Host:
    from .emulator import environment, linuxhost, linuxplan

    made = linuxplan.make_linux_plan(
        linuxplan.LinuxOptions(
            folder=folder,
            startup_command=options["startup_command"].strip(),
            python=options["python"],
            python_version=options["python_version"],
            app_settings=[environment.parse_setting(text) for text in options["settings"]],
            home=linuxplan.parse_home(options["maps"]),
            public_name=options["public_name"],
            build=options["build"],
            clean=options["clean"],
            instances=options["instances"],
            affinity=options["affinity"],
            health_path=options["health_check"],
            health_interval=options["health_check_interval"],
        ),
        os.environ,
    )
    return linuxhost.LinuxHost(made, os.environ, say)
