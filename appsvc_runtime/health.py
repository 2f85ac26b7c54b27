"""How the app is: named checks with time limits, run side by side, remembered for a while.

    health = Health("/healthz", checks={"database": lambda: connection.execute("SELECT 1")})
    application = AppServiceMiddleware(application, health=health)

A check is any function: what raises, gives False, or takes too long is a failing check, and never a
failing request. Must not know of WSGI or ASGI.
Source of the token: AD, monitor-instances-health-check.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import inspect
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from . import facts
from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["TOKEN_HEADER", "Health", "Outcome"]

TOKEN_HEADER = "x-ms-auth-internal-token"
_HEALTHY, _FAILING, _DRAINING = "healthy", "failing", "draining"


class Outcome(NamedTuple):
    """How a check went: `problem` is "" for well, else in a word why not; never a message."""

    problem: str
    seconds: float


class Health:
    """Answers for `path` with 200 or 503.

    `checks` are functions by their names; each has `timeout` seconds, or its own where it is a pair
    of function and seconds. They are run at most once in `cache_seconds`, whoever asks. A check
    that hangs is not started again before it has ended. Told to stop, the server first goes on for
    `drain_seconds` while this answers 503, so that the load balancer turns to others; the host must
    give that much time (`WEBSITES_CONTAINER_STOP_TIME_LIMIT`). `environ`: the process's variables,
    `os.environ` by default, of which WEBSITE_AUTH_ENCRYPTION_KEY is read. ConfigError for what
    cannot be used.
    """

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
                f"The health path {path!r} is no path.", hint="Write it with a slash: /healthz."
            )
        self.path = path
        self._checks: dict[str, _Check] = {}
        for name, check in (checks or {}).items():
            call, seconds = check if isinstance(check, tuple) else (check, timeout)
            if not callable(call) or not 0 < seconds < float("inf"):
                raise ConfigError(
                    f"The health check {name!r} is no function, or its seconds no number above 0.",
                    hint="Write it as a function, or as a pair of function and seconds.",
                )
            self._checks[name] = _Check(name, call, seconds)
        self._cache_seconds = cache_seconds
        key = (os.environ if environ is None else environ).get(facts.AUTH_ENCRYPTION_KEY, "")
        self._token = base64.b64encode(hashlib.sha256(key.encode()).digest()) if key else b""
        self._lock = threading.Lock()
        self._asked = 0.0
        self._outcomes: dict[str, Outcome] | None = None
        self._was = _HEALTHY
        self.drain_seconds = drain_seconds
        self.draining = False

    def drain(self) -> None:
        """Answer 503 from now on, so that the load balancer sends nobody any more."""
        self.draining = True

    def is_authentic(self, token: str) -> bool:
        """Say whether a token is the platform's; never where there is no key to tell by."""
        if not self._token:
            return False
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token)

    def outcomes(self) -> dict[str, Outcome]:
        """Run the checks, unless that was just done; give how each went. Never raises."""
        with self._lock:  # who asks meanwhile gets the same
            now = time.monotonic()
            if self._outcomes is None or now - self._asked >= self._cache_seconds:
                self._outcomes = _run(list(self._checks.values()))
                self._asked = time.monotonic()
                self._tell(self._outcomes)
            return self._outcomes

    def answer(self, *, details: bool) -> tuple[str, bytes]:
        """Give status and JSON; the checks' names and times only with `details`."""
        # A stopping instance asks nobody any more.
        outcomes = {} if self.draining and not details else self.outcomes()
        failing = any(outcome.problem for outcome in outcomes.values())
        status = _DRAINING if self.draining else _FAILING if failing else _HEALTHY
        told: dict[str, Any] = {"status": status}
        if details:
            told["checks"] = {
                name: {
                    "status": _FAILING if outcome.problem else _HEALTHY,
                    **({"problem": outcome.problem} if outcome.problem else {}),
                    "seconds": round(outcome.seconds, 3),
                }
                for name, outcome in outcomes.items()
            }
        good = status == _HEALTHY
        return ("200 OK" if good else "503 Service Unavailable"), json.dumps(told).encode()

    def _tell(self, outcomes: Mapping[str, Outcome]) -> None:
        """Log when the app falls ill, and when it is well again."""
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
    """One check; at most one thread at a time is in it."""

    def __init__(self, name: str, call: Callable[[], Any], seconds: float) -> None:
        self.name = name
        self.seconds = seconds
        self._call = call
        self._running: threading.Thread | None = None
        self._began = 0.0
        self._problem: str | None = None
        self._seconds = 0.0

    def start(self) -> None:
        """Begin, unless an earlier one has not come back yet."""
        if self._running is not None and self._running.is_alive():
            return
        self._problem, self._began = None, time.monotonic()
        self._running = threading.Thread(target=self._run, name=f"health-{self.name}", daemon=True)
        try:
            self._running.start()
        except RuntimeError:  # no more threads can be had
            self._running, self._problem = None, "no thread"

    def finish(self) -> Outcome:
        """Wait until its time is over, at most; say how it went."""
        if self._running is not None:
            left = self._began + self.seconds - time.monotonic()
            self._running.join(max(0.0, left))
        if self._problem is None:
            return Outcome("timeout", time.monotonic() - self._began)
        return Outcome(self._problem, self._seconds)

    def _run(self) -> None:
        problem = ""
        try:
            found = self._call()
            if inspect.iscoroutine(found):
                found = asyncio.run(_awaited(found))
            if found is False:
                problem = "False"
        except BaseException as error:
            # The name of its kind: its message may hold an address or a password.
            problem = type(error).__name__
        self._seconds = time.monotonic() - self._began
        self._problem = problem


async def _awaited(found: Any) -> Any:
    return await found


def _run(checks: list[_Check]) -> dict[str, Outcome]:
    for check in checks:
        check.start()
    return {check.name: check.finish() for check in checks}
