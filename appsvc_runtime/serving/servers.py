"""The servers that can run an app: one table, and the choice of a row.

A row says what a server needs, what it can run, which options it supports and which module runs it.
Must not import a server or start anything. No other module checks for a server by its name.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..azure import hosts, names
from ..errors import ConfigError
from ..settings import options
from ..system import capabilities
from . import advisories, defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from .launch import Launch
    from .plan import LaunchPlan

__all__ = ["SERVERS", "OwnConfig", "Server", "choose", "for_asgi"]

_WORKERS = ("APPSVC_WORKERS", "WEB_CONCURRENCY", names.CUSTOM_WORKERS)
_THREADS = ("APPSVC_THREADS", names.CUSTOM_THREADS)
_VARIABLES = {"--workers": "APPSVC_WORKERS", "--threads": "APPSVC_THREADS"}
# Modules that an old release of a server imports and that no longer exist, and how to install them.
_REMOVED: dict[str | None, str] = {"pkg_resources": 'pip install "setuptools<82"'}
# The servers for an ASGI app, the first choice first.
_FOR_ASGI = ("uvicorn", "granian")
_GUNICORN = ("GUNICORN_CMD_ARGS", names.GUNICORN_CONFIG_PATH)


def _never() -> bool:
    return False


def _always() -> bool:
    return True


def _where_sockets_are_not_shared() -> bool:
    return not capabilities.shares_listening_sockets()


@dataclass(frozen=True)
class OwnConfig:
    """The user's configuration of a server in the server's own form, outside of this package.

    `location` is a configuration file in the server's notation, `source` the variable that names
    it; both are empty if there is no file. `binds`: it may set the address to listen on, `counts`:
    the number of workers.
    """

    location: str = ""
    source: str = ""
    binds: bool = False
    counts: bool = False


@dataclass(frozen=True)
class Server:
    """One server.

    - `module` must be importable for it; `install` is the command that installs it.
    - `runner` is our module whose `run` runs it by a plan; `settings` makes the server's own
      settings from that plan. `config` is our module that finds the server's own configuration, and
      `own_file` the file that it reads beside an app; "" if it has none.
    - `interfaces` are `wsgi` and `asgi`. `reads` are the variables that affect this server, of all
      that affect any server. On `stop_signals` it finishes running requests.
    - `why` is the reason to choose it, as text for the user. `packages` are the distributions that
      parse HTTP for it.
    - `threads` is the default number for each worker, 0 if the app gets no threads of its own.
      `one_process` returns whether the server always has one worker on this machine.
    - `no_app` is the exit code for an app that cannot be loaded.
    - `windows`: it runs on Windows. `own_access_line`: it writes an access line for each request;
      otherwise the middleware can. `waits`: its main process waits for any child, as process 1 of a
      container must.
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
    own_file: str = ""
    no_app: int = 1
    windows: bool = True
    own_access_line: bool = False
    waits: bool = False

    def check(self) -> None:
        """Raise ConfigError if this server cannot run on this machine."""
        if not (capabilities.can_fork() or self.windows):
            raise ConfigError(
                f"The server {self.name} does not run on Windows.",
                hint=f"Choose one of {_names(windows=True)}: --server NAME, or APPSVC_SERVER=NAME.",
            )
        if not self.is_installed():
            raise ConfigError(
                f"The server {self.name} is not installed for this Python.",
                hint=f"Run `{self.install}`, and add it to requirements.txt.",
            )

    def is_installed(self) -> bool:
        """Return whether the server's module is there; it is not imported."""
        return importlib.util.find_spec(self.module) is not None

    def load(self) -> Callable[[LaunchPlan], int]:
        """Return the function that runs a plan until it ends, and returns the exit code.

        Raises ConfigError for a release of the server that is too old or too new.
        """
        run: Callable[[LaunchPlan], int] = self._import(self.runner).run
        return run

    def find_config(self, site: str, environ: Mapping[str, str], *, by_server: bool) -> OwnConfig:
        """Return the user's configuration of the server in the server's own form.

        `by_server`: the server was started by its own command line. Raises ConfigError for a file
        that does not exist, and for the same reasons as `load`.
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
                f"This package does not support the installed release of {self.name}: {error}.",
                hint=hint,
            ) from None

    def holes(self) -> list[str]:
        """Return a sentence for each package of the server whose release has a security hole."""
        return advisories.find(*self.packages)

    def unused(self, environ: Mapping[str, str], launch: Launch) -> list[str]:
        """Return a sentence for each option or setting that has no effect on this server."""
        asked = {"--workers": launch.workers, "--threads": launch.threads}
        found = [name for name, value in asked.items() if value is not None]
        known = dict.fromkeys(name for row in SERVERS.values() for name in row.reads)
        set_by_image = () if hosts.gunicorn_config(environ) else (names.GUNICORN_CONFIG_PATH,)
        found += [n for n in known if environ.get(n, "").strip() and n not in set_by_image]
        return [
            f"{name} means nothing to {self.name}{reason} and is not used."
            for name in found
            if (reason := self._reason_not_to_use(name)) is not None
        ]

    def unread_file(self, site: str, other: str) -> str:
        """Return a sentence if the site has this server's own file, which `other` does not read."""
        if not self.own_file or not os.path.isfile(os.path.join(site, self.own_file)):
            return ""
        return f"{self.own_file} means nothing to {other} and is not used."

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
            own_file="gunicorn.conf.py",
            no_app=4,
            windows=False,
            own_access_line=True,
            waits=True,
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
            # Granian cannot share a socket between workers on such a system, and would print that.
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
            f"{source} names {name[:32]!r}, which is not a server that this package supports.",
            hint=f"Choose one of {_names()}.",
        )
    return SERVERS[name]


def for_asgi(app: str) -> Server:
    """Return the server for the ASGI app with a name: uvicorn, else granian.

    Raises ConfigError if neither is installed.
    """
    rows = [SERVERS[name] for name in _FOR_ASGI]
    for row in rows:
        if row.is_installed():
            return row
    raise ConfigError(
        f"The app {app!r} is an ASGI app, and no server for such apps is installed.",
        hint=f"Run `{rows[0].install}`, and add it to requirements.txt.",
    )


def _names(*, windows: bool = False) -> str:
    return ", ".join(row.name for row in SERVERS.values() if row.windows or not windows)
