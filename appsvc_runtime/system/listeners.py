"""Where processes listen, as far as the system reports it: Linux in /proc, Windows in its tables.

Reads only. Must not know what the results are for. On Windows the owner is the process that made
the socket, which need not be the one that accepts connections, nor still exist: so the owners are
good for a message, not for a decision. Source: GetExtendedTcpTable, MIB_TCPROW_OWNER_PID and
MIB_TCP6ROW_OWNER_PID in the Windows API reference.
"""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING, Any

from . import process, procfs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["is_listened_on", "listeners"]

_IPV4, _IPV6 = 2, 23  # AF_INET, AF_INET6, as in Windows
_LISTENERS_WITH_OWNER = 3  # TCP_TABLE_OWNER_PID_LISTENER
_TOO_SMALL = 122  # ERROR_INSUFFICIENT_BUFFER
_TRIES = 5
# The local address, its port in the network's order, and the owner; of IPv6 the state as well.
_ROWS = {
    _IPV4: struct.Struct("<4x4sH2x8xI"),
    _IPV6: struct.Struct("<16s4xH2x16x4x4x4xI"),
}


def is_listened_on(port: int) -> bool | None:
    """Return whether any process listens on a port with IPv4, or None if that is unknown.

    It is unknown unless the owner of a listening socket is known for certain, as on Linux.
    """
    return None if process.WINDOWS else procfs.is_listened_on(port)


def listeners(pids: Iterable[int]) -> list[tuple[str, int]]:
    """Return the addresses and ports on which these processes listen, sorted; [] if unknown."""
    if not process.WINDOWS:
        return procfs.listeners(pids)
    wanted = set(pids) - {0}  # 0: the system does not know the owner
    if not wanted:
        return []
    return sorted({place for place, owner in _windows_listeners() if owner in wanted})


def _windows_listeners() -> Iterator[tuple[tuple[str, int], int]]:
    """Yield each listening address with its port, and the owner's process id."""
    windows: Any = ctypes
    table_of: Any = windows.WinDLL("iphlpapi").GetExtendedTcpTable
    for family, row in _ROWS.items():
        table = _read(table_of, family)
        count = int.from_bytes(table[:4], "little")
        for address, port, owner in row.iter_unpack(table[4 : 4 + count * row.size]):
            place = str(ipaddress.ip_address(address)), socket.ntohs(port)
            yield place, owner


def _read(table_of: Any, family: int) -> bytes:
    """Return the table of a family's listeners: a count, and so many rows; b"" if it fails."""
    size = ctypes.c_uint32(0)
    buffer: Any = None
    for _ in range(_TRIES):  # it may grow between two calls
        result = table_of(buffer, ctypes.byref(size), False, family, _LISTENERS_WITH_OWNER, 0)
        if result != _TOO_SMALL:
            return bytes(buffer) if result == 0 and buffer is not None else b""
        buffer = ctypes.create_string_buffer(size.value)
    return b""
