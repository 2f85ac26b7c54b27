"""The TCP sockets of this process, for servers that do not show theirs.

On Linux only; elsewhere nothing is found. Sources: tcp(7), socket(7), the kernel's `linux/tcp.h`
and `tcp.c`: TCP_INFO of a listening socket has the length of its accept queue in `tcpi_unacked`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "acknowledged",
    "are_visible",
    "connections",
    "find_listener",
    "hold_off",
    "unacknowledged",
    "waiting",
]

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_FOLDER = "/proc/self/fd"
_TCP_INFO = 11
# Offsets in `struct tcp_info`.
_UNACKED = 24
_BYTES_ACKED = 120
_SIOCOUTQ = 0x5411
_SO_ATTACH_FILTER = 26
# A classic BPF program, which sees a packet from its TCP header on. It drops those of which the
# flags SYN and ACK are exactly SYN: the first packets of new connections.
_DROP_NEW = (
    (0x30, 0, 0, 13),  # A = the byte with the flags
    (0x54, 0, 0, 0x12),  # A &= SYN | ACK
    (0x15, 0, 1, 0x02),  # skip the next instruction if A != SYN
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # keep it
)


def are_visible() -> bool:
    """Return whether this module can see sockets on this system."""
    return sys.platform == "linux"


def find_listener(port: int) -> socket.socket | None:
    """Return a duplicate of the socket that this process listens on `port` with, or None."""
    for one in _sockets(port):
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            # Not `one.dup()`, which makes the socket of the server a blocking one.
            return socket.socket(fileno=os.dup(one.fileno()))
    return None


def connections(port: int) -> Iterator[tuple[Any, socket.socket]]:
    """Yield the peer's address and a duplicate of each connection to `port`, and close it."""
    for one in _sockets(port):
        with contextlib.suppress(OSError):
            yield one.getpeername(), one


def acknowledged(connection: socket.socket) -> int:
    """Return how many bytes the peer's system has received so far. Raises OSError."""
    info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _BYTES_ACKED + 8)
    return int(struct.unpack_from("Q", info, _BYTES_ACKED)[0])


def unacknowledged(connection: socket.socket) -> int:
    """Return how many bytes wait for the peer's system to receive them. Raises OSError."""
    if sys.platform == "win32":
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    import fcntl

    answer = fcntl.ioctl(connection.fileno(), _SIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])


def hold_off(listener: socket.socket) -> None:
    """Let no new connection enter a listening socket's queue; those on their way still do.

    The client's system tries again a second later, when another process may listen.
    """
    import ctypes

    code = b"".join(struct.pack("HBBI", *one) for one in _DROP_NEW)
    memory = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(_DROP_NEW), ctypes.addressof(memory))
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def waiting(listener: socket.socket) -> int:
    """Return the number of connections that wait to be accepted, 0 if unknown."""
    try:
        info = listener.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _UNACKED + 4)
    except OSError:
        return 0
    return int(struct.unpack_from("I", info, _UNACKED)[0])


def _sockets(port: int) -> Iterator[socket.socket]:
    """Yield duplicates of this process's TCP sockets with the local `port`, and close them."""
    if not are_visible():
        return
    for name in os.listdir(_FOLDER):
        with contextlib.suppress(OSError):
            if not os.readlink(f"{_FOLDER}/{name}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(name))) as one:
                if one.family in _FAMILIES and one.getsockname()[1] == port:
                    yield one
