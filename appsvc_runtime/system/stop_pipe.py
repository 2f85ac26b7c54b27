"""A pipe whose end tells workers to stop, on systems where no signal can: on Windows.

There a process sends CTRL+BREAK only through a console, which a service has not, and the other way
to end a process leaves its requests no time. The parent makes the pipe and holds its only writing
end: if the parent is killed, the workers stop too. Linux itself signals the end of a parent. Must
not know of any server.

Source: prctl(2) for PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from . import process, signals

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["StopPipe", "follow", "make"]

_PR_SET_PDEATHSIG = 1


class StopPipe:
    """The pipe, in the parent; `reader` is given to each worker, for `follow`."""

    def __init__(self) -> None:
        import multiprocessing

        self.reader: Any  # a Connection, or a PipeConnection on Windows
        self.reader, self._writer = multiprocessing.get_context("spawn").Pipe(duplex=False)

    def stop_workers(self) -> None:
        """Let all workers stop, also those that still start."""
        self._writer.close()


def make() -> StopPipe | None:
    """Return a pipe, or None on a system where a signal stops a worker."""
    return StopPipe() if process.WINDOWS else None


def follow(reader: Connection | None) -> None:
    """Handle SIGTERM in this worker when the pipe ends or, on Linux without a pipe, the parent.

    Call it when the handler is set.
    """
    if reader is None:
        _follow_parent()
        return

    def wait() -> None:
        with contextlib.suppress(EOFError, OSError):
            reader.recv_bytes()
        signals.signal_self(signal.SIGTERM)

    threading.Thread(target=wait, name="stop pipe", daemon=True).start()


def _follow_parent() -> None:
    """Let Linux send SIGTERM to this worker when the thread that started it ends."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if sys.platform != "linux" or parent is None:
        return
    try:
        import ctypes
    except ImportError:  # a Python that was built without it
        return
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent.pid:  # it ended before the call above
        signals.signal_self(signal.SIGTERM)
