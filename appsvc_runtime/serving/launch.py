"""What an entry point asks of a server: the app, the address, the limits.

Must not know of any server.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..apps import load
from ..azure import ports
from ..errors import ConfigError
from ..system.console import echo

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Launch", "enter", "hide_main"]


@dataclass(frozen=True)
class Launch:
    """What a door asks for.

    `app`, `host`, `port`, `server`, `threads`, `graceful_timeout` (seconds) are the command line's,
    None where it says nothing. `site` is the app's folder, `default_server` and `default_host` the
    door's; `port_sources` are the variables that may say the port. In a `container` there are
    access lines unless they are switched off, and the server stops before the platform kills it.
    """

    app: str | None
    site: str
    host: str | None
    port: str | None
    server: str | None
    default_server: str
    default_host: str
    port_sources: Iterable[str]
    threads: int | None = None
    graceful_timeout: int | None = None
    container: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def address(self) -> str:
        """The address to listen on."""
        return self.host or self.default_host

    def choose_port(self) -> int:
        """Give the port to listen on, 0 for a free one. Raises ConfigError."""
        return ports.choose_port(self.port, os.environ, self.port_sources)

    def choose_app(self) -> load.AppChoice:
        """Say which app is served, here and in the processes that are started."""
        choice = load.choose_app(self.site, os.environ, self.app)
        os.environ["APPSVC_APP"] = choice.name
        return choice

    def tell(self, choice: load.AppChoice, server: str, port: int, *, ready: bool = True) -> None:
        """Say what is served where (but port 0, not known yet), and how long a start took."""
        where = f" on http://{ports.with_port(self.address, port)}" if port else ""
        took = f", ready after {time.monotonic() - self.began:.2f} s" if ready else ""
        with contextlib.suppress(OSError):  # standard output may be full; the site runs anyway
            echo(f"Serving {choice.name} ({choice.reason}){where} with {server}{took}.")


def enter(site: str) -> str:
    """Make the app's folder the current one, and give its full path; ConfigError if it is none."""
    try:
        os.chdir(site)
    except OSError as error:
        raise ConfigError(
            f"The site folder {site!r} cannot be entered: {error.strerror}.",
            hint="Name the folder that holds your app.",
        ) from None
    return os.getcwd()


def hide_main() -> None:
    """Keep processes that multiprocessing starts anew from running the user's script again.

    It would import what this one was started with, and a runserver.py of two lines has no guard.
    """
    script = sys.modules["__main__"]
    script.__spec__ = None
    script.__dict__.pop("__file__", None)
