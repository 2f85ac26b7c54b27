"""The command `appsvc build`: options in, a built site, its log and its exit code out.

Apart from `cli`, so that what it needs is only loaded where it is asked for. Must not hold any rule
of the platform's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import click

from .console import echo, say

__all__ = ["build"]

# What a shell tells of a program that Ctrl-C has ended.
_INTERRUPTED = 130


@click.command()
@click.argument("site", default=".", type=click.Path())
@click.option("--output", type=click.Path(), help="Where to. [default: in .appsvc beside SITE]")
@click.option("--python", default="", metavar="PATH", help="The site's Python. [default: this one]")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An app setting.")
@click.option("--clean", is_flag=True, help="Keep nothing of the last build.")
def build(site: str, output: str | None, python: str, settings: Sequence[str], clean: bool) -> int:
    """Build SITE as a deployment to the Linux container does, on a copy.

    In the platform's order: pre-build command or script, the virtual environment antenv, the
    packages of requirements.txt (or setup.py, uv.lock, Poetry), Django's collectstatic, post-build.
    SITE itself is only read. Ends with the exit code of the step that failed.
    """
    from .builder import building, places
    from .emulator import environment, surroundings

    folder = Path(os.path.abspath(site))
    options = building.Options(
        site=folder,
        output=Path(os.path.abspath(output)) if output else places.default_output(folder),
        python=surroundings.find_interpreter(python),
        app_settings=[environment.parse_setting(text) for text in settings],
        clean=clean,
    )
    task: list[asyncio.Task[building.Built]] = []

    async def run() -> int:
        work = asyncio.create_task(building.build(options, os.environ, say))
        task.append(work)
        with contextlib.suppress(asyncio.CancelledError):
            await work
            return 0
        return _INTERRUPTED

    from . import process

    loop = asyncio.new_event_loop()
    process.on_stop_signal(lambda: loop.call_soon_threadsafe(lambda: task and task[0].cancel()))
    try:
        code = loop.run_until_complete(run())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    if code:
        echo("Interrupted: the build is not whole.", err=True)
    return code
