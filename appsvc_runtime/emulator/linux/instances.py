"""Several containers behind the front end: distribute requests and check their health.

Decides which instance gets a request. Must not know how a container is started, nor how requests
are transferred.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence

from ...azure import names
from ..http import error_pages
from ..http.messages import Answer, Request, Say, Tunnel
from ..http.transfer import SilentError, UpstreamError
from ..http.upstream import Upstream
from .affinity import asked_instance, cookies_for
from .container import Container
from .diagnosis.seen import Trouble
from .health import Health, in_rotation
from .limits import HealthPlan
from .probe import front_end_source, probe

__all__ = ["Instances"]

_FOOTER = "App Service does not show the reason. This page is made by appsvc emulate."
_TITLE = "Application Error"
_HEALTH = "health"
_GONE = Trouble("The site is being stopped.")
# Seconds to wait after a broken connection, to learn whether the container has ended.
_MOMENT = 0.3


class Instances:
    """The containers of a site, started and ended together.

    `ids` are the instances' ids, which the affinity cookie holds. `health` is a health check, or
    None. `clock` returns seconds.
    """

    def __init__(
        self,
        containers: Sequence[Container],
        ids: Sequence[str],
        *,
        affinity: bool,
        public_name: str,
        say: Say,
        health: HealthPlan | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._containers = list(containers)
        self._ids = list(ids)
        self._affinity = affinity
        self._public_name = public_name
        self._say = say
        self._health = Health(health, len(self._containers)) if health is not None else None
        self._clock = clock
        self._upstream = Upstream(front_end_source())
        self._turns = itertools.count()
        self._checks: list[asyncio.Task[None]] = []
        self._closed = False

    async def start(self) -> str:
        """Start all containers; return "" if at least one responds, else why none does."""
        troubles = await asyncio.gather(*(container.start() for container in self._containers))
        failed = [trouble for trouble in troubles if trouble is not None]
        if self._health is not None and not self._closed:
            self._checks = [
                asyncio.create_task(self._check(number)) for number in range(len(troubles))
            ]
        if len(failed) < len(troubles):
            for container, trouble in zip(self._containers, troubles, strict=True):
                if trouble is not None:
                    self._say(container.label, f"({trouble})")
            return ""
        return str(failed[0])

    async def ask(self, request: Request) -> Answer | Tunnel:
        """Forward the request to an instance; if none can respond, return an error page."""
        wanted = None
        if self._affinity:
            wanted = asked_instance(request.headers.getall("Cookie", []), self._ids)
        number = await self._ready_instance(wanted)
        if isinstance(number, Trouble):
            return self._error(request, number)
        container = self._containers[number]
        port = container.port
        if port is None:
            return self._error(request, container.trouble or _GONE)
        if request.websocket:
            return self._upstream.tunnel(request, port)
        try:
            answer = await self._upstream.forward(
                request, port, timeout=float(names.REQUEST_LIMIT_SECONDS) * 2
            )
        except UpstreamError as error:
            return await self._broken(request, container, error)
        if self._affinity and wanted != number:
            self._keep(answer, request, number)
        if len(self._containers) > 1:
            answer.note = f"instance {number + 1}"
        return answer

    def _keep(self, answer: Answer, request: Request, number: int) -> None:
        """Add the cookie that brings a client's next requests to the same instance."""
        for cookie in cookies_for(self._ids[number], self._public_name, secure=request.secure):
            answer.headers.add("Set-Cookie", cookie)

    async def _ready_instance(self, wanted: int | None) -> int | Trouble:
        """Return the client's own instance, else the next in turn, else another that is ready."""
        number = self._choose(wanted)
        trouble = _GONE if self._closed else await self._containers[number].ready()
        if trouble is None:
            return number
        # Another instance may be ready, also for a client whose own instance is gone.
        ready = [n for n in self._rotation() if self._containers[n].port is not None]
        if not ready or self._closed:
            return trouble
        return ready[next(self._turns) % len(ready)]

    async def stop(self, busy: Callable[[], bool] = lambda: False) -> None:
        """Stop all containers at the same time, each in order; on cancellation, kill them.

        Responses on the way from them are still passed on, until `close`. `busy` returns whether a
        client waits for one.
        """
        self._closed = True
        try:
            for task in self._checks:
                task.cancel()
            await asyncio.gather(*(container.stop(busy) for container in self._containers))
        finally:
            self.kill()

    async def close(self) -> None:
        """Stop all containers, and end all connections to them."""
        try:
            await self.stop()
        finally:
            await self._upstream.close()

    def kill(self) -> None:
        """Kill all containers now."""
        self._closed = True
        for task in self._checks:
            task.cancel()
        for container in self._containers:
            container.kill()

    def _rotation(self) -> list[int]:
        if self._health is None:
            return list(range(len(self._containers)))
        return in_rotation(self._health.states, self._health.plan.percent)

    def _choose(self, wanted: int | None) -> int:
        """Choose the instance that the client's cookie names, or the next in turn."""
        rotation = self._rotation()
        if wanted is not None and wanted in rotation:
            return wanted
        ready = [number for number in rotation if self._containers[number].port is not None]
        among = ready or rotation
        return among[next(self._turns) % len(among)]

    def _error(self, request: Request, trouble: Trouble) -> Answer:
        """Return the platform's error page, with the reason that the platform hides."""
        return error_pages.answer(
            request, 503, 0, _TITLE, trouble.why, details=trouble.hint,
            command=trouble.command, output=trouble.output, footer=_FOOTER,
        )  # fmt: skip

    async def _broken(self, request: Request, container: Container, error: UpstreamError) -> Answer:
        """Respond for a container that sent no response, or not a complete one."""
        if not isinstance(error, SilentError):
            await asyncio.sleep(_MOMENT)
            if container.port is None and container.trouble is not None:
                return self._error(request, container.trouble)
        return error_pages.answer(request, 502, 0, "Bad Gateway", error.message, footer=_FOOTER)

    async def _check(self, number: int) -> None:
        """Check the health of one instance again and again."""
        health = self._health
        if health is None:
            return
        container, source = self._containers[number], front_end_source()
        name = f"instance {number + 1}: " if len(self._containers) > 1 else ""
        while True:
            if container.port is not None:
                found = await probe(
                    container.port, health.plan.path, timeout=health.plan.timeout, source=source
                )
                said = health.note(number, found, self._clock())
                if said:
                    self._say(_HEALTH, f"{name}{health.plan.path} {said}")
            if health.is_replaced(number, self._clock()):
                await container.restart("It was unhealthy for an hour, and is replaced.")
            await asyncio.sleep(health.plan.interval)
