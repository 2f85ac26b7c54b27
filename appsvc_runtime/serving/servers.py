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

__all__ = ["SERVERS", "Server", "choose"]

_WORKERS = ("APPSVC_WORKERS", "WEB_CONCURRENCY", names.CUSTOM_WORKERS)
_THREADS = ("APPSVC_THREADS", names.CUSTOM_THREADS)
# Modules that an old release of a server imports and that are no more, and how to have them back.
_REMOVED: dict[str | None, str] = {"pkg_resources": 'pip install "setuptools<82"'}
_GUNICORN = ("GUNICORN_CMD_ARGS", names.GUNICORN_CONFIG_PATH)


@dataclass(frozen=True)
class Server:
    """One server.

    `module` must be importable for it, `install` is how to get it, `door` is the module of ours
    that runs it, told `settings`, which raises ConfigError for a variable that cannot be used.
    `interfaces`: `wsgi`, `asgi`. `reads`: the variables that mean something to it, of those that
    mean something to any. `stop_signals`: on these it finishes what it has begun. `why`: when to
    take it, for people. `packages`: the distributions that read HTTP for it. With an
    `own_access_line` it writes one for each request; else the middleware can.
    """

    name: str
    module: str
    install: str
    door: str
    interfaces: tuple[str, ...]
    reads: tuple[str, ...]
    stop_signals: tuple[str, ...]
    settings: Callable[[Mapping[str, str]], dict[str, Any]]
    why: str
    packages: tuple[str, ...]
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

    def load(self) -> Callable[[Any], int]:
        """Return the function that runs it for a `Launch`, and returns the exit code at its end.

        Raises ConfigError for a release of it that is too old or too new.
        """
        try:
            door = importlib.import_module(f".{self.door}", __package__)
        except ImportError as error:
            hint = f"Run `{self.install} --upgrade`."
            if error.name in _REMOVED:
                hint = f"{hint[:-1]}, or keep this release and run `{_REMOVED[error.name]}`."
            raise ConfigError(
                f"The server {self.name} that is installed is none that this package knows: "
                f"{error}.",
                hint=hint,
            ) from None
        run: Callable[[Any], int] = door.run
        return run

    def holes(self) -> list[str]:
        """Return a sentence for each known security hole of the release that is installed."""
        return advisories.find(*self.packages)

    def unused(self, environ: Mapping[str, str], threads: int | None = None) -> list[str]:
        """Say which settings that are there mean nothing to this server, in a sentence each.

        `threads` is the command line's.
        """
        known = dict.fromkeys(name for row in SERVERS.values() for name in row.reads)
        found = [name for name in known if name not in self.reads and environ.get(name, "").strip()]
        if threads is not None and "APPSVC_THREADS" not in self.reads:
            found.insert(0, "--threads")
        return [f"{name} means nothing to {self.name} and is not used." for name in found]


SERVERS: dict[str, Server] = {
    row.name: row
    for row in (
        Server(
            name="gunicorn",
            module="gunicorn",
            install="pip install gunicorn",
            door="gunicorn.run",
            interfaces=("wsgi",),
            reads=(*_WORKERS, *_THREADS, *_GUNICORN),
            stop_signals=("SIGTERM",),  # its SIGINT is its quick stop
            settings=defaults.gunicorn_settings,
            why="what the platform itself runs, with all of its settings",
            packages=("gunicorn",),
            windows=False,
            own_access_line=True,
        ),
        Server(
            name="waitress",
            module="waitress",
            install="pip install waitress",
            door="waitress.run",
            interfaces=("wsgi",),
            reads=("APPSVC_THREADS",),
            stop_signals=("SIGTERM", "SIGINT"),
            settings=defaults.waitress_settings,
            why="one process of pure Python, on every system",
            packages=("waitress",),
        ),
        Server(
            name="granian",
            module="granian",
            install='pip install "appsvc-runtime[granian]"',
            door="granian.run",
            interfaces=("wsgi", "asgi"),
            reads=(*_WORKERS, *_THREADS),
            stop_signals=("SIGTERM", "SIGINT"),
            settings=defaults.granian_settings,
            why="the fastest",
            packages=("granian",),
        ),
        Server(
            name="uvicorn",
            module="uvicorn",
            install="pip install uvicorn",
            door="uvicorn.run",
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
    """Give the row that `--server` names, else `APPSVC_SERVER`, else `default`.

    Raises ConfigError for a name that is not in the table.
    """
    name = options.resolve("APPSVC_SERVER", argument, environ).lower() or default
    if name not in SERVERS:
        source = "--server" if argument else "APPSVC_SERVER"
        raise ConfigError(
            f"{source} names {name[:32]!r}, which is no server that this package knows.",
            hint=f"Take one of {_names()}.",
        )
    return SERVERS[name]


def _names(*, windows: bool = False) -> str:
    return ", ".join(row.name for row in SERVERS.values() if row.windows or not windows)
