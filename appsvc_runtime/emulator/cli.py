"""The command `appsvc emulate`: takes options, runs an emulator, returns its exit code.

An entry point of the group `appsvc.commands`: loaded only when it is used. Must not contain any
rule of the platform.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from ..system import capabilities
from ..system.console import PythonVersion, echo, say
from . import cli_hosts
from .cli_check import find_folder_note, read_check_path
from .processes import site_folder

__all__ = ["emulate"]

# The kinds of host that an option is for, if not all; and how to write it, if not as its name.
_FRONT_END = ("iis", "linux")
_ONLY: dict[str, tuple[str, ...]] = {
    "port": _FRONT_END,
    "https": _FRONT_END,
    "check": _FRONT_END,
    "public_name": _FRONT_END,
    "allow_host": _FRONT_END,
    "raw": _FRONT_END,
    "auth": _FRONT_END,
    "request_limit": _FRONT_END,
    "maps": _FRONT_END,
    "config": ("iis",),
    "applications": ("iis",),
    "httpplatform_version": ("iis",),
    "startup_command": ("linux",),
    "python_version": ("linux",),
    "build": ("linux",),
    "clean": ("linux",),
    "instances": ("linux", "worker"),
    "affinity": ("linux",),
    "health_check": ("linux",),
    "health_check_interval": ("linux",),
    "trigger": ("webjob",),
    "job_os": ("webjob",),
}
_WRITTEN = {"build": "--no-build", "maps": "--map", "applications": "--application"}
_CALLED = {
    "iis": "IIS",
    "linux": "the Linux container",
    "worker": "a worker role",
    "webjob": "WebJobs",
}
_PORTS = {"iis": "8000", "linux": "8080"}


@click.command()
@click.argument("site", default=".", type=click.Path())
@click.option(
    "--as",
    "kind",
    type=click.Choice(["auto", "linux", "httpplatform", "fastcgi", "worker", "webjob"]),
    default="auto",
    show_default=True,
    help="The host: the Linux container, the handler of IIS that starts Python, the worker roles "
    "of a Cloud Service, the WebJobs in App_Data/jobs. auto: as web.config has it; worker if "
    "there is a ServiceDefinition.csdef instead; else linux.",
)
@click.option(
    "--port",
    metavar="PORT",
    help="Port to listen on; 0 picks a free one. [default: 8000; 8080 for a container; if it is "
    "taken, one of the next; 0 with --check]",
)
@click.option("--https", is_flag=True, help="Use TLS, with a new certificate.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An app setting.")
@click.option(
    "--python", default="", metavar="PATH", help="The site's Python. [default: its project's]"
)
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="PATH=DIR",
    help="Use the folder DIR of this machine for PATH of the host: repeatable.",
)
@click.option(
    "--check",
    is_flag=False,
    flag_value="/",
    metavar="[PATH]",
    help="Request PATH of the site (/), print status and timing, and exit: 0 for a status under "
    "500, else 1. To name a folder, write it first: SITE --check.",
)
@click.option("--public-name", default="", metavar="HOST", help="[default: SITE.azurewebsites.net]")
@click.option(
    "--allow-host",
    multiple=True,
    metavar="HOST",
    help="Accept requests for HOST too, or for all below .HOST: repeatable. [default: only the "
    "public name, localhost and loopback addresses]",
)
@click.option("--raw", is_flag=True, help="Do not translate the public name to the local address.")
@click.option(
    "--request-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=230.0,
    show_default=True,
    metavar="SECONDS",
    help="Time after which the load balancer ends a request.",
)
@click.option(
    "--auth",
    is_flag=True,
    help="App Service authentication: sign in at /.auth/login/aad (google, facebook, github, "
    "apple, x), out at /.auth/logout.",
)
@click.option("--config", type=click.Path(), help="IIS: a file to read in place of web.config.")
@click.option(
    "--application",
    "applications",
    multiple=True,
    metavar="PATH=DIR",
    help="IIS: serve the folder DIR as an application of its own below PATH, as in /shop=DIR: "
    "repeatable.",
)
@click.option(
    "--httpplatform-version",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="IIS: version of HttpPlatformHandler.",
)
@click.option(
    "--startup-command", default="", metavar="CMD", help="Linux: the site's startup command."
)
@click.option(
    "--python-version",
    type=PythonVersion(),
    help="Linux: the container's Python. [default: that of --python]",
)
@click.option("--build/--no-build", default=True, help="Linux: build first, as a deployment does.")
@click.option("--clean", is_flag=True, help="Linux: build from scratch.")
@click.option(
    "--instances",
    type=click.IntRange(1, 30),
    help="Linux: number of containers. Worker: instances per role. [default: as configured, or 1]",
)
@click.option("--affinity/--no-affinity", default=True, help="Linux: cookie to keep an instance.")
@click.option("--health-check", default="", metavar="PATH", help="Linux: probe PATH every minute.")
@click.option(
    "--health-check-interval",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Linux: time between probes.",
)
@click.option("--trigger", metavar="NAME", help="WebJob: run this triggered job once, and exit.")
@click.option(
    "--job-os",
    type=click.Choice(["linux", "windows"]),
    help="WebJob: what the site runs on. [default: windows if it has web.config or run.cmd]",
)
@click.pass_context
def emulate(context: click.Context, /, **options: Any) -> int:
    r"""Run SITE on this machine as App Service would: in IIS, by its own web.config, or on Linux.

    IIS: Windows paths in web.config stay as they are; every python.exe is the project's Python
    (or --python), D:\home\site\wwwroot is SITE, the rest of D:\home a folder in .appsvc beside it.

    Linux: a copy of SITE is built and started as the container would; it is found in .appsvc
    beside SITE, which is never written to.

    Worker: each role's entry point is run as ps.cmd and LaunchWorker.ps1 run it, with the variables
    and folders of a Cloud Service. WebJob: everything in App_Data/jobs is run as Kudu would.

    Ctrl-C ends everything, a second one at once.
    """
    site = options["site"]
    named = context.get_parameter_source("site") == click.core.ParameterSource.COMMANDLINE
    check = read_check_path(options["check"], site_named=named)
    try:
        from . import run
        from .frontend import allowed_hosts
        from .http import backend
    except ImportError as error:
        if (error.name or "").startswith(__package__):
            raise
        raise ConfigError(
            f"The emulator needs a package that is not installed: {error.name}.",
            hint='Run `pip install "appsvc-runtime[emulator]"` in this environment, or '
            '`pipx install "appsvc-runtime[emulator]"` and run that command without an active '
            "environment.",
        ) from None
    _check_quote(site)
    site_folder.check_site(site, os.environ, "appsvc emulate")
    folder = Path(site)
    kind = _kind(folder, options)
    _refuse(context, kind)
    allowed = [allowed_hosts.parse_allow_host(text) for text in options["allow_host"]]
    if options["auth"]:
        options["settings"] = (*options["settings"], "WEBSITE_AUTH_ENABLED=True")
    if kind == "worker":
        return cli_hosts.run_worker(folder, options)
    if kind == "webjob":
        return cli_hosts.run_webjob(folder, options)
    note = find_folder_note(check, site_named=named) if check is not None else ""
    if note:
        say("emulator", note)
    host = cli_hosts.make_linux_host if kind == "linux" else cli_hosts.make_iis_host
    return run.run(
        host(folder, options),
        backend.Serving(
            # Nobody types the address of a site that is only checked.
            port=options["port"] or ("0" if check is not None else _PORTS[kind]),
            or_next=not options["port"] and check is None,
            https=options["https"],
            raw=options["raw"],
            request_limit=options["request_limit"],
            check=check,
            sign_in=options["auth"],
            allowed_hosts=allowed,
        ),
        say=say,
        show=echo,
    )


def _kind(folder: Path, options: dict[str, Any]) -> str:
    """Return what to emulate: `iis`, `linux`, `worker` or `webjob`."""
    from .iis.site import find_config
    from .roles import plan

    kind: str = options["kind"]
    if kind in ("linux", "worker", "webjob"):
        return kind
    if kind != "auto" or options["config"] is not None or options["applications"]:
        return "iis"
    if options["trigger"] is not None:
        return "webjob"
    if not folder.is_dir() or find_config(folder) is not None:
        return "iis"
    if plan.find_definition(folder) is not None:
        return "worker"
    if not capabilities.can_fork():
        raise ConfigError(
            f"{os.path.abspath(folder)} holds no web.config, without which IIS does not know how "
            "to start Python, and the Linux container cannot be emulated on Windows.",
            hint="Run this in WSL, or add a web.config (examples/flask_app has both forms), or "
            "name the site's folder.",
        )
    return "linux"


def _refuse(context: click.Context, kind: str) -> None:
    """Raise ConfigError if an option was given that this kind of host does not have."""
    for name, kinds in _ONLY.items():
        given = context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        if given and kind not in kinds:
            written = _WRITTEN.get(name, f"--{name.replace('_', '-')}")
            others = " and ".join(_CALLED[other] for other in kinds)
            raise ConfigError(
                f"{written} means nothing to {_CALLED[kind]}.",
                hint=f"It is for {others}: leave it out, or choose another host with --as.",
            )


def _check_quote(site: str) -> None:
    r"""Raise ConfigError on Windows for a site written as `"C:\my shop\"`.

    There `\"` does not end the quotes, so whatever follows is a part of the name. PowerShell
    completes names to this form.
    """
    if '"' in site and not capabilities.has_quotes_in_names():
        raise ConfigError(
            f"The site's name {site!r} has a quotation mark: with a backslash before it, Windows "
            "takes the closing one for a part of the name.",
            hint="Leave out the backslash at the end.",
        )
