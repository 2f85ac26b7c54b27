"""What the front end needs to know of the host behind it. Data and a protocol only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...azure import names as azure_names
from .messages import Answer, Request, Tunnel

__all__ = ["Host", "Names", "Serving"]


@dataclass(frozen=True)
class Names:
    """What a site is called, and where what belongs to its emulator is kept.

    `default` is its host name under azurewebsites.net, `public` the one that visitors ask for.
    `authentication`: App Service authentication is on.
    """

    site: str
    default: str
    public: str
    authentication: bool
    folder: Path


class Host(Protocol):
    """What stands behind the front end: IIS with its workers, or Linux containers."""

    names: Names
    # Why an answer is not what its user wants, however good its status; "" for no such reason.
    remark: str

    async def start(self, tell: Callable[[str], None], taken: int) -> str | None:
        """Start, and wait until a request can be answered; give "", or why it cannot.

        `tell` takes the same of each later start, also of one that has replaced this one (then None
        is given); `taken` is the port that the front end has. ConfigError for what cannot be
        started at all.
        """

    async def ask(self, request: Request) -> Answer | Tunnel:
        """Answer a request."""

    async def close(self) -> None:
        """End everything in order; cancelled, at once."""

    async def kill(self) -> None:
        """End everything at once."""


@dataclass(frozen=True)
class Serving:
    """How a site is served: `port` as written (0 picks one), `check` a path to ask for, or None.

    `sign_in`: the pages of App Service authentication are served, below /.auth/. `allowed_hosts`:
    names that requests may use beside the site's and this machine's own.
    """

    port: str = "8000"
    https: bool = False
    raw: bool = False
    request_limit: float = azure_names.REQUEST_LIMIT_SECONDS
    check: str | None = None
    sign_in: bool = False
    allowed_hosts: Sequence[str] = ()
