"""An entry point's options for a start, before anything is read from the environment.

Must not know of any server.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Launch", "enter", "hide_main"]


@dataclass(frozen=True)
class Launch:
    """The command line of an entry point, and the entry point's own defaults.

    `app`, `host`, `port`, `server`, `threads`, `workers`, `graceful_timeout` (seconds) are the
    command line's, None if it does not name them. `site` is the app's folder. `default_server` and
    `default_host` are the entry point's; `port_sources` are the variables that may name the port.
    In a `container` access lines are written unless they are switched off, and the server stops
    before the platform kills it. `plan.make_plan` resolves all of this.
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
    workers: int | None = None
    graceful_timeout: int | None = None
    container: bool = False
    began: float = field(default_factory=time.monotonic)


def enter(site: str) -> str:
    """Make the app's folder the current one, and return its full path.

    Raises ConfigError for a folder that cannot be entered.
    """
    try:
        os.chdir(site)
    except OSError as error:
        raise ConfigError(
            f"The site folder {site!r} cannot be entered: {error.strerror}.",
            hint="Name the folder that holds your app.",
        ) from None
    return os.getcwd()


def hide_main() -> None:
    """Keep processes that multiprocessing starts from running the user's script again.

    Such a process imports the script that this one runs, and a runserver.py of two lines has no
    `if __name__ == "__main__"`.
    """
    script = sys.modules["__main__"]
    script.__spec__ = None
    script.__dict__.pop("__file__", None)
