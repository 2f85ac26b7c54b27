"""A TCP transport that begins at once: half of what asyncio's costs where a connection is short.

asyncio's own takes turns of the event loop to begin and to end, which is most of the time that a
server that closes its connection after each answer costs its front end. Must not know what is sent.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

__all__ = ["SlimTransport"]

_READ = 0x40000
_HIGH_WATER = 0x10000


class SlimTransport(asyncio.Transport):
    """Connects a protocol to a connected, non-blocking socket, which is its own from now on.

    When the other side ends, so does this one, as soon as all is sent. For event loops that can
    watch a socket (`loop.add_reader`; Windows' own cannot).
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: asyncio.Protocol
    ) -> None:
        super().__init__()
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._protocol = protocol
        self._unsent = bytearray()
        self._closing = False
        self._lost = False
        self._reading = True
        self._paused = False  # the protocol is to write no more
        protocol.connection_made(self)
        loop.add_reader(self._fd, self._readable)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Give the socket, as `socket`."""
        return self._sock if name == "socket" else default

    def is_closing(self) -> bool:
        """Say whether it is closed, or is about to be."""
        return self._closing

    def is_reading(self) -> bool:
        """Say whether what comes is read."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Leave what comes where it is."""
        if self.is_reading():
            self._reading = False
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        """Read again."""
        if not self._reading and not self._closing:
            self._reading = True
            self._loop.add_reader(self._fd, self._readable)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes; what is not taken at once is kept until it is."""
        if self._closing:
            return
        if not self._unsent:
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._lose(error)
                return
            if sent == len(data):
                return
            data = memoryview(data)[sent:]
            self._loop.add_writer(self._fd, self._writable)
        self._unsent += data
        if len(self._unsent) > _HIGH_WATER and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """Read nothing more, and end the connection when all has been sent."""
        if not self._closing:
            self._closing = True
            if self._reading:
                self._loop.remove_reader(self._fd)
            if not self._unsent:
                self._end(None)

    def abort(self) -> None:
        """End the connection now."""
        self._lose(None)

    def _readable(self) -> None:
        try:
            data = self._sock.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            try:
                self._protocol.data_received(data)
            except BaseException:
                self._lose(None)
                raise
        else:
            self._protocol.eof_received()
            self.close()

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        del self._unsent[:sent]
        if self._paused and len(self._unsent) <= _HIGH_WATER // 4:
            self._paused = False
            self._protocol.resume_writing()
        if not self._unsent:
            self._loop.remove_writer(self._fd)
            if self._closing:
                self._end(None)

    def _lose(self, error: OSError | None) -> None:
        """End the connection, whatever is still to be sent."""
        if self._lost:
            return
        if not self._closing:
            self._closing = True
            if self._reading:
                self._loop.remove_reader(self._fd)
        if self._unsent:
            self._unsent.clear()
            self._loop.remove_writer(self._fd)
        self._end(error)

    def _end(self, error: OSError | None) -> None:
        self._lost = True
        self._sock.close()
        # Not before the protocol has done what it is doing.
        self._loop.call_soon(self._protocol.connection_lost, error)
