"""The workers of one application: the processes of its web.config, started when first needed.

Knows how the settings of a handler become processes. Must not know how a request gets a handler.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..frontend.headers import httpplatform_headers
from ..http import error_pages
from ..http.messages import Answer, Request, Say, Tunnel
from . import handlers
from .commands import (
    Command,
    make_command,
    make_fastcgi_command,
    make_wfastcgi_config,
    with_variables,
)
from .counted_body import CountedBody
from .fastcgi.launch import Launcher
from .fastcgi.params import make_params, site_params
from .fastcgi.pool import Pool
from .httpplatform.handler import HttpPlatformHandler
from .httpplatform.recycle import RecycleFiles
from .webconfig.interpreters import application_of
from .webconfig.model import Config, FastCgiApplication, Handler, HttpPlatform
from .windows_paths import expand

if TYPE_CHECKING:
    from .pipeline import Mapped
    from .plan import Plan

__all__ = ["Workers"]

# Seconds for requests in progress after web.config changed (an IIS pool's shutdownTimeLimit: 90).
_PATIENCE = 10.0
# Turns of the event loop, until cancelled tasks have noticed.
_TURNS = 10


class _Generation:
    """The workers of one state of the site's configuration, and their requests in progress."""

    def __init__(self) -> None:
        self.platforms: dict[HttpPlatform, HttpPlatformHandler] = {}
        self.pools: dict[FastCgiApplication, tuple[Pool, Launcher]] = {}
        self.recycle: list[RecycleFiles] = []
        self._asked = 0
        self._none = asyncio.Event()
        self._none.set()

    async def ask(self, answering: Awaitable[Answer | Tunnel]) -> Answer | Tunnel:
        """Wait for a response; the request is in progress until its body has been sent."""
        self._asked += 1
        self._none.clear()
        streams = False
        try:
            answer = await answering
            if isinstance(answer, Answer) and not isinstance(answer.body, bytes):
                answer.body = CountedBody(answer.body, self._done)
                streams = True
            return answer
        finally:
            if not streams:
                self._done()

    def _done(self) -> None:
        self._asked -= 1
        if not self._asked:
            self._none.set()

    async def replace(self) -> None:
        """End all workers after the requests in progress; workers that are starting end at once.

        The first cancellation ends the wait for requests, the second one kills all processes.
        """
        for platform in self.platforms.values():
            platform.give_up()
        for pool, _ in self.pools.values():
            pool.give_up()
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._none.wait(), _PATIENCE)
        finally:
            await self.close()

    async def close(self) -> None:
        """End every process, or kill them if this is cancelled."""
        try:
            await asyncio.gather(
                *(platform.close() for platform in self.platforms.values()),
                *(pool.close() for pool, _ in self.pools.values()),
            )
        finally:
            for _, launcher in self.pools.values():
                launcher.close()


class Workers:
    """All processes of the application that `plan` describes, by the settings that start them."""

    def __init__(self, plan: Plan, say: Say) -> None:
        self._plan = plan
        self._say = say
        self._now = _Generation()
        self._ending: set[asyncio.Task[None]] = set()
        self._token = str(uuid.uuid4())
        self._folder = plan.application.folder
        self._fixed = site_params(self._folder, plan.application.path, plan.site.folder)
        # The processes of an application are named for it, those of the site's own for Python.
        self._label = plan.application.path.strip("/") or "python"
        self._reported: set[str] = set()
        self._started = 0  # numbers are not reused, so that each process can be told apart

    async def warm_up(self, config: Config, kind: str) -> str:
        """Start the site's workers, and wait until they can respond; return "", or why they cannot.

        `kind` is that of the handler to start. Raises ConfigError if the command cannot be started.
        """
        for handler in config.handlers:
            if handlers.kind(handler) != kind:
                continue
            if kind == "httpplatform" and config.http_platform is not None:
                return await self._platform(config.http_platform).warm_up()
            if kind == "fastcgi":
                pool, _ = self._pool(config, handler)
                await pool.start()
                return ""
        return ""

    async def ask(self, request: Request, mapped: Mapped) -> Answer | Tunnel:
        """Return the response of the worker for a request's handler.

        Raises StoppedError if the worker was replaced before anything was sent to it:
        send the request again.
        """
        if mapped.kind == "httpplatform":
            return await self._ask_platform(request, mapped.config)
        pool, _ = self._pool(mapped.config, mapped.handler)
        above = len(mapped.path) - len(self._plan.site.locate(mapped.path).below)
        params = make_params(
            request, self._folder, path=mapped.path, script=mapped.script, above=above
        )
        answering = pool.ask(
            params,
            request.body,
            request.length,
            limit=mapped.handler.response_buffer_limit,
            request=request,
        )
        return await self._now.ask(answering)

    def restart(self, why: str) -> None:
        """Start new processes for new requests; end the old ones after their requests."""
        path = self._plan.application.path
        self._say("iis", f"Restarting{f' {path}' if path else ''}: {why}.")
        old, self._now = self._now, _Generation()
        task = asyncio.create_task(old.replace())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def changed(self, names: list[str]) -> None:
        """Send the names of changed files to processes that watch them, as wfastcgi does."""
        for pool, launcher in self._now.pools.values():
            pool.changed(names)
            launcher.changed(names)

    def recycled_by(self, names: list[str]) -> str:
        """Return the first of these changed files that <recycleOnFileChange> lists, or ""."""
        return next(filter(None, (each.first(names) for each in self._now.recycle)), "")

    async def close(self) -> None:
        """End every process, or kill them if this is cancelled."""
        for task in self._ending:
            task.cancel()
        await asyncio.gather(self._now.close(), *self._ending, return_exceptions=True)

    async def kill(self) -> None:
        """End every process now."""
        closing = asyncio.create_task(self.close())
        # Give every task the time to start ending its process; a task cancelled earlier would not.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        closing.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await closing

    # HttpPlatformHandler.

    async def _ask_platform(self, request: Request, config: Config) -> Answer | Tunnel:
        settings = config.http_platform
        if settings is None:
            return error_pages.answer(
                request,
                500,
                19,
                "The configuration cannot be used",
                "The handler needs an <httpPlatform> element, which web.config does not have.",
            )
        version = self._plan.options.httpplatform_version
        passed = httpplatform_headers(
            request.headers, version, request.client, request.client_port, token=self._token
        )
        worker = self._platform(settings)
        return await self._now.ask(worker.ask(replace(request, headers=passed)))

    def _platform(self, settings: HttpPlatform) -> HttpPlatformHandler:
        known = self._now.platforms.get(settings)
        if known is not None:
            return known
        plan = self._plan
        environ = dict(plan.environ)
        if plan.options.httpplatform_version > 1:
            environ["HTTP_PLATFORM_APPL_PATH"] = plan.application.called
            environ["HTTP_PLATFORM_TOKEN"] = self._token

        def command(port: int) -> Command:
            return make_command(settings, port, environ, plan.paths, plan.windows)

        made = self._now.platforms[settings] = HttpPlatformHandler(
            settings,
            command,
            self._say,
            version=plan.options.httpplatform_version,
            log_file=self._log_file(settings),
            label=self._label,
            first=self._started + 1,
        )
        self._started += settings.processes_per_application
        files = RecycleFiles(settings, plan.paths, plan.windows)
        self._now.recycle.append(files)
        for name in files.outside:
            self._report(
                f"{settings.place}: recycleOnFileChange lists {name!r}, which is not in the site's "
                "folder: its changes are not noticed."
            )
        return made

    def _log_file(self, settings: HttpPlatform) -> Path | None:
        if not settings.stdout_log_enabled:
            return None
        found = self._plan.paths.local(expand(settings.stdout_log_file, self._plan.windows))
        if found is None:
            self._report(
                f"{settings.place}: stdoutLogFile {settings.stdout_log_file!r} is nowhere on this "
                r"machine, and is not written. Name its folder with --map 'D:\folder=DIR'."
            )
        return found

    def _report(self, text: str) -> None:
        """Log a sentence, once for all restarts."""
        if text not in self._reported:
            self._reported.add(text)
            self._say("iis", text)

    # FastCGI.

    def _pool(self, config: Config, handler: Handler) -> tuple[Pool, Launcher]:
        application = application_of(config, handler)
        program, arguments = application.key
        key = replace(application, full_path=program, arguments=arguments)
        known = self._now.pools.get(key)
        if known is not None:
            return known
        plan = self._plan
        environ = with_variables(
            plan.environ, application.environment_variables, plan.paths, plan.windows
        )
        launcher = Launcher(
            make_fastcgi_command(handler, plan.paths, plan.windows, plan.python.interpreter),
            application,
            self._say,
            environ=environ,
            folder=self._folder,
            # wfastcgi reads the application's own file, whatever path is requested.
            config=make_wfastcgi_config(
                plan.wfastcgi_settings, {**plan.windows, **environ}, plan.paths
            ),
            label=self._label,
            number=self._number,
        )
        pool = Pool(
            application,
            launcher.start,
            self._say,
            params=self._fixed,
            rapid_fails_per_minute=application.rapid_fails_per_minute,
        )
        self._now.pools[key] = (pool, launcher)
        return pool, launcher

    def _number(self) -> int:
        self._started += 1
        return self._started
