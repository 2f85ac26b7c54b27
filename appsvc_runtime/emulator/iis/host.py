"""IIS as the emulator's host: the workers of its applications, replaced when files change.

Knows the effect of a changed file. Must not know of the front end, or contain IIS's own rules.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import AppServiceError
from ...findings import errors
from ..http.backend import Names
from ..http.messages import Answer, Request, Say, StoppedError, Tunnel
from ..processes.background import cancel
from ..processes.watch import watch
from .changes import changed_for, watched_folders
from .pipeline import Iis, Mapped
from .webconfig import checks
from .workers import Workers

if TYPE_CHECKING:
    from .plan import Plan

__all__ = ["IisHost"]

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
        self._site = plan.site
        self._say = say
        self._applications = {
            each.application.path: _Running(each, say, self._report) for each in plan.all
        }
        self._iis = Iis(plan.site, self._work)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, tell: Callable[[str], None], taken: int) -> str | None:
        """Start the applications, and wait until they can respond; see `http.backend.Host`."""
        self._tell = tell
        self._tasks = [
            asyncio.create_task(watch(folder, self._watcher(folder), self._say, below=below))
            for folder, below in watched_folders(self._site)
        ]
        running = self._applications.values()
        results = await asyncio.gather(*(each.start() for each in running), return_exceptions=True)
        for each, result in zip(running, results, strict=True):
            if isinstance(result, BaseException):
                raise result
            if each.problem is None:
                each.problem = result
        return self._problem()

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
        await asyncio.gather(*(each.workers.close() for each in self._applications.values()))

    async def kill(self) -> None:
        """End the workers at once."""
        await self._stop_watching()
        await asyncio.gather(*(each.workers.kill() for each in self._applications.values()))

    def _problem(self) -> str | None:
        """Return why applications do not respond, "" if all do, None if that is not known yet."""
        found = {each.called: each.problem for each in self._applications.values()}
        lines = [f"{called}{problem}" for called, problem in found.items() if problem]
        return "\n".join(lines) if lines or None not in found.values() else None

    def _report(self) -> None:
        """Pass on what a later start has led to."""
        problem = self._problem()
        if problem is not None:
            self._tell(problem)

    async def _work(self, request: Request, mapped: Mapped) -> Answer | Tunnel:
        return await self._applications[mapped.application.path].workers.ask(request, mapped)

    async def _stop_watching(self) -> None:
        for task in self._tasks:
            await cancel(task)
        for each in self._applications.values():
            await each.stop_warming()

    def _watcher(self, folder: Path) -> Callable[[list[str]], Awaitable[None]]:
        async def changed(names: list[str]) -> None:
            """Handle changes below a watched folder."""
            # For a moved folder no change of its web.config is reported, so every change counts.
            self._iis.forget()
            for path, change in changed_for(self._site, folder, names).items():
                self._applications[path].changed(change.configs, change.files)

        return changed


class _Running:
    """The workers of one application, while the site runs.

    `problem` is why it does not respond, "" if it does, None if that is not known yet; `report` is
    called when a later start has set it.
    """

    def __init__(self, plan: Plan, say: Say, report: Callable[[], None]) -> None:
        self.workers = Workers(plan, say)
        self.problem: str | None = None
        self.called = f"{plan.application.path}: " if plan.application.path else ""
        self._plan = plan
        self._say = say
        self._report = report
        self._warming: asyncio.Task[None] | None = None

    async def start(self) -> str | None:
        """Start a worker; return "" when it can respond, or why it cannot, or None if replaced."""
        try:
            return await self.workers.warm_up(self._plan.config, self._plan.kind)
        except StoppedError:
            return None  # web.config was edited meanwhile; the new workers are reported later

    def changed(self, configs: list[str], files: list[str]) -> None:
        """Handle changed web.config files, and all changed files below the folder."""
        if configs:
            self._restart(f"{', '.join(configs)} has changed")
        elif listed := self.workers.recycled_by(files):
            self._restart(f"{listed} has changed (recycleOnFileChange)")
        else:
            # wfastcgi watches files itself.
            self.workers.changed(files)

    async def stop_warming(self) -> None:
        """Stop waiting for new workers."""
        if self._warming is not None:
            await cancel(self._warming)

    def _restart(self, why: str) -> None:
        self.workers.restart(why)
        self.problem = None
        if self._warming is not None:
            self._warming.cancel()
        # In a task: the next change, which may fix the site, must not wait for a failing start.
        self._warming = asyncio.create_task(self._warm_again())

    async def _warm_again(self) -> None:
        try:
            config, findings = self._plan.site.config(self._plan.application.called)
            for finding in findings:
                self._say("iis", f"{finding.level.capitalize()}: {finding.where}: {finding}")
            if not errors(findings):
                kind = checks.kind(config) or self._plan.kind
                self.problem = await self.workers.warm_up(config, kind)
                self._report()
        except StoppedError:
            return
        except AppServiceError as error:
            self._say("iis", f"Error: {error}")
