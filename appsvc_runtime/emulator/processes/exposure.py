"""Where a site's processes can be reached from other machines, reported once.

The front end listens on 127.0.0.1 alone. The processes behind it may not: the platform connects to
a container from outside, so its server listens on all addresses. Must not know of requests.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from ...azure.ports import with_port
from ..http.messages import Say

__all__ = ["Exposure", "Place", "reachable"]

# An address and a port.
Place = tuple[str, int]
_MAX_SHOWN = 5


def reachable(places: Iterable[Place]) -> list[Place]:
    """Return the listening addresses that are not loopback addresses."""
    return [place for place in places if not ipaddress.ip_address(place[0]).is_loopback]


class Exposure:
    """Collects addresses and reports all of them in one line at `tell`; later ones in a line each.

    `why` is a short reason why they must be open, or "".
    """

    def __init__(self, say: Say, why: str = "") -> None:
        self._say = say
        self._why = f", {why}" if why else ""
        self._known: dict[Place, None] = {}
        self._told = False

    def add(self, places: Iterable[Place]) -> None:
        """Add addresses that processes listen on."""
        new = [place for place in reachable(places) if place not in self._known]
        self._known.update(dict.fromkeys(new))
        if new and self._told:
            self._explain(new)

    def tell(self) -> None:
        """Report the known addresses, if any."""
        self._told = True
        if self._known:
            self._explain(list(self._known))

    def _explain(self, places: list[Place]) -> None:
        shown = ", ".join(with_port(*place) for place in places[:_MAX_SHOWN])
        more = f" and {len(places) - _MAX_SHOWN} more" if len(places) > _MAX_SHOWN else ""
        self._say(
            "emulator",
            f"The app listens on {shown}{more}{self._why}: other machines on your network, and web "
            "pages in your browser, can reach it without the front end and its checks. Block the "
            "port on a network that you do not trust.",
        )
