"""The door for IIS's HttpPlatformHandler: `python -m appsvc_runtime.runserver [APP] --port PORT`.

Or a `runserver.py` of two lines beside the app, which web.config names::

    from appsvc_runtime.runserver import main
    raise SystemExit(main())

Serves the app behind the middleware on 127.0.0.1, where the handler looks, with waitress unless
`--server` or `APPSVC_SERVER` names another of the table in `serving.servers`. The port is that of
`--port`, `HTTP_PLATFORM_PORT`, `SERVER_PORT`, `PORT`, in that order, else 8000.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from .azure import ports
from .serving import launch, start
from .system.console import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


@click.command(name="runserver", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("app", required=False)
@click.option("--port", metavar="PORT", help="Port to listen on; 0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--site", metavar="DIR", help="Folder of the app. [default: where the script lies]")
@start.SERVER
@start.THREADS
@start.GRACEFUL_TIMEOUT
def command(
    app: str | None,
    port: str | None,
    host: str,
    site: str | None,
    server: str | None,
    threads: int | None,
    graceful_timeout: int | None,
) -> int:
    """Serve APP (module:attr; detected when left out) for HttpPlatformHandler.

    With waitress unless told otherwise.
    """
    return start.serve(
        launch.Launch(
            app=app,
            site=site or _own_folder(),
            host=host,
            port=port,
            server=server,
            default_server="waitress",
            default_host=host,
            port_sources=ports.PLATFORM_SOURCES,
            threads=threads,
            graceful_timeout=graceful_timeout,
        )
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server with the arguments `argv` (the process's own by default) until a stop signal.

    Gives the exit code: 0 after a stop, 2 for an option, setting or port that cannot be used, 1 for
    an app that cannot be loaded. Messages go to standard error.
    """
    return run_command(command, argv)


def _own_folder() -> str:
    """Give the folder of the user's runserver.py, or the current one under `python -m`.

    A handler may start it from another folder than the app's.
    """
    script = sys.modules["__main__"]
    path = getattr(script, "__file__", None)
    by_module = getattr(script, "__spec__", None) is not None
    return os.path.dirname(os.path.abspath(path)) if path and not by_module else os.getcwd()


if __name__ == "__main__":
    raise SystemExit(main())
