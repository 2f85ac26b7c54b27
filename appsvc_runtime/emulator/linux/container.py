"""One container: start it, wait until it responds, watch it, restart it, stop it.

Knows what the platform does with a container, and reports it. Must not know how the container is
made, nor of clients' requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from ...errors import AppServiceError
from ..http.messages import Say
from ..processes import readiness
from ..processes.child import Child
from ..processes.exposure import Exposure
from ..processes.repeats import Repeats
from .diagnosis.seen import Trouble
from .limits import Limits
from .stopping import Stopping
from .warmup import Launch, WarmUp
from .written import describe_written

__all__ = ["Container"]

# Seconds before an ended container is restarted: none at first, then growing up to the last.
_PAUSES = (0.0, 1.0, 2.0, 5.0, 15.0, 60.0)
# A container that runs for this many seconds has not failed early.
_LONG = 60.0
_EVERYWHERE = "0.0.0.0"


class Container:
    """One instance. `port` is where it responds, or None; `trouble` is why it does not respond.

    `clock` returns seconds, `pauses` are the seconds before each restart. `exposure` receives the
    addresses where the container listens.
    """

    def __init__(
        self,
        label: str,
        launch: Launch,
        limits: Limits,
        say: Say,
        *,
        clock: Callable[[], float] = time.monotonic,
        pauses: tuple[float, ...] = _PAUSES,
        exposure: Exposure | None = None,
    ) -> None:
        self.label = label
        self.port: int | None = None
        self.trouble: Trouble | None = None
        self._launch = launch
        self._limits = limits
        self._said = Repeats(say)
        self._say = say
        self._clock = clock
        self._pauses = pauses
        self._exposure = exposure
        self._child: Child | None = None
        self._starting: asyncio.Task[Trouble | None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._closed = False
        self._stopping = Stopping(limits.stop, launch.command, clock)
        self._warm_up = WarmUp(label, launch, limits, say, self._said.release, clock)

    async def start(self) -> Trouble | None:
        """Start the container and wait until it responds; return None, or why it does not.

        Concurrent callers share one start.
        """
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start())
        starting = self._starting
        await asyncio.wait({starting})
        if starting.cancelled():
            return Trouble("The container is being stopped.")
        return starting.result()

    async def ready(self) -> Trouble | None:
        """Wait for a start in progress; return None if the container responds, else why not."""
        if self.port is None and self._starting is not None and not self._starting.done():
            return await self.start()
        if self.port is None:
            return self.trouble or Trouble("The container has not been started.")
        return None

    async def restart(self, why: str) -> Trouble | None:
        """Stop the container and start it again, as the platform replaces an instance."""
        self._say(self.label, f"({why})")
        self.trouble = Trouble("The container is being replaced.")
        await self._end_watching()
        await self._stop_child(lambda: True)
        return await self.start()

    async def stop(self, busy: Callable[[], bool] = lambda: False) -> str:
        """Stop the container: SIGTERM to its first process, SIGKILL after the limit.

        If a shell keeps SIGTERM to itself, the container goes on until the limit, here only while
        `busy` returns that a client waits for a response. Return which signal ended it. On
        cancellation, kill all of its processes at once.
        """
        self._closed = True
        try:
            if self._starting is not None:
                self._starting.cancel()
                await asyncio.wait({self._starting})
            await self._end_watching()
            return await self._stop_child(busy)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill all processes of the container now."""
        self._closed = True
        self.port = None
        for task in (self._starting, self._watching):
            if task is not None:
                task.cancel()
        if self._child is not None:
            self._child.kill()

    async def _start(self) -> Trouble | None:
        launch, began = self._launch, self._clock()
        self.trouble = None
        self._said.begin()
        self._say(self.label, f"$ {launch.command}")
        try:
            child = await Child.start(
                launch.argv,
                environ=launch.environ,
                cwd=launch.cwd,
                say=self._said,
                label=self.label,
            )
        except AppServiceError as error:
            self.trouble = Trouble(error.message, error.hint, command=launch.command)
            return self.trouble
        self._child = child
        exited = asyncio.create_task(child.wait())
        try:
            self.trouble = await self._warm_up.until_it_answers(child, exited, began)
        except BaseException:
            child.kill()
            raise
        if self.trouble is not None:
            await _end(child)
            self._said.end()
            self._child = None
            return self.trouble
        self._said.release()
        self.port = launch.port
        if self._exposure is not None:
            # If the system does not report it, assume the address where the platform would connect.
            found = readiness.listened_on(child.tree)
            self._exposure.add(found or [(_EVERYWHERE, launch.port)])
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(child, exited))
        return None

    async def _watch(self, child: Child, exited: asyncio.Task[int]) -> None:
        """Restart the container whenever it ends by itself, as the platform does."""
        failures, began = 0, self._clock()
        while True:
            await asyncio.wait({exited})
            if self._closed or self._child is not child:
                return
            self.port = None
            how = _how_it_ended(exited.result())
            self.trouble = Trouble(
                f"The container {how}.", "It is started again.", child.tail(), self._launch.command
            )
            await _end(child)
            self._child = None
            failures = 0 if self._clock() - began >= _LONG else failures + 1
            pause = self._pauses[min(max(failures - 1, 0), len(self._pauses) - 1)]
            when = f" in {pause:g} s" if pause else ""
            self._say(self.label, f"(The container {how}; it is started again{when}.)")
            while True:
                await asyncio.sleep(pause)
                began = self._clock()
                if await self.start() is None:
                    break
                if self._closed:
                    return
                self._say(self.label, f"({self.trouble})")
                failures += 1
                pause = self._pauses[min(failures, len(self._pauses) - 1)]
                self._say(self.label, f"(It is started again in {pause:g} s.)")
            if self._child is None:
                return
            child = self._child
            exited = asyncio.create_task(child.wait())

    async def _end_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
            self._watching = None

    async def _stop_child(self, busy: Callable[[], bool]) -> str:
        """Stop the running child process; return which signal ended it."""
        self.port = None
        child, self._child = self._child, None
        if child is None or child.returncode is not None:
            if child is not None:
                child.kill()
            return ""
        written = self._launch.written
        if written is not None and (lost := describe_written(child.pid, written)):
            self._say(self.label, f"(What it wrote into its folder is lost: {lost}.)")
        try:
            said = await self._stopping.stop(child, busy)
            self._say(self.label, f"(Stopped: {said})")
            return said
        finally:
            await _end(child)


async def _end(child: Child) -> None:
    """Kill the processes that are left, and wait until they are gone."""
    child.kill()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(child.wait(), 5.0)
    child.kill()


def _how_it_ended(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
