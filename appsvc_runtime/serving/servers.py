"""The servers that can run an app: one table, and the choice of a row.

A row says what a server needs, what it can run, which options it can honour and where it is told
to. Must not import a server, nor start anything. Nobody else asks for a server by its name.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..azure import names
from ..errors import ConfigError
from ..settings import options
from ..system import capabilities
from . import advisories, defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from .launch import Launch
    from .plan import LaunchPlan

__all__ = ["SERVERS", "OwnConfig", "Server", "choose"]

_WORKERS = ("APPSVC_WORKERS", "WEB_CONCURRENCY", names.CUSTOM_WORKERS)
_THREADS = ("APPSVC_THREADS", names.CUSTOM_THREADS)
_VARIABLES = {"--workers": "APPSVC_WORKERS", "--threads": "APPSVC_THREADS"}
# Modules that an old release of a server imports and that are no more, and how to have them back.
_REMOVED: dict[str | None, str] = {"pkg_resources": 'pip install "setuptools<82"'}
_GUNICORN = ("GUNICORN_CMD_ARGS", names.GUNICORN_CONFIG_PATH)


def _never() -> bool:
    return False


def _always() -> bool:
    return True


def _where_sockets_are_not_shared() -> bool:
    return not capabilities.shares_listening_sockets()


@dataclass(frozen=True)
class OwnConfig:
    """What the user tells the server past this package, in the server's own ways.

    `location` is a configuration file as the server writes locations, `source` the variable that
    names it, both empty where there is none. `binds`: it may say where to listen.
    """

    location: str = ""
    source: str = ""
    binds: bool = False


@dataclass(frozen=True)
class Server:
    """One server.

    `module` must be importable for it, `install` is how to get it, `runner` is the module of ours
    whose `run` runs it by a plan, with the server's own `settings` for that plan. `interfaces`:
    `wsgi`, `asgi`. `reads`: the variables that mean something to it, of those that mean something
    to any. `stop_signals`: on these it finishes running requests. `why`: when to take it, for
    people. `packages`: the distributions that read HTTP for it. `threads`: of each worker, if
    nobody says a number; 0 where the app gets none. `one_process`: whether it has one worker on
    this machine, whatever is asked for. `config`: the module of ours that finds the server's own
    configuration, if it has one. With an `own_access_line` it writes one for each request; else the
    middleware can.
    """

    name: str
    module: str
    install: str
    runner: str
    interfaces: tuple[str, ...]
    reads: tuple[str, ...]
    stop_signals: tuple[str, ...]
    settings: Callable[[LaunchPlan], dict[str, Any]]
    why: str
    packages: tuple[str, ...]
    threads: int = 0
    one_process: Callable[[], bool] = _never
    config: str = ""
    windows: bool = True
    own_access_line: bool = False

    def check(self) -> None:
        """Raise ConfigError where this server cannot run on this machine."""
        if not (capabilities.can_fork() or self.windows):
            raise ConfigError(
                f"The server {self.name} does not run on Windows.",
                hint=f"Take another: {_names(windows=True)}.",
            )
        if importlib.util.find_spec(self.module) is None:
            raise ConfigError(
                f"The server {self.name} is not installed for this Python.",
                hint=f"Run `{self.install}`, and add it to requirements.txt.",
            )

    def load(self) -> Callable[[LaunchPlan], int]:
        """Return the function that runs a plan, and returns the exit code at its end.

        Raises ConfigError for a release of the server that is too old or too new.
        """
        run: Callable[[LaunchPlan], int] = self._import(self.runner).run
        return run

    def find_config(self, site: str, environ: Mapping[str, str], *, by_server: bool) -> OwnConfig:
        """Return what the user tells the server in its own ways.

        `by_server`: the server has been started by its own command line. Raises ConfigError for a
        file that does not exist, and as `load` does.
        """
        if not self.config:
            return OwnConfig()
        module = self._import(self.config)
        found: OwnConfig = module.find_config(site, environ, by_server=by_server)
        return found

    def _import(self, name: str) -> ModuleType:
        try:
            return importlib.import_module(f".{name}", __package__)
        except ImportError as error:
            hint = f"Run `{self.install} --upgrade`."
            if error.name in _REMOVED:
                hint = f"{hint[:-1]}, or keep this release and run `{_REMOVED[error.name]}`."
            raise ConfigError(
                f"This package does not know the release of {self.name} that is installed: "
                f"{error}.",
                hint=hint,
            ) from None

    def holes(self) -> list[str]:
        """Return a sentence for each known security hole of the release that is installed."""
        return advisories.find(*self.packages)

    def unused(self, environ: Mapping[str, str], launch: Launch) -> list[str]:
        """Return a sentence for each option or setting that means nothing to this server."""
        asked = {"--workers": launch.workers, "--threads": launch.threads}
        found = [name for name, value in asked.items() if value is not None]
        known = dict.fromkeys(name for row in SERVERS.values() for name in row.reads)
        found += [name for name in known if environ.get(name, "").strip()]
        return [
            f"{name} means nothing to {self.name}{reason} and is not used."
            for name in found
            if (reason := self._reason_not_to_use(name)) is not None
        ]

    def _reason_not_to_use(self, name: str) -> str | None:
        variable = _VARIABLES.get(name, name)
        if self.one_process() and variable in _WORKERS:
            return ", which has one process here,"
        return None if variable in self.reads else ""


SERVERS: dict[str, Server] = {
    row.name: row
    for row in (
        Server(
            name="gunicorn",
            module="gunicorn",
            install="pip install gunicorn",
            runner="gunicorn.run",
            interfaces=("wsgi",),
            reads=(*_WORKERS, *_THREADS, *_GUNICORN),
            stop_signals=("SIGTERM",),  # its SIGINT is its quick stop
            settings=defaults.gunicorn_settings,
            why="what the platform itself runs, with all of its settings",
            packages=("gunicorn",),
            threads=defaults.GUNICORN_THREADS,
            config="gunicorn.user_config",
            windows=False,
            own_access_line=True,
        ),
        Server(
            name="waitress",
            module="waitress",
            install="pip install waitress",
            runner="waitress.run",
            interfaces=("wsgi",),
            reads=("APPSVC_THREADS",),
            stop_signals=("SIGTERM", "SIGINT"),
            settings=defaults.waitress_settings,
            why="one process of pure Python, on every system",
            packages=("waitress",),
            threads=defaults.WAITRESS_THREADS,
            one_process=_always,
        ),
        Server(
            name="granian",
            module="granian",
            install='pip install "appsvc-runtime[granian]"',
            runner="granian.run",
            interfaces=("wsgi", "asgi"),
            reads=(*_WORKERS, *_THREADS),
            stop_signals=("SIGTERM", "SIGINT"),
            settings=defaults.granian_settings,
            why="the fastest",
            packages=("granian",),
            threads=defaults.GRANIAN_THREADS,
            # Granian cannot share a socket between workers there, and would say so itself.
            one_process=_where_sockets_are_not_shared,
        ),
        Server(
            name="uvicorn",
            module="uvicorn",
            install="pip install uvicorn",
            runner="uvicorn.run",
            interfaces=("asgi",),
            reads=_WORKERS,
            stop_signals=("SIGTERM", "SIGINT"),
            settings=defaults.uvicorn_settings,
            why="ASGI apps, as the platform runs FastAPI",
            packages=("uvicorn", "h11"),
        ),
    )
}


def choose(argument: str | None, environ: Mapping[str, str], default: str) -> Server:
    """Return the row that `--server` names, else `APPSVC_SERVER`, else `default`.

    Raises ConfigError for a name that is not in the table.
    """
    name = options.resolve("APPSVC_SERVER", argument, environ).lower() or default
    if name not in SERVERS:
        source = "--server" if argument else "APPSVC_SERVER"
        raise ConfigError(
            f"{source} names {name[:32]!r}, which is no server that this package knows.",
            hint=f"Name one of {_names()}.",
        )
    return SERVERS[name]


def _names(*, windows: bool = False) -> str:
    return ", ".join(row.name for row in SERVERS.values() if row.windows or not windows)
