"""The door for IIS's HttpPlatformHandler: `python -m appsvc_runtime.runserver [APP] --port PORT`.

Or a `runserver.py` of two lines beside the app, which web.config names:

    from appsvc_runtime.runserver import main
    raise SystemExit(main())

Serves the app behind the middleware with waitress on 127.0.0.1, where the handler looks. The port
is that of `--port`, `HTTP_PLATFORM_PORT`, `SERVER_PORT`, `PORT`, in that order, else 8000.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TYPE_CHECKING

import click

from . import apps, draining, ports, process, servers
from .console import run_command
from .waitress_server import GracefulServer

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


@click.command(name="runserver", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("app", required=False)
@click.option("--port", metavar="PORT", help="Port to listen on; 0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--site", metavar="DIR", help="Folder of the app. [default: where the script lies]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads. [default: APPSVC_THREADS]")
@click.option(
    "--graceful-timeout",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help=f"Time for running requests at the end. [default: {servers.GRACEFUL_SECONDS}]",
)
def command(
    app: str | None,
    port: str | None,
    host: str,
    site: str | None,
    threads: int | None,
    graceful_timeout: int | None,
) -> None:
    """Serve APP (module:attr; detected when left out) with waitress, for HttpPlatformHandler."""
    number = ports.choose_port(port, os.environ)
    settings = servers.waitress_settings(os.environ, threads)
    seconds = servers.graceful_seconds(os.environ, graceful_timeout)
    # Before the app is imported, which may take long: a port in use is said at once. It listens
    # only when the app is there, so that nobody connects to a server that cannot answer.
    bound = process.bind(host, number)
    # Nobody is being served yet: a stop while the app is imported need not wait for anything.
    process.on_stop_signal(lambda: os._exit(0))
    folder = site or _own_folder()
    choice = apps.choose_app(folder, os.environ, app)
    served = apps.wrap(apps.load_app(choice.name, folder))
    try:
        server = GracefulServer(served, bound, settings)
    except OSError as error:  # two that started together may both have bound it
        raise process.port_error(host, number, error) from None
    process.on_stop_signal(draining.delay(server.stop))
    # Waitress warns of every request that waits for a thread, which under load is every request.
    queue_log = logging.getLogger("waitress.queue")
    if queue_log.level == logging.NOTSET:
        queue_log.setLevel(logging.ERROR)
    shown_host = f"[{host}]" if ":" in host else host
    with contextlib.suppress(OSError):  # standard output may be full; the site runs anyway
        click.echo(f"Serving {choice.name} ({choice.reason}) on http://{shown_host}:{server.port}")
    cut = server.run(seconds)
    if cut:
        click.echo(f"Stopped after {seconds} s; {cut} requests were still running.", err=True)


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
