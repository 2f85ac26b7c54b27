"""What differs between operating systems: replacing a process, signals, sockets, cores.

The only room that may ask which system this is. Must not know of apps, servers or the platform.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = [
    "MAC",
    "WINDOWS",
    "bind",
    "cpu_count",
    "holding_stop_signals",
    "ignore_stop_signals",
    "is_foreign",
    "is_running",
    "let_stop_signals_in",
    "max_connections",
    "memory_folder",
    "on_loop_stop",
    "on_stop_signal",
    "open_standard_streams",
    "own_address",
    "port_error",
    "replace_process",
    "signal_self",
    "steady_time",
    "stopping_by",
]

WINDOWS = sys.platform == "win32"
MAC = sys.platform == "darwin"

_MAX_CONNECTIONS = 4_000
# CPython's select() takes 512 sockets on Windows; elsewhere poll() is used.
_MAX_CONNECTIONS_WINDOWS = 450
# Files that an app has open beside its visitors' connections.
_SPARE_FILES = 100


def is_foreign(path: Path, folder: Path) -> bool:
    """Return whether a file is another user's: neither root's, nor ours, nor the folder's owner's.

    Of a link both the link and its file count. Always False on Windows. Raises OSError.
    """
    if WINDOWS:
        return False
    known = {0, os.geteuid()}
    with contextlib.suppress(OSError):  # it need not be there
        known.add(folder.stat().st_uid)
    return not {path.lstat().st_uid, path.stat().st_uid} <= known


def cpu_count() -> int:
    """Give the number of cores that this process may use, at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def max_connections() -> int:
    """Give how many connections one process may hold, with files to spare for the app.

    Where the system lets it, this process's limit of open files is raised for it: a server that
    runs out of them spins, refusing everybody.
    """
    if WINDOWS:
        return _MAX_CONNECTIONS_WINDOWS
    import resource  # not there on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_CONNECTIONS + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return min(_MAX_CONNECTIONS, max(soft - _SPARE_FILES, soft // 2))


def memory_folder() -> str | None:
    """Give a folder that lives in memory, if there is one that can be written."""
    return "/dev/shm" if not WINDOWS and os.access("/dev/shm", os.W_OK | os.X_OK) else None


def open_standard_streams() -> None:
    """Open standard input, output and error on nothing where they are closed.

    Or the next file or pipe that is opened would be one of them, and what is printed go there.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:  # not the lowest that was free
                os.dup2(opened, descriptor)
                os.close(opened)


def replace_process(argv: Sequence[str]) -> int:
    """Run `argv` in place of this process, so that signals sent to its id reach the new program.

    Windows has no such thing: there the program is run and waited for, and its exit code returned.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it was closed before we started
            stream.flush()
    if WINDOWS:
        return subprocess.run(argv, check=False).returncode
    os.execv(argv[0], list(argv))
    raise AssertionError("execv returned")  # it never does; this tells the type checker


def on_stop_signal(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM, SIGINT, SIGHUP and, on Windows, SIGBREAK. From the main thread only.

    SIGHUP comes when a terminal closes; where it is ignored, as under nohup, it stays so.
    """
    for number in _stop_numbers():
        signal.signal(number, lambda *_: stop())


def ignore_stop_signals() -> None:
    """Go on to the end whatever stop signal comes, Python's own end included.

    That takes handlers back, and a signal that comes after it would be how this process ended.
    """
    for number in _stop_numbers():
        signal.signal(number, signal.SIG_IGN)


def _stop_numbers() -> list[int]:
    names = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")
    found = {name: getattr(signal, name) for name in names if hasattr(signal, name)}
    if signal.getsignal(found.get("SIGHUP", signal.SIGTERM)) == signal.SIG_IGN:
        found.pop("SIGHUP", None)
    return list(found.values())


@contextlib.contextmanager
def stopping_by(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on the signals of `on_stop_signal` within the block; then all is as before."""
    before = {number: signal.getsignal(number) for number in _stop_numbers()}
    on_stop_signal(stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def holding_stop_signals() -> Iterator[None]:
    """Keep stop signals waiting within the block, also those of processes that begin in it.

    Each of these lets them in by `let_stop_signals_in` when it can hear them. Windows has no such
    thing: there nothing is done.
    """
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is None:
        yield
        return
    mask(signal.SIG_BLOCK, _stop_numbers())
    try:
        yield
    finally:
        let_stop_signals_in()


def let_stop_signals_in() -> None:
    """Hear the stop signals that have waited."""
    mask = getattr(signal, "pthread_sigmask", None)
    if mask is not None:
        mask(signal.SIG_UNBLOCK, _stop_numbers())


def on_loop_stop(loop: AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Call `stop` in the thread of an event loop on SIGTERM, SIGINT and, on Windows, SIGBREAK.

    From the main thread only.
    """
    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: stop())


def signal_self(number: int) -> None:
    """Have this process handle a signal, from any thread, as if it had been sent from outside."""
    if WINDOWS:
        signal.raise_signal(number)  # os.kill would end the process there
    else:
        os.kill(os.getpid(), number)


def is_running(pid: int) -> bool:
    """Say whether there is a process of that number; True where that is not known."""
    if WINDOWS:
        return True  # there, os.kill would end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def steady_time() -> float:
    """Give seconds on a clock that nobody sets, the same for all processes of this machine.

    Where there is such a clock, it has gone on while the machine slept.
    """
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    if boot_time is not None:
        return time.clock_gettime(boot_time)
    return time.monotonic()


def bind(host: str, port: int) -> socket.socket:
    """Give a socket bound to `host` and `port` (0 picks a free one) that does not listen yet.

    A port in use, or a host that is not this machine's, is a ConfigError at once.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # the latter for what can be no host name
        reason = getattr(error, "strerror", None) or "it is no host name"
        raise ConfigError(
            f"The host {host!r} cannot be used: {reason}.", hint="Give an address."
        ) from None
    try:
        if WINDOWS:
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
    """Give the IPv4 address under which the host's own network knows this machine, "" for none.

    That of the way to the link-local network, over which the platform asks its containers. Nothing
    is sent: connecting a datagram socket only picks the way.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("169.254.169.254", 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def port_error(host: str, port: int, error: OSError) -> ConfigError:
    """Give what to say when `host` and `port` cannot be bound to or listened on."""
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"Port {port} on {host} is already in use by another process.",
            hint="Stop that process, or choose another port.",
        )
    return ConfigError(
        f"Port {port} on {host} cannot be used: {error.strerror}.", hint="Choose another."
    )
