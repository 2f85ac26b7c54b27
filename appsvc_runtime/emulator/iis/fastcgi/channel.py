"""The connection of the emulator to a FastCGI process, and substitutes for features of Windows.

Off Windows: a socket pair as standard input, a pipe that carries the names of changed files, and
another socket pair for the shutdown event (see wfastcgi_child.py). On Windows: a named pipe, as in
IIS, and a named event; wfastcgi itself watches files there. Must not know FastCGI.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Iterable
from typing import Any, cast

from ....system import capabilities, process

__all__ = ["Connection", "Wire"]

_TOO_MANY = b"\0"  # an empty name: some names were lost


class Connection(asyncio.BufferedProtocol):
    """The protocol to connect; `connected` is set when it is connected."""

    connected: asyncio.Event


class Wire:
    """The emulator's ends of the connections, and until `release` the ends that a child inherits.

    `stdin` has a `fileno` and is the child's standard input, `pass_fds` must stay open in the
    child, and `arguments` are for wfastcgi_child.py.
    """

    def __init__(self) -> None:
        self.stdin: Any = None
        self.pass_fds: tuple[int, ...] = ()
        self.arguments: tuple[str, ...] = ()
        self._watch: int | None = None
        self._shutdown: socket.socket | None = None
        self._theirs: list[socket.socket | int] = []
        self._event: int = 0
        self._lost = False

    @classmethod
    async def open(cls, protocol: Connection, *, signal: bool = False) -> Wire:
        """Connect `protocol`; with `signal`, create a shutdown event. Raises OSError."""
        wire = cls()
        try:
            if capabilities.socket_as_stdin():
                await wire._open(protocol, signal)
            else:
                await wire._open_on_windows(protocol, signal)
        except BaseException:
            wire.release()
            wire.close()
            raise
        return wire

    def release(self) -> None:
        """Close the ends that the child has inherited."""
        for end in self._theirs:
            if isinstance(end, int):
                os.close(end)
            else:
                end.close()
        self._theirs.clear()
        if not capabilities.socket_as_stdin() and self.stdin is not None:
            self.stdin.close()
        self.stdin = None

    def close(self) -> None:
        """Close the remaining ends, except the connection itself, which its transport closes."""
        if self._watch is not None:
            os.close(self._watch)
            self._watch = None
        if self._shutdown is not None:
            self._shutdown.close()
            self._shutdown = None
        if self._event:
            _kernel32().CloseHandle(self._event)
            self._event = 0

    def tell(self, names: Iterable[str]) -> None:
        """Send names of changed files to the child's watcher: relative, with either slash."""
        if self._watch is None:
            return
        for name in names:
            data = os.fsencode(name.replace("/", "\\")) + b"\0"
            try:
                if self._lost:
                    os.write(self._watch, _TOO_MANY)
                    self._lost = False
                # Not longer than PIPE_BUF, so it is written completely or not at all.
                os.write(self._watch, data)
            except BlockingIOError:
                self._lost = True
            except OSError:  # the child has ended
                return

    def signal_shutdown(self) -> bool:
        """Set the shutdown event; return whether the child may be waiting for it."""
        if self._event:
            return bool(_kernel32().SetEvent(self._event))
        if self._shutdown is None:
            return False
        with contextlib.suppress(OSError):
            if self._shutdown.recv(1):
                self._shutdown.send(b"!")
                return True
        return False

    async def _open(self, protocol: Connection, signal: bool) -> None:
        ours, theirs = socket.socketpair()
        self._theirs.append(theirs)
        self.stdin = theirs
        try:
            await asyncio.get_running_loop().create_connection(lambda: protocol, sock=ours)
        except BaseException:
            ours.close()
            raise
        read, self._watch = os.pipe()
        self._theirs.append(read)
        process.set_nonblocking(self._watch)
        self.pass_fds = (read,)
        self.arguments = ("--watch", str(read))
        if signal:
            self._shutdown, listening = socket.socketpair()
            self._shutdown.setblocking(False)
            self._theirs.append(listening)
            self.pass_fds += (listening.fileno(),)
            self.arguments += ("--shutdown", str(listening.fileno()))

    async def _open_on_windows(self, protocol: Connection, signal: bool) -> None:
        name = rf"\\.\pipe\appsvc-{secrets.token_hex(16)}"
        loop = cast("Any", asyncio.get_running_loop())
        [server] = await loop.start_serving_pipe(lambda: protocol, name)
        try:
            flags = os.O_RDWR | getattr(os, "O_BINARY", 0)
            self.stdin = os.fdopen(os.open(name, flags), "r+b", buffering=0)
            await asyncio.wait_for(protocol.connected.wait(), 10)
        finally:
            server.close()
        if signal:
            event = rf"Local\appsvc-{secrets.token_hex(16)}"
            self._event = _kernel32().CreateEventW(None, True, False, event) or 0
            self.arguments = ("--shutdown", event)


def _kernel32() -> Any:
    import ctypes

    windows: Any = ctypes
    kernel32 = windows.windll.kernel32
    kernel32.CreateEventW.restype = ctypes.c_void_p
    kernel32.SetEvent.argtypes = kernel32.CloseHandle.argtypes = [ctypes.c_void_p]
    return kernel32
