"""IIS as the emulator's host: its workers, started and replaced when the site's files change.

Knows the effect of a changed file. Must not know of the front end, or contain IIS's own rules.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import AppServiceError
from ...findings import errors
from ..http.backend import Names
from ..http.messages import Answer, Request, Say, StoppedError, Tunnel
from ..processes.background import cancel
from ..processes.watch import watch
from .pipeline import Iis
from .webconfig import checks
from .workers import Workers

if TYPE_CHECKING:
    from .plan import Plan

__all__ = ["IisHost"]

_CONFIG = "web.config"
_TRIES = 5


class IisHost:
    """The site of `plan` behind IIS; implements `http.backend.Host`."""

    def __init__(self, plan: Plan, say: Say) -> None:
        self.names = Names(
            plan.site_name,
            plan.default_name,
            plan.public_name,
            plan.environ["WEBSITE_AUTH_ENABLED"].lower() == "true",
            plan.paths.home,
        )
        self.remark = ""
        self._plan = plan
        self._say = say
        self._workers = Workers(plan, say)
        self._iis = Iis(plan.site, self._workers.ask)
        self._tasks: list[asyncio.Task[None]] = []
        self._warming: asyncio.Task[None] | None = None

    async def start(self, tell: Callable[[str], None], taken: int) -> str | None:
        """Start a worker, and wait until it can respond; see `http.backend.Host`."""
        self._tell = tell
        site = self._plan.site
        self._tasks = [asyncio.create_task(watch(site.folder, self._changed, self._say))]
        if site.root.parent != site.folder:
            watching = watch(site.root.parent, self._root_changed, self._say, below=False)
            self._tasks.append(asyncio.create_task(watching))
        try:
            return await self._workers.warm_up(self._plan.config, self._plan.kind)
        except StoppedError:
            return None  # web.config was edited meanwhile; the new workers are reported later

    async def ask(self, request: Request) -> Answer | Tunnel:
        """Return IIS's response; if the workers are replaced before they do anything, retry."""
        for _ in range(_TRIES):
            with contextlib.suppress(StoppedError):
                return await self._iis.ask(replace(request, headers=request.headers.copy()))
        return Answer(503, note="the site was restarted several times in a row")

    async def stop(self, busy: Callable[[], bool]) -> None:
        """Return at once: IIS lets running requests end before it ends its workers."""

    async def close(self) -> None:
        """End the workers gracefully, or at once if this is cancelled."""
        await self._stop_watching()
        await self._workers.close()

    async def kill(self) -> None:
        """End the workers at once."""
        await self._stop_watching()
        await self._workers.kill()

    async def _stop_watching(self) -> None:
        for task in [*self._tasks, *([self._warming] if self._warming else [])]:
            await cancel(task)

    async def _changed(self, names: list[str]) -> None:
        """Handle changes in the site's folder."""
        # For a moved folder no change of its web.config is reported, so every change counts.
        self._iis.forget()
        read = {_CONFIG, self._plan.site.root.name.lower()}
        configs = [name for name in names if name.rpartition("/")[2].lower() in read]
        if configs:
            self._restart(f"{', '.join(configs)} has changed")
        elif listed := self._workers.recycled_by(names):
            self._restart(f"{listed} has changed (recycleOnFileChange)")
        else:
            # wfastcgi watches files itself.
            self._workers.changed([name.replace("/", "\\") for name in names])

    async def _root_changed(self, names: list[str]) -> None:
        """Handle changes in the folder of the file of `--config`."""
        root = self._plan.site.root.name
        if root in names:
            self._iis.forget()
            self._restart(f"{root} has changed")

    def _restart(self, why: str) -> None:
        self._workers.restart(why)
        if self._warming is not None:
            self._warming.cancel()
        # In a task: the next change, which may fix the site, must not wait for a failing start.
        self._warming = asyncio.create_task(self._warm_again())

    async def _warm_again(self) -> None:
        try:
            config, findings = self._plan.site.config("/")
            for finding in findings:
                self._say("iis", f"{finding.level.capitalize()}: {finding.where}: {finding}")
            if not errors(findings):
                kind = checks.kind(config) or self._plan.kind
                self._tell(await self._workers.warm_up(config, kind))
        except StoppedError:
            return
        except AppServiceError as error:
            self._say("iis", f"Error: {error}")
