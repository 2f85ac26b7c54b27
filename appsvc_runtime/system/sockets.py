"""Sockets: binding to a port, errors when that fails, the limit of connections."""

from __future__ import annotations

import errno
import socket
import sys

from ..errors import ConfigError
from . import process

__all__ = ["bind", "max_connections", "own_address", "port_error", "reserve"]


_MAX_CONNECTIONS = 4_000


# CPython's select() takes 512 sockets on Windows; elsewhere poll() is used.
_MAX_CONNECTIONS_WINDOWS = 450


# Files that an app has open in addition to its clients' connections.
_SPARE_FILES = 100


def max_connections() -> int:
    """Return how many connections one process may hold, with files to spare for the app.

    If the system allows it, this process's limit of open files is raised: a server that runs out of
    them spins, refusing every client.
    """
    if process.WINDOWS:
        return _MAX_CONNECTIONS_WINDOWS
    import resource  # missing on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_CONNECTIONS + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return min(_MAX_CONNECTIONS, max(soft - _SPARE_FILES, soft // 2))


def reserve(port: int) -> socket.socket | None:
    """Return a socket whose life keeps others from reserving `port`; None if one has reserved it.

    It does not listen there: that is for a child, which starts later. Only callers of this function
    look, and on Linux only; elsewhere nothing is kept.
    """
    if sys.platform != "linux":
        return socket.socket()
    kept = socket.socket(socket.AF_UNIX)
    try:
        kept.bind(f"\0appsvc-runtime-port-{port}")  # no file, and gone with the process
    except OSError:
        kept.close()
        return None
    return kept


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to `host` and `port` (0 picks a free one) that does not listen yet.

    Raise ConfigError for a port in use, or a host that is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # UnicodeError for an invalid host name
        reason = getattr(error, "strerror", None) or "it is not a host name"
        raise ConfigError(
            f"The host {host!r} cannot be used: {reason}.", hint="Give an address."
        ) from None
    try:
        if process.WINDOWS:
            # There SO_REUSEADDR would let a second process take over a port in use.
            bound.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE"), 1)  # noqa: B009
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise port_error(host, port, error) from None
    return bound


def own_address() -> str:
    """Return this machine's IPv4 address in the host's own network, or "".

    It is the address of the route to the link-local network, from which the platform probes its
    containers. Nothing is sent: connecting a datagram socket only chooses the route.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("169.254.169.254", 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def port_error(host: str, port: int, error: OSError) -> ConfigError:
    """Return the error for a `host` and `port` that cannot be bound to or listened on."""
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"Port {port} on {host} is already in use by another process.",
            hint="Stop that process, or choose another port.",
        )
    return ConfigError(
        f"Port {port} on {host} cannot be used: {error.strerror}.", hint="Choose another."
    )
