"""The front end's view of the host behind it. Data and a protocol only."""

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
    """A site's names, and the `folder` for the files of its emulator.

    `default` is its host name under azurewebsites.net, `public` the host name that clients use.
    `authentication`: App Service authentication is on.
    """

    site: str
    default: str
    public: str
    authentication: bool
    folder: Path


class Host(Protocol):
    """The host behind the front end: IIS with its workers, or Linux containers."""

    names: Names
    # Why a response is not what the user wants although its status is good; "" for no such reason.
    remark: str

    async def start(self, tell: Callable[[str], None], taken: int) -> str | None:
        """Start the host, and wait until it can respond; return "", or the reason why it cannot.

        Return None if another start has replaced this one in the meantime. `tell` is called with
        the result of each later start, also of one that has replaced this one. `taken` is the front
        end's port. Raises ConfigError if the site cannot be started at all.
        """

    async def ask(self, request: Request) -> Answer | Tunnel:
        """Return the response to a request."""

    async def stop(self, busy: Callable[[], bool]) -> None:
        """End the site as the platform does, and return when its last response has come.

        Requests that run meanwhile are still passed on: `busy` returns whether a client waits for
        one. `close` follows. A host that has nothing to say to a site before its end returns.
        """

    async def close(self) -> None:
        """Stop everything in order; if this call is cancelled, at once."""

    async def kill(self) -> None:
        """Stop everything at once."""


@dataclass(frozen=True)
class Serving:
    """How a site is served.

    `port` is the port as the user wrote it (0 picks one); `or_next`: if it is taken, one of the
    next is used, as the user has named none. `check` is a path to request, or None. `sign_in`: the
    pages of App Service authentication are served, below /.auth/. `allowed_hosts`: names that
    requests may use in addition to the site's and this machine's.
    """

    port: str = "8000"
    or_next: bool = False
    https: bool = False
    raw: bool = False
    request_limit: float = azure_names.REQUEST_LIMIT_SECONDS
    check: str | None = None
    sign_in: bool = False
    allowed_hosts: Sequence[str] = ()
