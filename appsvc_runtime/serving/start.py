"""Run the server that is asked for: the order of a start.

What is wrong with options and settings is reported first, then what will not be used, then the
port is taken, then the app is imported. Must not know of any one server.
"""

from __future__ import annotations

import os

import click

from ..middleware.wsgi import AppServiceMiddleware
from ..settings import options
from . import defaults, servers, start_time
from .launch import Launch

__all__ = ["GRACEFUL_TIMEOUT", "SERVER", "THREADS", "serve"]


_ACCESS_LOG = "APPSVC_ACCESS_LOG"


# Options that both doors have.
SERVER = click.option(
    "--server",
    metavar="NAME",
    help=f"{', '.join(servers.SERVERS)}. [default: APPSVC_SERVER, else the door's]",
)


THREADS = click.option(
    "--threads", type=click.IntRange(min=1), help="Threads. [default: APPSVC_THREADS]"
)


GRACEFUL_TIMEOUT = click.option(
    "--graceful-timeout",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="Time for running requests at the end. [default: APPSVC_GRACEFUL_TIMEOUT, else "
    f"{defaults.GRACEFUL_SECONDS}, in a container a second less than it gives]",
)


def serve(launch: Launch) -> int:
    """Run the server that is asked for until it is stopped; give the exit code.

    Raises ConfigError for an option, a setting or a port that cannot be used, AppLoadError for an
    app that cannot be loaded.
    """
    row = servers.choose(launch.server, os.environ, launch.default_server)
    row.check()
    if launch.container and not row.own_access_line and not os.environ.get(_ACCESS_LOG, "").strip():
        os.environ[_ACCESS_LOG] = "true"
    launch.choose_port()
    # What the server and its workers will read: here a mistake is said before anything is started.
    for option in options.OPTIONS.values():
        option.resolve(None, os.environ)
    row.settings(os.environ)
    AppServiceMiddleware(lambda *_: [])
    run = row.load()
    for sentence in [*row.holes(), *row.unused(os.environ, launch.threads)]:
        click.echo(f"Warning: {sentence}", err=True)
    start_time.begin(launch.began)
    return run(launch)
