"""The options that `appsvc serve` and `runserver` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import defaults, servers

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["add_server_options"]


def add_server_options(default_server: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds a server's options to a command.

    `default_server` is the command's default. The options become the parameters `server`,
    `workers`, `threads` and `graceful_timeout`.
    """
    options = (
        click.option(
            "--server",
            metavar="NAME",
            help=f"Server: {', '.join(servers.SERVERS)}. [default: APPSVC_SERVER, or "
            f"{default_server}, for an ASGI app uvicorn or granian]",
        ),
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            metavar="N",
            help="Worker processes. waitress always has one. [default: APPSVC_WORKERS, or one for "
            f"each core, at most {defaults.MAX_WORKERS}]",
        ),
        click.option(
            "--threads",
            type=click.IntRange(min=1),
            metavar="N",
            help="Threads of each worker for the app. uvicorn has none. [default: APPSVC_THREADS, "
            f"or {_threads()}]",
        ),
        click.option(
            "--graceful-timeout",
            type=click.IntRange(min=0),
            metavar="SECONDS",
            help="Time for running requests when the server stops. [default: "
            f"APPSVC_GRACEFUL_TIMEOUT, or {defaults.GRACEFUL_SECONDS}; in a container one second "
            "less than the platform waits]",
        ),
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _threads() -> str:
    return ", ".join(
        f"{row.threads} under {row.name}" for row in servers.SERVERS.values() if row.threads
    )
