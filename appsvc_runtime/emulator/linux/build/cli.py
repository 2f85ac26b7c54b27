"""The command `appsvc build`: takes options, builds a site, prints its log, returns its exit code.

An entry point of the group `appsvc.commands`: loaded only when it is used. Must not contain any
rule of the platform.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import click

from ....errors import ConfigError
from ....system import capabilities, signals
from ....system.console import echo, say
from ...processes import site_folder

__all__ = ["build"]

# The exit code that a shell reports for a program ended by Ctrl-C.
_INTERRUPTED = 130


@click.command()
@click.argument("site", default=".", type=click.Path())
@click.option(
    "--output", type=click.Path(), help="Output folder. [default: in .appsvc beside SITE]"
)
@click.option(
    "--python", default="", metavar="PATH", help="The site's Python. [default: its project's]"
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An app setting.")
@click.option("--clean", is_flag=True, help="Keep nothing of the last build.")
def build(site: str, output: str | None, python: str, settings: Sequence[str], clean: bool) -> int:
    """Build SITE as a deployment to the Linux container does, on a copy.

    In the platform's order: pre-build command or script, the virtual environment antenv, the
    packages of requirements.txt (or setup.py, uv.lock, Poetry), Django's collectstatic, post-build.
    SITE itself is only read. Ends with the exit code of the step that failed.
    """
    if not capabilities.can_fork():
        raise ConfigError(
            "The container's site cannot be built on Windows, where pip installs the packages of "
            "Windows.",
            hint="Run this in WSL, or let the platform build it: set "
            "SCM_DO_BUILD_DURING_DEPLOYMENT=true as an app setting.",
        )
    from ...processes import environment, workspace
    from ...processes.guard import guarded
    from ...processes.project_python import choose_python
    from . import build as build_build

    site_folder.check_site(site, os.environ, "appsvc build")
    if output:
        output = os.path.expanduser(output)  # shells leave the ~ of --output=~ alone
        site_folder.check_output(output, os.environ, "--output", Path(site))
    folder = Path(os.path.abspath(site))
    chosen = choose_python(folder, python, os.environ, runs_app=False)
    options = build_build.Options(
        site=folder,
        output=Path(os.path.abspath(output))
        if output
        else workspace.default_output(folder, os.environ),
        python=chosen.path,
        app_settings=[environment.parse_setting(text) for text in settings],
        clean=clean,
        for_container=not output,
    )
    for line in chosen.lines:
        echo(line)
    with guarded():
        code = asyncio.run(_run(build_build.build(options, os.environ, say)))
    if code:
        echo("Interrupted: the build is not complete.", err=True)
    return code


async def _run(work: Coroutine[Any, Any, object]) -> int:
    """Do the work until it is done or a stop signal comes; return the exit code."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)

    def stop() -> None:
        loop.call_soon_threadsafe(task.cancel)

    signals.on_stop_signal(stop)
    with contextlib.suppress(asyncio.CancelledError):
        await task
        return 0
    return _INTERRUPTED
