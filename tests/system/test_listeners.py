"""Where processes listen, by Windows' tables: a stand-in for iphlpapi with real rows."""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
from typing import Any

import pytest

from appsvc_runtime.system import listeners, process

SMALL, FAILED = 122, 50  # ERROR_INSUFFICIENT_BUFFER, ERROR_NOT_SUPPORTED
LISTENING = 2


def row(address: str, port: int, owner: int) -> bytes:
    """Return a row of MIB_TCPTABLE_OWNER_PID or MIB_TCP6TABLE_OWNER_PID."""
    packed, port = ipaddress.ip_address(address).packed, socket.htons(port)
    if len(packed) == 4:
        return struct.pack("<I4sI4sII", LISTENING, packed, port, b"", 0, owner)
    return struct.pack("<16sII16sIIII", packed, 0, port, b"", 0, 0, LISTENING, owner)


class Iphlpapi:
    """Its function for tables: `tables` are the rows by family; `grows` adds one after a call."""

    def __init__(self, tables: dict[int, list[bytes]], *, grows: bool = False) -> None:
        self.tables = tables
        self.grows = grows
        self.calls = 0

    def GetExtendedTcpTable(self, buffer: Any, size: Any, *options: Any) -> int:  # noqa: N802
        """Copy a table into the buffer, or return how large it must be."""
        ordered, family, kind, reserved = options
        assert (ordered, kind, reserved) == (False, 3, 0)
        self.calls += 1
        if family not in self.tables:
            return FAILED
        rows = self.tables[family]
        if self.grows and self.calls > 1:
            rows = [*rows, row("10.0.0.1", 99, 12)]
        table = struct.pack("<I", len(rows)) + b"".join(rows) + b"\xff" * 40  # padding
        needed, size._obj.value = size._obj.value < len(table), len(table)
        if buffer is None or needed:
            return SMALL
        ctypes.memmove(buffer, table, len(table))
        return 0


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make this system Windows with the given tables."""

    def make(iphlpapi: Iphlpapi) -> Iphlpapi:
        monkeypatch.setattr(process, "WINDOWS", True)
        monkeypatch.setattr(ctypes, "WinDLL", lambda _name: iphlpapi, raising=False)
        return iphlpapi

    return make


@pytest.mark.parametrize("grows", [False, True])
def test_listeners_of_a_tree(windows: Any, *, grows: bool) -> None:
    """Those of its processes are returned, of both families; a table may grow meanwhile."""
    ipv4 = [row("127.0.0.1", 5000, 11), row("0.0.0.0", 135, 4), row("0.0.0.0", 8080, 0)]
    ipv6 = [row("::1", 5001, 12), row("::", 445, 4)]
    windows(Iphlpapi({2: ipv4, 23: ipv6}, grows=grows))
    more = [("10.0.0.1", 99)] if grows else []
    assert listeners.listeners([11, 12]) == [*more, ("127.0.0.1", 5000), ("::1", 5001)]
    assert listeners.listeners([0]) == []  # owner unknown
    assert listeners.listeners([]) == []
    assert listeners.is_listened_on(5000) is None  # nothing is decided by these tables


def test_tables_that_the_system_refuses(windows: Any) -> None:
    """They are as if empty."""
    windows(Iphlpapi({2: [row("127.0.0.1", 5000, 11)]}))
    assert listeners.listeners([11]) == [("127.0.0.1", 5000)]
    windows(Iphlpapi({}))
    assert listeners.listeners([11]) == []
