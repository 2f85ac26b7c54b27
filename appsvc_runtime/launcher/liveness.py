"""Whether a running worker is alive: by a file that it touches, or an address where it responds.

Only checks; the launcher decides what follows. Must not know of processes.
"""

from __future__ import annotations

import errno
import os
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .plan import WorkerPlan

__all__ = ["HealthUrl", "Heartbeat", "make_liveness"]

_MOST_OFTEN, _LEAST_OFTEN = 0.2, 15.0
# This process lacks files or memory, which says nothing about the worker.
_OWN_ERRORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


class Heartbeat:
    """A file that the worker touches at least every `timeout` seconds.

    Only a change of its modification time counts, not the time itself: clocks differ and are set.
    """

    def __init__(self, path: str, timeout: float, clock: Callable[[], float] = time.monotonic):
        self._path = path
        self._timeout = timeout
        self._clock = clock
        self._last: tuple[int, int] | None = None
        self._changed = 0.0
        self.start()

    def start(self) -> None:
        """Start over, for a worker that has just been started."""
        self._last = self._look()
        self._changed = self._clock()

    def problem(self) -> str:
        """Return why the worker counts as hung, or ""."""
        found = self._look()
        now = self._clock()
        if found != self._last:
            self._last, self._changed = found, now
        silent = now - self._changed
        if silent < self._timeout:
            return ""
        return f"{self._path} has not been touched for {silent:.1f} s"

    def close(self) -> None:
        """Do nothing: no resource is held."""

    def _look(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino


class HealthUrl:
    """An address that responds at least every `timeout` seconds with a status under 400."""

    def __init__(self, url: str, timeout: float):
        self._url = url
        self._timeout = timeout
        self._pause = min(max(timeout / 4, _MOST_OFTEN), _LEAST_OFTEN)
        self._stop = threading.Event()
        self._why = "no request was sent yet"
        self._answered = 0.0  # when the last request with a good response was sent
        self.start()
        threading.Thread(target=self._ask_always, name="health", daemon=True).start()

    def start(self) -> None:
        """Start over, for a worker that has just been started."""
        self._started = time.monotonic()

    def problem(self) -> str:
        """Return why the worker counts as hung, or ""."""
        # A response that comes after the start to a request from before it does no harm.
        silent = time.monotonic() - max(self._started, self._answered)
        if silent < self._timeout:
            return ""
        return f"its health address has had no good response for {silent:.1f} s: {self._why}"

    def close(self) -> None:
        """Send no more requests."""
        self._stop.set()

    def _ask_always(self) -> None:
        # The worker is on this machine: never use a proxy.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while not self._stop.wait(self._pause):
            began = time.monotonic()
            try:
                with opener.open(self._url, timeout=max(self._timeout / 2, 1.0)) as answer:
                    answer.read(1)
                self._answered = began
            except Exception as error:  # a status of 400 or more, no response, not HTTP
                # Texts of other modules may contain the address, and a password in it.
                reason = getattr(error, "reason", error)
                self._why = str(getattr(error, "reason", "")) or type(error).__name__
                if getattr(reason, "errno", None) in _OWN_ERRORS:
                    self._answered = time.monotonic()
                if isinstance(error, urllib.error.HTTPError):
                    error.close()  # it holds the connection


def make_liveness(plan: WorkerPlan) -> HealthUrl | Heartbeat:
    """Return the check for whether the worker of a plan hangs; the plan must be `watched`."""
    if plan.heartbeat_file:
        return Heartbeat(plan.heartbeat_file, plan.liveness)
    return HealthUrl(plan.health_url, plan.liveness)
