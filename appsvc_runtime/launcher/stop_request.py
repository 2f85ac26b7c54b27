"""What a worker's own loop calls: whether to stop, and to report that it is alive.

    from appsvc_runtime.worker import beat, stop_requested, wait_for_stop

    while not stop_requested():
        beat()
        if not handle_a_message():
            wait_for_stop(1.0)

The same on every host: a signal, the platform's file for WebJobs, the launcher's own file. Light,
since every worker loads it. Must not know of the launcher.

From the main thread's first call on, SIGTERM, SIGINT and SIGBREAK no longer end the program;
instead these functions report the stop. A second signal acts as before. A handler that the program
has set itself is left alone.
"""

from __future__ import annotations

import os
import signal
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

__all__ = [
    "HEARTBEAT_FILE",
    "SHUTDOWN_FILE",
    "STOP_FILE",
    "beat",
    "stop_requested",
    "wait_for_stop",
]

# The launcher's file (for hosts without signals), the platform's file for WebJobs.
STOP_FILE = "APPSVC_STOP_FILE"
SHUTDOWN_FILE = "WEBJOBS_SHUTDOWN_FILE"
HEARTBEAT_FILE = "APPSVC_WORKER_HEARTBEAT_FILE"
# Seconds between checks for the files, and the least time between two touches of the heartbeat
# file.
_LOOK_SECONDS = 0.1
_BEAT_SECONDS = 0.2

_asked = False
_listening = False
_beaten = 0.0


def stop_requested() -> bool:
    """Return whether this program must end: finish current work, start no new work.

    Costs a check of one or two files. Call it first from the main thread: only there can signal
    handlers be set.
    """
    _listen()
    return _asked or any(os.path.exists(path) for path in _files())


def wait_for_stop(seconds: float) -> bool:
    """Wait so many seconds, or until a stop is requested; return whether a stop is requested."""
    deadline = time.monotonic() + seconds
    while not stop_requested():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, _LOOK_SECONDS))
    return True


def beat() -> None:
    """Report that this program is alive, to a launcher with `--heartbeat-file`; else do nothing.

    Cheap enough for every turn of a loop. Never raises: a full disk is not the worker's fault.
    """
    global _beaten
    path = os.environ.get(HEARTBEAT_FILE, "")
    now = time.monotonic()
    if not path or 0 < now - _beaten < _BEAT_SECONDS:
        return
    _beaten = now
    try:
        os.utime(path)
    except OSError:
        try:
            with open(path, "ab"):
                pass
        except OSError:
            return


def _files() -> list[str]:
    return [path for name in (STOP_FILE, SHUTDOWN_FILE) if (path := os.environ.get(name, ""))]


def _listen() -> None:
    global _listening
    if _listening or threading.current_thread() is not threading.main_thread():
        return
    _listening = True
    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is None:
            continue
        before = signal.getsignal(number)
        if before in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _handler(before))


def _handler(before: Any) -> Callable[[int, FrameType | None], None]:
    def ask(number: int, frame: FrameType | None) -> None:
        # Not an Event: setting one while the loop waits for it, in this same thread, could
        # deadlock.
        global _asked
        _asked = True
        signal.signal(number, before)

    return ask
