"""The app's health: named checks with time limits, run in parallel, with cached outcomes.

    health = Health("/healthz", checks={"database": lambda: connection.execute("SELECT 1")})
    application = AppServiceMiddleware(application, health=health)

A check is any function. It fails if it raises, returns False, or takes too long; the request itself
does not fail. Clients cannot keep a server busy with checks: one request at a time waits for a run,
all others get the last outcome at once. Must not know of WSGI or ASGI.
Source of the token: AD, monitor-instances-health-check.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import inspect
import json
import math
import os
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from ..azure import names
from ..errors import ConfigError, drop_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["TOKEN_HEADER", "Health", "Outcome"]

TOKEN_HEADER = "x-ms-auth-internal-token"
_HEALTHY, _FAILING, _DRAINING, _UNKNOWN = "healthy", "failing", "draining", "unknown"
# Seconds. If a process handles one request at a time, a request that waits blocks all others.
_PATIENCE = 0.25


class Outcome(NamedTuple):
    """The outcome of a check: `problem` is "" if it passed, else one word; never a message."""

    problem: str
    seconds: float


class Health:
    """Responds for `path` with 200 or 503.

    `checks` are functions by their names. Each has `timeout` seconds, or its own limit as a pair of
    function and seconds. They run at most once in `cache_seconds`, for any number of requests. One
    request at a time waits for a run; meanwhile the others get the last outcome, or 503 `unknown`
    before the first run has ended. A check that hangs is not started again before it has ended.

    After SIGTERM the server continues for `drain_seconds` while the health responds 503, so that
    the load balancer uses other instances; the host must allow that time
    (`WEBSITES_CONTAINER_STOP_TIME_LIMIT`). Under waitress, gunicorn with threads and granian with a
    WSGI app, if they are started without an entry point of this package, that needs a call of
    `health.drain_on_sigterm()`: they call the app in threads, and Python sets handlers only in the
    main thread. In all other cases the middleware sets the handler at the first request or the ASGI
    lifespan. Making a Health or a middleware sets no handler.

    `environ`: the process's variables, `os.environ` by default, from which
    WEBSITE_AUTH_ENCRYPTION_KEY is read. Raises ConfigError for arguments that cannot be used.
    """

    @drop_frames
    def __init__(
        self,
        path: str = "/healthz",
        checks: Mapping[str, Callable[[], Any] | tuple[Callable[[], Any], float]] | None = None,
        *,
        timeout: float = 5.0,
        cache_seconds: float = 5.0,
        drain_seconds: float = 1.0,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        if not path.startswith("/") or "?" in path:
            raise ConfigError(
                f"The health path {path!r} is not a path.", hint="Write it with a slash: /healthz."
            )
        self.path = path
        self._checks = {
            name: _make_check(name, check, timeout) for name, check in (checks or {}).items()
        }
        self._cache_seconds = cache_seconds
        key = (os.environ if environ is None else environ).get(names.AUTH_ENCRYPTION_KEY, "")
        self._token = base64.b64encode(hashlib.sha256(key.encode()).digest()) if key else b""
        self._lock = threading.Lock()
        self._ended = 0.0
        self._is_running = False
        self._outcomes: dict[str, Outcome] | None = None if self._checks else {}
        self._was = _HEALTHY
        self.drain_seconds = drain_seconds
        self.draining = False

    def drain(self) -> None:
        """Respond 503 from now on, so that the load balancer sends no more requests."""
        self.draining = True

    def drain_on_sigterm(self) -> None:
        """Start the time to drain on SIGTERM, before the server's own handling of the signal.

        Call this in the main thread, where your code makes the app; in other threads it only logs a
        warning. If a server sets its handlers later, as gunicorn does with `--preload`, call it in
        a hook of each worker (`post_worker_init`). If no server handles SIGTERM, the process ends
        by SystemExit, on which waitress finishes running requests. A call that is not needed does
        no harm.
        """
        from . import drain

        drain.watch(self)
        drain.install_everywhere()

    def is_authentic(self, token: str) -> bool:
        """Return whether a token is the platform's; False if the platform's key is not set."""
        if not self._token:
            return False
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token)

    def is_due(self) -> bool:
        """Return whether `outcomes` may block now: checks are due, and no caller runs them."""
        return self._is_stale() and not self._lock.locked()

    def outcomes(self, *, patience: float = math.inf) -> dict[str, Outcome] | None:
        """Return each check's outcome in the last run; None before the first run has ended.

        If the checks are due and no other caller runs them, run them and wait for them, but no
        longer than `patience` seconds; a later caller then collects their outcomes. Never raises.
        """
        if self._is_stale() and self._lock.acquire(blocking=False):
            try:
                self._run(time.monotonic() + patience)
            finally:
                self._lock.release()
        return self._outcomes

    def answer(self, *, details: bool, at_once: bool = False) -> tuple[str, bytes]:
        """Return status and JSON, with the checks' names and times only with `details`.

        `at_once`: this process handles one request at a time, so that none should wait here long.
        """
        # An instance that stops runs no more checks, unless details are requested.
        outcomes: dict[str, Outcome] | None = {}
        if not self.draining or details:
            outcomes = self.outcomes(patience=_PATIENCE if at_once else math.inf)
        told: dict[str, Any] = {"status": self._status(outcomes)}
        if details:
            told["checks"] = {
                name: {
                    "status": _FAILING if outcome.problem else _HEALTHY,
                    **({"problem": outcome.problem} if outcome.problem else {}),
                    "seconds": round(outcome.seconds, 3),
                }
                for name, outcome in (outcomes or {}).items()
            }
        good = told["status"] == _HEALTHY
        return ("200 OK" if good else "503 Service Unavailable"), json.dumps(told).encode()

    def _status(self, outcomes: Mapping[str, Outcome] | None) -> str:
        if self.draining:
            return _DRAINING
        if outcomes is None:
            return _UNKNOWN
        return _FAILING if any(outcome.problem for outcome in outcomes.values()) else _HEALTHY

    def _is_stale(self) -> bool:
        if not self._checks:
            return False
        return self._outcomes is None or time.monotonic() - self._ended >= self._cache_seconds

    def _run(self, until: float) -> None:
        """Run the checks to their end, or until the time `until`; the caller must hold the lock."""
        # A run that an earlier caller did not wait for comes first; its outcomes may be old by now.
        self._collect(until)
        if self._is_stale() and not self._is_running:
            self._is_running = True
            for check in self._checks.values():
                check.start()
            self._collect(until)

    def _collect(self, until: float) -> None:
        """Wait for the current run, if there is one, and store its outcomes."""
        if not self._is_running:
            return
        checks = self._checks.values()
        if not all(check.wait(until) for check in checks):
            return
        self._is_running = False
        self._ended = max(check.ended() for check in checks)
        self._outcomes = {check.name: check.outcome() for check in checks}
        self._tell(self._outcomes)

    def _tell(self, outcomes: Mapping[str, Outcome]) -> None:
        """Log when checks start to fail, and when none fails any more."""
        failing = ", ".join(
            f"{name} ({outcome.problem})" for name, outcome in outcomes.items() if outcome.problem
        )
        status = failing or _HEALTHY
        if status != self._was:
            self._was = status
            import logging

            logger = logging.getLogger("appsvc_runtime.health")
            if failing:
                logger.warning("Health checks fail: %s.", failing)
            else:
                logger.warning("Health checks are all well again.")


class _Check:
    """One check; at most one thread at a time runs it."""

    def __init__(self, name: str, call: Callable[[], Any], seconds: float) -> None:
        self.name = name
        self.seconds = seconds
        self._call = call
        self._running: threading.Thread | None = None
        self._began = self._ended = 0.0
        self._problem: str | None = None
        self._seconds = 0.0

    def start(self) -> None:
        """Start the check in a thread, unless an earlier run has not ended yet."""
        if self._running is not None and self._running.is_alive():
            return
        self._problem, self._began = None, time.monotonic()
        self._running = threading.Thread(target=self._run, name=f"health-{self.name}", daemon=True)
        try:
            self._running.start()
        except RuntimeError:  # the system allows no more threads
            self._running, self._problem, self._ended = None, "no thread", self._began

    def wait(self, until: float) -> bool:
        """Wait no longer than until `until`; return whether the check has ended or timed out."""
        due = self._began + self.seconds
        if self._running is not None:
            self._running.join(max(0.0, min(due, until) - time.monotonic()))
        return self._problem is not None or until >= due or time.monotonic() >= due

    def ended(self) -> float:
        """Return the time that the outcome is from: the check's end, or now while it hangs."""
        return time.monotonic() if self._problem is None else self._ended

    def outcome(self) -> Outcome:
        """Return the outcome; only after `wait` has returned True."""
        if self._problem is None:
            return Outcome("timeout", time.monotonic() - self._began)
        # It may have ended too late, when no caller waited.
        return Outcome("timeout" if self._seconds > self.seconds else self._problem, self._seconds)

    def _run(self) -> None:
        problem = ""
        try:
            found = self._call()
            if inspect.iscoroutine(found):
                found = asyncio.run(_awaited(found))
            if found is False:
                problem = "False"
        except BaseException as error:
            # Only the class name: the message may hold an address or a password.
            problem = type(error).__name__
        self._ended = time.monotonic()
        self._seconds = self._ended - self._began
        self._problem = problem


def _make_check(
    name: str, check: Callable[[], Any] | tuple[Callable[[], Any], float], timeout: float
) -> _Check:
    call, seconds = check if isinstance(check, tuple) else (check, timeout)
    if not callable(call) or not 0 < seconds < math.inf:
        raise ConfigError(
            f"The health check {name!r} is not a function, or its seconds are not a number above "
            "0.",
            hint="Write it as a function, or as a pair of function and seconds.",
        )
    return _Check(name, call, seconds)


async def _awaited(found: Any) -> Any:
    return await found
