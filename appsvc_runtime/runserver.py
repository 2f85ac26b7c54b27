"""The entry point for IIS's HttpPlatformHandler.

    python -m appsvc_runtime.runserver [APP] --port PORT

Or with a `runserver.py` of two lines next to the app, which web.config names::

    from appsvc_runtime.runserver import main
    raise SystemExit(main())

Serves the app behind the middleware on 127.0.0.1, where the handler connects, with waitress unless
`--server` or `APPSVC_SERVER` names another server of the table in `serving.servers`. The port comes
from `--port`, `HTTP_PLATFORM_PORT`, `SERVER_PORT` or `PORT`, in that order, else it is 8000.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from .azure import names, ports
from .serving import arguments, launch, start
from .system.console import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


@click.command(name="runserver", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("app", required=False)
@click.option(
    "--port",
    metavar="PORT",
    help=f"Port to listen on; 0 picks a free one. [default: {', '.join(ports.PLATFORM_SOURCES)}, "
    f"or {names.DEFAULT_PORT}]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--site",
    metavar="DIR",
    help="Folder of the app. [default: that of your runserver.py, or the current one]",
)
@arguments.add_server_options("waitress")
@click.pass_context
def command(
    context: click.Context,
    /,
    app: str | None,
    port: str | None,
    host: str,
    site: str | None,
    **given: Any,
) -> int:
    """Serve APP for HttpPlatformHandler, with waitress or the server you choose.

    APP is module:attr. Without it, the app is detected in the site's folder.
    """
    return start.serve(
        launch.Launch(
            app=app,
            # With `appsvc runserver`, the script that runs is not the user's.
            site=site or (os.getcwd() if context.parent else _own_folder()),
            host=host,
            port=port,
            default_server="waitress",
            default_host=host,
            port_sources=ports.PLATFORM_SOURCES,
            **given,
        )
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server with the arguments `argv` (the process's own by default) until a stop signal.

    Return the exit code: 0 after a stop, 1 for an app that cannot be loaded, 2 for an option,
    setting or port that cannot be used. Messages go to standard error.
    """
    return run_command(command, argv)


def _own_folder() -> str:
    """Return the folder of the user's runserver.py, or the current one under `python -m`.

    A handler may start the script in another folder than the app's.
    """
    script = sys.modules["__main__"]
    path = getattr(script, "__file__", None)
    by_module = getattr(script, "__spec__", None) is not None
    return os.path.dirname(os.path.abspath(path)) if path and not by_module else os.getcwd()


if __name__ == "__main__":
    raise SystemExit(main())
