"""The connection to a FastCGI process: the Windows side with stand-ins, and a child's input."""

from __future__ import annotations

import asyncio
import ctypes
import os
import select
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appsvc_runtime.emulator.iis.fastcgi import channel, wfastcgi_child
from appsvc_runtime.emulator.iis.fastcgi.channel import Wire
from appsvc_runtime.emulator.iis.fastcgi.connection import FastCgiConnection
from appsvc_runtime.system import process
from tests.support.fastcgi_emulated import Log


class Kernel32:
    """A stand-in for Windows' functions for events."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def CreateEventW(self, *args: Any) -> int:  # noqa: N802
        """Create an event."""
        self.calls.append(("create", *args))
        return 77

    def SetEvent(self, event: int) -> int:  # noqa: N802
        """Set the event."""
        self.calls.append(("set", event))
        return 1

    def CloseHandle(self, event: int) -> int:  # noqa: N802
        """Close the event."""
        self.calls.append(("close", event))
        return 1


def test_on_windows_the_connection_is_a_named_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop serves one end; the other is the child's standard input. The event has a name."""
    kernel32 = Kernel32()
    names: list[str] = []
    closed: list[bool] = []
    monkeypatch.setattr(process, "WINDOWS", True)
    monkeypatch.setattr(channel, "_kernel32", lambda: kernel32)
    real_open = os.open

    def open_pipe(name: str, flags: int) -> int:
        names.append(name)
        assert flags & os.O_RDWR
        return real_open(os.devnull, os.O_RDWR)

    async def serve(factory: Any, name: str) -> list[Any]:
        names.append(name)
        asyncio.get_running_loop().call_soon(factory().connection_made, SimpleNamespace())
        return [SimpleNamespace(close=lambda: closed.append(True))]

    async def work() -> None:
        asyncio.get_running_loop().start_serving_pipe = serve  # type: ignore[attr-defined]
        connection = FastCgiConnection("x", Log())
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", open_pipe)
            wire = await Wire.open(connection, signal=True)
        assert names[0] == names[1]
        assert names[0].startswith("\\\\.\\pipe\\appsvc-")
        assert closed == [True]
        assert os.fstat(wire.stdin.fileno())
        assert wire.pass_fds == ()
        option, event = wire.arguments
        assert option == "--shutdown"
        assert kernel32.calls == [("create", None, True, False, event)]
        assert wire.signal_shutdown()
        wire.tell(["wfastcgi watches itself"])
        wire.release()
        wire.close()
        wire.close()
        assert kernel32.calls[1:] == [("set", 77), ("close", 77)]

    asyncio.run(work())


def test_on_windows_the_child_opens_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child opens it, and passes its handle to wfastcgi in the variable that IIS uses."""
    opened = []

    def open_event(*args: Any) -> int:
        opened.append(args)
        return 123

    kernel32 = SimpleNamespace(OpenEventW=wfastcgi_child.Function(open_event))
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel32), raising=False)
    monkeypatch.setenv("_FCGI_SHUTDOWN_EVENT_", "an outer one")
    wfastcgi_child._prepare(-1, "Local\\appsvc-x")
    assert os.environ["_FCGI_SHUTDOWN_EVENT_"] == "123"
    assert opened == [(0x00100000, 0, "Local\\appsvc-x")]
    wfastcgi_child._prepare(-1, "")
    assert "_FCGI_SHUTDOWN_EVENT_" not in os.environ


def changes(kernel32: wfastcgi_child.Kernel32, size: int = 32 * 1024) -> list[str] | None:
    """Return the changes as wfastcgi reads them, or None if some were lost."""
    buffer = ctypes.create_string_buffer(size)
    returned = ctypes.c_uint32()
    code = kernel32.ReadDirectoryChangesW(
        1, buffer, size, True, 0x10, ctypes.byref(returned), None, None
    )
    if not code:
        assert kernel32.GetLastError() == 1022
        return None
    names = []
    at = 0
    while True:
        following, action, length = wfastcgi_child._ENTRY.unpack_from(buffer.raw, at)
        assert action == 3
        assert following % 4 == 0
        # As wfastcgi reads it: half of the length, in wide characters of this system.
        names.append(ctypes.wstring_at(ctypes.addressof(buffer) + at + 12, length // 2))
        end = at + 12 + length // 2 * ctypes.sizeof(ctypes.c_wchar)
        assert end <= returned.value
        if not following:
            assert end == returned.value
            return names
        assert end <= at + following
        at += following


def test_the_watchers_buffer_is_filled_as_windows_fills_it(tmp_path: Path) -> None:
    """Entries follow one another at multiples of four; one that does not fit comes next time."""

    async def work() -> None:
        connection = FastCgiConnection("x", Log())
        wire = await Wire.open(connection)
        kernel32 = wfastcgi_child.Kernel32(wfastcgi_child.Changes(wire.pass_fds[0]), -1)
        wire.tell(["a.py", "sub/ż😀.py"])
        assert changes(kernel32) == ["a.py", "sub\\ż😀.py"]
        wire.tell([f"{number:040}" for number in range(20)])
        found: list[str] = []
        while len(found) < 20:
            some = changes(kernel32, 300)
            assert some is not None
            assert len(some) <= 3  # entries of at least 52 bytes
            found += some
        assert found == [f"{number:040}" for number in range(20)]
        wire.tell(["x" * 400])
        assert changes(kernel32, 300) is None
        wire.tell(["y" * 1000] * 100)  # more than fits into a pipe
        wire.tell(["z"])
        seen: list[str] | None = []
        while seen is not None and select.select([wire.pass_fds[0]], [], [], 0)[0]:
            seen = changes(kernel32)
        while seen is not None:
            wire.tell(["again"])
            seen = changes(kernel32)
        wire.release()
        wire.close()
        await asyncio.wait_for(connection.closed.wait(), 5)

    asyncio.run(work())


def test_a_wire_that_cannot_be_made_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's error is raised."""

    def refuse() -> None:
        raise OSError(24, "Too many open files")

    async def work() -> None:
        monkeypatch.setattr(os, "pipe", refuse)
        connection = FastCgiConnection("x", Log())
        with pytest.raises(OSError, match="Too many"):
            await Wire.open(connection)
        connection.abort()
        await asyncio.wait_for(connection.closed.wait(), 5)

    asyncio.run(work())
