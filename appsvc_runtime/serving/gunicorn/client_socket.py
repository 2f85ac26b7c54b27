"""The socket of a client: what it does not take or send at once is waited for, up to a deadline.

The worker's loop reads from it without waiting, so it is not blocking; a thread that runs the app
writes to it, and reads the rest of a large body. Knows the system's sockets, and nothing of HTTP or
the worker.
"""

from __future__ import annotations

import array
import errno
import os
import select
import socket
import time
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["ClientSocket", "ClientStalledError"]

_PIECE = 1 << 18
_LOOK_SECONDS = 5.0
# How long a client may do nothing if a thousand others are waited for, and no thread is to spare.
_CROWDED_SECONDS = 2.0
# A file is sent in pieces, so that progress can be seen.
_FILE_PIECE = 1 << 20
_NO_SENDFILE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


class ClientStalledError(TimeoutError):
    """The client has neither read nor sent anything for a long time."""


class ClientSocket(socket.socket):
    """A connection to a client; `waiting` is entered while a thread waits for the client."""

    waiting: Callable[[], AbstractContextManager[bool]]
    # The error that ended the connection; what the app makes of it may look different.
    failure: OSError | None = None
    read_seconds = 30.0
    read_bytes = 0
    write_seconds = 300.0

    @classmethod
    def of(cls, plain: socket.socket) -> ClientSocket:
        """Return a socket that takes the place of `plain`, which cannot be used any more."""
        made = cls(plain.family, plain.type, plain.proto, fileno=plain.detach())
        made.setblocking(False)
        return made

    def send_now(self, data: bytes) -> int:
        """Send what the client takes at once; return how much. Raises no error."""
        try:
            return super().send(data)
        except OSError:
            return 0

    def send(self, data: Any, flags: int = 0) -> int:
        """Send a part of `data`, as `socket.send` does on a blocking socket.

        An app may have made the socket blocking: the system would wait without our limit, and
        `waiting` would not be entered.
        """
        while True:
            try:
                return super().send(data, flags | socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                self._wait_until_writable()
            except OSError as error:
                self._fail(error)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of `data`. Raises ClientStalledError if the client does not read."""
        sent = self.send(data, flags)
        if sent == len(data):
            return
        with memoryview(data) as view, view.cast("B") as left:
            while sent < len(left):
                sent += self.send(left[sent:], flags)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a part of a file, as `socket.sendfile` does on a blocking socket."""
        source, sent = file.fileno(), 0
        while count is None or sent < count:
            wanted = _FILE_PIECE if count is None else min(_FILE_PIECE, count - sent)
            try:
                if self.getblocking():  # `os.sendfile` would wait as long as the client likes
                    moved = self._send_piece(source, offset + sent, wanted)
                else:
                    moved = os.sendfile(self.fileno(), source, offset + sent, wanted)
            except (BlockingIOError, InterruptedError):
                self._wait_until_writable()
                continue
            except OSError as error:
                if sent or error.errno not in _NO_SENDFILE:
                    self._fail(error)
                moved = self._send_piece(source, offset, wanted)  # not a file of a disk
            if not moved:
                break
            sent += moved
        return sent

    def receive(self, most: int) -> bytes:
        """Return the next bytes of a body, waiting for them.

        Raises ClientStalledError for a client that sends less than `read_bytes` in `read_seconds`,
        and ConnectionResetError for one that sends no more.
        """
        while True:
            try:
                data = super().recv(min(most, _PIECE) if most else _PIECE)
            except (BlockingIOError, InterruptedError):
                self._wait_until_readable()
                continue
            except OSError as error:
                self._fail(error)
            if not data:
                self._fail(ConnectionResetError(errno.ECONNRESET, "the request is not complete"))
            self._received += len(data)
            return data

    _waited = 0.0
    _received = 0

    def _wait_until_readable(self) -> None:
        """Wait until the client has sent something. Only the time of waiting counts for it."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        with self.waiting() as is_spare:
            while True:
                began = time.monotonic()
                most = max(0.0, self.read_seconds - self._waited)
                is_there = poll.poll((most if is_spare else min(most, _CROWDED_SECONDS)) * 1000)
                self._waited += time.monotonic() - began
                if not (is_there or is_spare):
                    self._fail(ClientStalledError("the client stopped sending its request"))
                if self._waited >= self.read_seconds:
                    if self._received < self.read_bytes and not is_there:
                        self._fail(ClientStalledError("the client stopped sending its request"))
                    self._waited, self._received = 0.0, 0
                if is_there:
                    return

    def _wait_until_writable(self) -> None:
        """Wait until the client has read something.

        A socket becomes writable when a third of the system's buffer is free, which takes a slow
        client minutes: so what counts is whether the buffer gets smaller.
        """
        poll = select.poll()
        poll.register(self.fileno(), select.POLLOUT)
        left = self._unsent()
        with self.waiting() as is_spare:
            seconds = self.write_seconds if is_spare else min(self.write_seconds, _CROWDED_SECONDS)
            last = time.monotonic() + seconds
            while not poll.poll(min(_LOOK_SECONDS, seconds) * 1000):
                unsent, now = self._unsent(), time.monotonic()
                if unsent < left or unsent < 0:
                    left, last = unsent, now + seconds
                elif now >= last:
                    self._fail(ClientStalledError("the client does not read its response"))

    def _unsent(self) -> int:
        """Return how many bytes the client's system has not taken yet; -1 if it is not known."""
        try:
            import fcntl
            import termios

            number = array.array("i", [0])
            fcntl.ioctl(self.fileno(), termios.TIOCOUTQ, number)
        except (ImportError, AttributeError, OSError):
            return -1
        return number[0]

    def _fail(self, error: OSError) -> NoReturn:
        self.failure = error
        raise error

    def _send_piece(self, source: int, offset: int, count: int) -> int:
        data = os.pread(source, count, offset)
        self.sendall(data)
        return len(data)
