"""The plan of a start: all of its options, resolved once, as plain data.

Code that runs later, in this process or in another, reads the plan and resolves no option again.
The port is chosen only here. Must not start anything or import a server.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..apps import kinds, load
from ..azure import hosts, ports
from ..errors import AppLoadError
from ..settings import options
from ..startup import interface
from . import numbers, servers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .launch import Launch

__all__ = ["LaunchPlan", "make_plan"]


@dataclass(frozen=True)
class LaunchPlan:
    """The resolved options of one start. Plain data, which can be handed to another process.

    - `app` is the app's name, `reason` why it was chosen; both are empty if the server's own
      command line names the app. `site` is the app's folder, as a full path.
    - `address` and `port` (0 for a free one) are where to listen. `named`: the entry point or its
      command line sets them, which overrides the server's own configuration.
    - `workers` are processes, `threads` are those for the app in each, 0 if the server has none.
      `given` are the numbers that the command line names, by the names of their variables: they
      too override the server's own configuration, which is `own`.
    - `access_lines`: the middleware writes access lines. `log_probes` and `warmup_path` are for a
      server that writes its own.
    - `began` is a time on the machine's monotonic clock, which all of its processes share; None if
      no time is to be reported. `warnings` are sentences for the user.
    - `may_change`: nobody has named the server, and it runs no ASGI apps: another one is started if
      the app turns out to be one when it is imported.
    - `worker` is the number of the process that reads the plan, from 1; 0 for a process that
      replaces a dead one.
    """

    server: str
    app: str
    reason: str
    site: str
    address: str
    port: int
    named: bool
    workers: int
    threads: int
    graceful_seconds: int
    given: Mapping[str, int]
    access_lines: bool
    log_probes: bool
    warmup_path: str
    began: float | None
    own: servers.OwnConfig = field(default_factory=servers.OwnConfig)
    warnings: tuple[str, ...] = ()
    may_change: bool = False
    worker: int = 1

    @property
    def sets_workers(self) -> bool:
        """Return whether no configuration of the server's own can set another number of workers."""
        return "APPSVC_WORKERS" in self.given or not self.own.counts

    @property
    def bind(self) -> str:
        """Address and port to listen on, as servers write them."""
        return ports.with_port(self.address, self.port)

    def elapsed(self) -> str:
        """Return the duration of the start so far, as the end of a sentence."""
        return "" if self.began is None else f" after {time.monotonic() - self.began:.2f} s"

    def ready(self) -> str:
        """Return the sentence for a worker that is ready."""
        return f"The worker {os.getpid()} is ready{self.elapsed()}."


def make_plan(
    launch: Launch,
    environ: Mapping[str, str],
    *,
    by_server: bool = False,
    cores: int | None = None,
) -> LaunchPlan:
    """Return the plan for an entry point's options, each by argument, variable, default.

    `by_server`: the server was started by its own command line, which names the app and perhaps a
    configuration file. `cores` is by default the number of this machine's. Raises ConfigError for
    the first option, setting or port that cannot be used and for a server that cannot run here,
    AppLoadError if no app is found.
    """
    row = servers.choose(launch.server, environ, launch.default_server)
    port = ports.choose_port(launch.port, environ, launch.port_sources)
    given = {
        "APPSVC_WORKERS": launch.workers,
        "APPSVC_THREADS": launch.threads,
        "APPSVC_GRACEFUL_TIMEOUT": launch.graceful_timeout,
    }
    # All options are resolved: a mistake in one that only a worker reads is reported before the
    # first worker starts.
    values = {name: one.resolve(given.get(name), environ) for name, one in options.OPTIONS.items()}
    site = os.path.abspath(launch.site)
    choice, unused = load.AppChoice("", ""), ""
    if not by_server:
        choice = load.choose_app(site, environ, launch.app)
        first, (row, choice) = row, _fit(row, choice, site, named=_is_named(launch, environ))
        if first is not row:
            unused = first.unread_file(site, row.name)
    row.check()
    chosen = numbers.choose(row, values, environ, container=launch.container, cores=cores)
    own = row.find_config(site, environ, by_server=by_server)
    if launch.container and not environ.get("APPSVC_ACCESS_LOG", "").strip():
        values["APPSVC_ACCESS_LOG"] = not row.own_access_line
    return LaunchPlan(
        server=row.name,
        app=choice.name,
        reason=choice.reason,
        site=site,
        address=launch.host or launch.default_host,
        port=port,
        named=not launch.container or launch.host is not None or launch.port is not None,
        workers=chosen.workers,
        threads=chosen.threads,
        graceful_seconds=chosen.graceful_seconds,
        given={name: value for name, value in given.items() if value is not None},
        access_lines=values["APPSVC_ACCESS_LOG"],
        log_probes=values["APPSVC_LOG_PROBES"],
        warmup_path=hosts.warmup_path(environ),
        began=launch.began,
        own=own,
        may_change=not (by_server or _is_named(launch, environ) or "asgi" in row.interfaces),
        warnings=(*row.holes(), *row.unused(environ, launch), *filter(None, [unused])),
    )


def _is_named(launch: Launch, environ: Mapping[str, str]) -> bool:
    """Return whether the user has named a server."""
    return bool(options.resolve("APPSVC_SERVER", launch.server, environ))


def _fit(
    row: servers.Server, choice: load.AppChoice, site: str, *, named: bool
) -> tuple[servers.Server, load.AppChoice]:
    """Return a server that runs the app, and the choice with the reason for another server.

    Only the app's text is read. Raises AppLoadError for an ASGI app if the user has named a server
    for WSGI apps, ConfigError if no server for ASGI apps is installed.
    """
    if interface.ASGI in row.interfaces or (
        interface.read_interface(choice.name, Path(site)) != interface.ASGI
    ):
        return row, choice
    if named:
        problem, hint = kinds.describe_asgi(choice.name)
        error = AppLoadError(f"The app {choice.name!r} {problem}", hint=hint)
        error.exit_code = row.no_app
        raise error
    reason = f"{choice.reason}; an ASGI app"
    return servers.for_asgi(choice.name), load.AppChoice(choice.name, reason)
