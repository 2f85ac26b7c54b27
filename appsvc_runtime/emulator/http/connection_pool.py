"""Connections to servers on this machine: made, kept for a moment, used again.

Must not know what goes over them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket

from ...system import capabilities
from .head_guard import Wire
from .slim_transport import SlimTransport

__all__ = ["Connections"]

_HOST = "127.0.0.1"
# Servers close connections that are not used for a time of their own, mostly two seconds or more.
_KEPT_FOR = 1.5
# IP_BIND_ADDRESS_NO_PORT of ip(7): the port is chosen with the connection, so that one may be taken
# that another has had a moment ago. Only Linux has it (and netlink); named from Python 3.12 on.
_NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24 if hasattr(socket, "AF_NETLINK") else None)
_UNDER_WAY = (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK)


class Connections:
    """Connections to 127.0.0.1, by port.

    `source` is the address that they come from, where this machine has it; "" for any.
    """

    def __init__(self, source: str = "") -> None:
        self.source = source if source and _has_address(source) else ""
        self._kept: dict[int, list[tuple[float, Wire]]] = {}
        self._wires: set[Wire] = set()
        self._timer: asyncio.TimerHandle | None = None

    def take(self, port: int) -> Wire | None:
        """Give a connection that was kept, None for none that is still good."""
        kept = self._kept.get(port)
        if not kept:
            return None
        oldest = asyncio.get_running_loop().time() - _KEPT_FOR
        while kept:
            since, wire = kept.pop()
            if since > oldest and wire.rests:
                return wire
            wire.close()
        return None

    async def make(self, port: int, timeout: float) -> Wire:
        """Make a new connection; OSError where nobody takes it, asyncio.TimeoutError in time."""
        loop = asyncio.get_running_loop()
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            if self.source:
                if _NO_PORT is not None:
                    made.setsockopt(socket.IPPROTO_IP, _NO_PORT, 1)
                made.bind((self.source, 0))
            if not _connect_at_once(made, port):
                await asyncio.wait_for(_connect(loop, made, port), timeout)
        except BaseException:
            made.close()
            raise
        if not capabilities.watches_sockets():
            _, wire = await loop.create_connection(lambda: Wire(loop, self._wires), sock=made)
        else:
            wire = Wire(loop, self._wires)
            SlimTransport(loop, made, wire)
        return wire

    def give_back(self, port: int, wire: Wire) -> None:
        """Keep a connection, if there can be another exchange on it, else close it."""
        if not wire.rest():
            wire.close()
            return
        loop = asyncio.get_running_loop()
        self._kept.setdefault(port, []).append((loop.time(), wire))
        if self._timer is None:
            self._timer = loop.call_later(_KEPT_FOR, self._sweep)

    async def close(self) -> None:
        """End all connections, those in use too."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._kept.clear()
        for wire in list(self._wires):
            wire.abort()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    def _sweep(self) -> None:
        """Close what was kept for nobody."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - _KEPT_FOR
        for port, kept in list(self._kept.items()):
            young = [(since, wire) for since, wire in kept if since > oldest and wire.rests]
            for _, wire in set(kept).difference(young):
                wire.close()
            self._kept[port] = young
            if not young:
                del self._kept[port]
        self._timer = loop.call_later(_KEPT_FOR, self._sweep) if self._kept else None


def _connect_at_once(made: socket.socket, port: int) -> bool:
    """Try to connect without waiting; OSError where nobody listens.

    Linux has connected a loopback socket before it returns, but says so when it is asked again
    only. Windows' event loop does this, and cannot watch a socket, but by transports of its own.
    """
    if not capabilities.watches_sockets():
        return False
    code = made.connect_ex((_HOST, port))
    if code == errno.EINPROGRESS:
        code = made.connect_ex((_HOST, port))
    if code in _UNDER_WAY:
        return False
    if code not in (0, errno.EISCONN):
        raise OSError(code, os.strerror(code))
    return True


async def _connect(loop: asyncio.AbstractEventLoop, made: socket.socket, port: int) -> None:
    try:
        await loop.sock_connect(made, (_HOST, port))
    except OSError as error:
        if error.errno != errno.EISCONN:  # by now it is
            raise


def _has_address(address: str) -> bool:
    """Say whether a connection can come from an address: Linux has all of 127.0.0.0/8."""
    with contextlib.suppress(OSError), socket.socket() as tried:
        tried.bind((address, 0))
        return True
    return False
