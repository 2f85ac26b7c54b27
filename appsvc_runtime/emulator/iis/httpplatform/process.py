"""One process slot of HttpPlatformHandler: starts a process until it listens, watches and ends it.

Must not know of requests, or how many slots there are. Number of attempts to start: in version 1,
whose source is not public, startupRetryCount sets it (HttpPlatformHandler configuration reference);
version 2 tries twice, and does not count a failed start among the rapid fails (StartProcess of
serverprocess.cpp, lextudio/httpplatformhandlerv2).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ....errors import AppServiceError
from ....system.process import describe_end
from ...processes import readiness
from ...processes.child import Child
from ...processes.exposure import Exposure, reachable
from ...processes.repeats import Repeats
from ...processes.requirement import missing_module

if TYPE_CHECKING:
    from ...http.messages import Say
    from ..commands import Command
    from ..rapid_fails import RapidFails
    from ..webconfig.model import HttpPlatform

__all__ = ["STOP_SECONDS", "Failure", "PlatformProcess", "Shared"]

# m_dwShutdownTimeLimitInMS: the time that a process has to stop.
STOP_SECONDS = 10.0
_TRIES_OF_VERSION_2 = 2
# In seconds, between checks whether the process listens; the intervals grow.
_SHORTEST_LOOK, _LONGEST_LOOK = 0.005, 0.1
# In seconds. After this time, other addresses on which the process listens are reported.
_PATIENCE = 1.0


@dataclass(frozen=True)
class Failure:
    """Why no process is available: a sentence, what to do about it, and what the process printed.

    `wait` is the number of seconds until a process may be started, 0 if that is now. `error` is
    the user's mistake, if it is known.
    """

    why: str
    hint: str = ""
    output: str = ""
    wait: float = 0.0
    error: AppServiceError | None = None


@dataclass(frozen=True)
class Shared:
    """The settings and state that all slots of one application share.

    `command` takes a port and returns the command to start; it may raise ConfigError. `log_file`
    takes the number of a process and returns a path, or is None.
    """

    settings: HttpPlatform
    command: Callable[[int], Command]
    say: Say
    version: int
    fails: RapidFails
    ports: set[int]
    log_file: Callable[[int], str] | None = None
    clock: Callable[[], float] = time.monotonic


class PlatformProcess:
    """A slot: a label, and at most one process, on `port` while that process is ready."""

    def __init__(self, label: str, shared: Shared) -> None:
        self.label = label
        self.port: int | None = None
        self.last_words = ""  # what the last process printed before it ended
        self.last_end = ""  # how the last process ended
        self._shared = shared
        self._child: Child | None = None
        self._watch: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[Failure | None] | None = None
        self._closed = False
        self._exposed = False
        self._printed = Repeats(shared.say)

    async def ready(self) -> Failure | None:
        """Wait until a process listens, and start one if necessary; return why if none does.

        All callers share one start, which continues if the callers are cancelled.
        """
        while self.port is None and not self._closed:
            if self._starting is None or self._starting.done():
                self._starting = asyncio.create_task(self._start())
            starting = self._starting
            await asyncio.wait({starting})
            if not starting.cancelled():
                return starting.result()
        return Failure("The application is being stopped.") if self._closed else None

    async def has_ended(self, seconds: float) -> bool:
        """Return whether the process has ended, or ends within `seconds`.

        If the process has ended and a child of it went on listening, but does not any more, the
        slot forgets both.
        """
        if self._watch is not None:
            await asyncio.wait({self._watch}, timeout=seconds)
        child, port = self._child, self.port
        if child is None or port is None:
            return True
        if child.returncode is None or await readiness.is_ready(child.tree, port):
            return False
        self._forget(child, "The processes that it started do not listen any more.")
        return True

    def output(self) -> str:
        """Return the last output of the process, or of the previous one."""
        return self._child.tail() if self._child else self.last_words

    def give_up(self) -> None:
        """Start no more processes, and end one that is starting; a ready one continues."""
        self._closed = self.port is None
        if self._starting is not None:
            self._starting.cancel()

    async def close(self) -> None:
        """End the process, which has STOP_SECONDS to stop; start none afterwards."""
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        child, self._child = self._child, None
        self._forget_port()
        if child is not None:
            await child.stop(STOP_SECONDS)
        if self._watch is not None:
            await asyncio.wait({self._watch})

    async def _start(self) -> Failure | None:
        """Start until a process is ready, with as many attempts as the version makes."""
        shared = self._shared
        tries = _TRIES_OF_VERSION_2
        if shared.version < 2:
            tries = 1 + shared.settings.startup_retry_count
        failure: Failure | None = None
        for number in range(1, tries + 1):
            seconds = shared.fails.seconds_left()
            if seconds:
                return self._refused(seconds, failure)
            failure = await self._start_once()
            if failure is None:
                return None
            shared.say(self.label, f"({failure.why})")
            if shared.version < 2:
                shared.fails.count()
            if failure.error is not None:  # another attempt would fail in the same way
                return failure
            if number < tries:
                shared.say(self.label, f"(It is started again, try {number + 1} of {tries}.)")
        return failure

    def _refused(self, seconds: float, failure: Failure | None) -> Failure:
        why = (
            f"The process has failed more than {self._shared.fails.limit} times in a minute "
            f"(rapidFailsPerMinute): no process is started for another {max(seconds, 1):.0f} s."
        )
        self._shared.say(self.label, f"({why})")
        before = failure.why if failure else self.last_end
        return Failure(
            f"{why} {before}".strip(),
            failure.hint if failure else "",
            failure.output if failure else self.last_words,
            wait=seconds,
        )

    async def _start_once(self) -> Failure | None:
        shared = self._shared
        child: Child | None = None
        try:
            port = readiness.free_port(shared.ports)
            command = shared.command(port)
            port = _own_port(command, port)
            self._printed.begin()
            child = await Child.start(
                command.argv,
                environ=command.environ,
                cwd=command.cwd,
                say=self._printed,
                label=self.label,
                log_file=shared.log_file,
            )
            shared.ports.add(port)
            exited = asyncio.create_task(child.wait())
            failure = await self._until_it_listens(child, port, exited)
            await child.catch_up()
        except AppServiceError as error:
            return Failure(error.message, error.hint, error=error)
        except BaseException:
            if child is not None:
                shared.ports.discard(port)
                await _end(child)
            raise
        if failure is not None:
            if not failure.hint:
                hint = missing_module(failure.output, command.argv[0])
                failure = replace(failure, hint=hint)
            shared.ports.discard(port)
            self.last_words, self.last_end = failure.output, failure.why
            await _end(child)
            self._printed.end()
            return failure
        self._printed.release()
        self._child, self.port = child, port
        found = reachable(readiness.listened_on(child.tree))
        if found and not self._exposed:
            self._exposed = True  # report it once only: each start has another port
            exposure = Exposure(shared.say)
            exposure.add(found)
            exposure.tell()
        self._watch = asyncio.create_task(self._watch_over(child, port, exited))
        return None

    async def _until_it_listens(
        self, child: Child, port: int, exited: asyncio.Task[int]
    ) -> Failure | None:
        clock, limit = self._shared.clock, self._shared.settings.startup_time_limit
        began, pause, elsewhere = clock(), _SHORTEST_LOOK, ""
        while not await readiness.is_ready(child.tree, port):
            passed = clock() - began
            if passed >= _PATIENCE:
                self._printed.release()
            if not elsewhere and (passed >= min(_PATIENCE, limit)):
                elsewhere = readiness.listens_elsewhere(child.tree, port)
                if elsewhere:
                    self._shared.say(self.label, f"({elsewhere})")
            if exited.done():
                why = f"The process {_ending(exited.result())} before it listened on port {port}."
                return Failure(why, output=child.tail())
            if passed >= limit:
                why = (
                    f"The process did not listen on 127.0.0.1:{port} within {limit:g} s "
                    "(startupTimeLimit) and is killed."
                )
                hint = "The port to listen on is in the variable HTTP_PLATFORM_PORT."
                return Failure(f"{why} {elsewhere}".strip(), hint, child.tail())
            await asyncio.wait({exited}, timeout=min(pause, limit - passed))
            pause = min(pause * 1.25, _LONGEST_LOOK)
        return None

    async def _watch_over(self, child: Child, port: int, exited: asyncio.Task[int]) -> None:
        """Forget a process that ended by itself, unless a child of it goes on listening."""
        try:
            await asyncio.wait({exited})
        except asyncio.CancelledError:
            child.kill()  # the emulator is ending, and `close` was not called
            raise
        if self._child is not child:
            return
        how = _ending(exited.result())
        if await readiness.is_ready(child.tree, port):
            self._shared.say(self.label, f"(It {how}; a child process goes on listening.)")
        else:
            self._forget(child, f"The process {how}.")

    def _forget(self, child: Child, why: str) -> None:
        """Count the process as failed; the next request starts another."""
        if self._child is not child or self._closed:
            return
        self._child = None
        self._forget_port()
        self.last_words, self.last_end = child.tail(), why
        self._shared.fails.count()
        self._shared.say(self.label, f"({why} The next request starts it again.)")
        child.kill()

    def _forget_port(self) -> None:
        if self.port is not None:
            self._shared.ports.discard(self.port)
        self.port = None


def _own_port(command: Command, port: int) -> int:
    """Return the port that the process listens on; web.config may set the variable to another."""
    told = command.environ.get("HTTP_PLATFORM_PORT", "")
    return int(told) if told.isascii() and told.isdigit() and 0 < int(told) < 65536 else port


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by signal {-code}"
    return f"ended with {describe_end(code)}"


async def _end(child: Child) -> None:
    child.kill()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(child.wait(), STOP_SECONDS)
