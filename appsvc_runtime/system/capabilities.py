"""What this operating system can do: functions named after abilities, not after systems.

Other packages call these; only this package checks which system it is.
"""

from __future__ import annotations

from . import process

__all__ = [
    "can_fork",
    "has_quotes_in_names",
    "keeps_connections_alive",
    "links_freely",
    "polls_sockets",
    "runs_batch_files",
    "shares_listening_sockets",
    "socket_as_stdin",
]


def can_fork() -> bool:
    """Return whether processes can be forked, which gunicorn and Linux containers need."""
    return not process.WINDOWS


def has_quotes_in_names() -> bool:
    """Return whether the name of a file may have a quotation mark."""
    return not process.WINDOWS


def keeps_connections_alive() -> bool:
    """Return whether aiohttp can switch TCP keep-alive on for a connection."""
    return not process.WINDOWS


def links_freely() -> bool:
    """Return whether symbolic links need no special right."""
    return not process.WINDOWS


def polls_sockets() -> bool:
    """Return whether poll() exists; select() handles few sockets."""
    return not process.WINDOWS


def runs_batch_files() -> bool:
    """Return whether .cmd and .bat files run; elsewhere .sh files do."""
    return process.WINDOWS


def shares_listening_sockets() -> bool:
    """Return whether several processes can accept connections of one socket."""
    return not process.WINDOWS


def socket_as_stdin() -> bool:
    """Return whether a child's standard input can be a socket; elsewhere a named pipe is."""
    return not process.WINDOWS
