"""Whether a process listens on its port, and if not, where else.

If the system reports the owner of a socket (Linux), the process itself or one that it started must
own it, with IPv4, as HttpPlatformHandler requires: PostStartCheck and CheckIfServerIsUp of
serverprocess.cpp (lextudio/httpplatformhandlerv2) read the table of IPv4 listeners with their
owners. On other systems, try a connection: the Python of a virtual environment on Windows starts
another one, which may not be in the tree. Must not know of requests.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
from typing import TYPE_CHECKING

from ...azure.ports import with_port
from ...errors import ConfigError
from ...system import listeners, sockets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...system.process_tree import Tree

__all__ = ["free_port", "is_open", "is_ready", "listened_on", "listens_elsewhere"]

_HOST = "127.0.0.1"
_REACHES_LOOPBACK = ("0.0.0.0", _HOST)
# MIN_PORT_RANDOM and MAX_PORT of serverprocess.h.
_FIRST_PORT, _LAST_PORT = 10_000, 48_000
_TRIES = 20
_CONNECT_SECONDS = 1.0


def free_port(taken: Iterable[int] = ()) -> int:
    """Return a random free port that is not in `taken`; raise ConfigError if none is found."""
    known = set(taken)
    for _ in range(_TRIES):
        port = random.randint(_FIRST_PORT, _LAST_PORT)
        if port in known:
            continue
        try:
            sockets.bind(_HOST, port).close()
        except ConfigError:
            continue
        return port
    raise ConfigError(
        f"No free port was found between {_FIRST_PORT} and {_LAST_PORT}.",
        hint="Stop programs that listen on these ports.",
    )


async def is_ready(tree: Tree, port: int) -> bool:
    """Return whether the tree listens on 127.0.0.1:`port`."""
    listened_on = listeners.is_listened_on(port)
    if listened_on is None:
        return await _takes_connections(port)
    if not listened_on:
        return False
    own = listeners.listeners(tree.alive())
    return any((address, port) in own for address in _REACHES_LOOPBACK)


async def is_open(tree: Tree, port: int) -> bool:
    """Return whether the tree can be reached on `port` from other machines, with IPv4.

    If the system does not report owners of sockets, try a connection from this machine.
    """
    if listeners.is_listened_on(port) is None:
        return await _takes_connections(port)
    return any(
        number == port and not ipaddress.ip_address(address).is_loopback
        for address, number in listeners.listeners(tree.alive())
    )


def listened_on(tree: Tree) -> list[tuple[str, int]]:
    """Return the addresses and ports where the tree listens, if the system reports them."""
    return listeners.listeners(tree.alive())


def listens_elsewhere(tree: Tree, port: int) -> str:
    """Return a sentence about where the tree listens instead, or "" if nowhere or unknown."""
    # Called first: a listener that starts between the two calls belongs to the tree.
    taken = listeners.is_listened_on(port)
    own = listeners.listeners(tree.alive())
    if not own and taken:
        return f"Another program listens on port {port}, which was free before."
    wrong = [place for place in own if place not in [(a, port) for a in _REACHES_LOOPBACK]]
    return _describe(wrong, port) if wrong else ""


def _describe(wrong: list[tuple[str, int]], port: int) -> str:
    shown = " and ".join(with_port(address, number) for address, number in wrong[:3])
    if any(number == port and ipaddress.ip_address(a).version == 6 for a, number in wrong):
        return f"It listens on {shown}, but not with IPv4, which IIS uses."
    return f"It listens on {shown} instead of {_HOST}:{port}."


async def _takes_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(_HOST, port), _CONNECT_SECONDS)
    except (OSError, asyncio.TimeoutError):
        return False
    writer.close()
    return True
