"""The workers of one site: what its web.config has IIS start, made when they are first needed.

Knows how a handler's words become processes. Must not know how a request comes to its handler.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..webconfig.model import Config, FastCgiApplication, Handler, HttpPlatform
from . import handlers, pages
from .commands import Command, make_command, make_wfastcgi_config, with_variables
from .exchange import Answer, Request, Say, Tunnel
from .fastcgilaunch import Launcher
from .fastcgiparams import make_params, site_params
from .fastcgipool import Pool
from .frontheaders import httpplatform_headers
from .httpplatform import HttpPlatformHandler
from .winpaths import expand, split_command_line

if TYPE_CHECKING:
    from .iis import Mapped
    from .plan import Plan

__all__ = ["Workers"]

# What requests in hand get when web.config has changed (IIS: shutdownTimeLimit of a pool is 90 s).
_PATIENCE = 10.0


class Workers:
    """All processes of the site that `plan` describes, by what starts them."""

    def __init__(self, plan: Plan, say: Say) -> None:
        self._plan = plan
        self._say = say
        self._platforms: dict[HttpPlatform, HttpPlatformHandler] = {}
        self._pools: dict[FastCgiApplication, tuple[Pool, Launcher]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked = _Asked()
        self._token = str(uuid.uuid4())
        self._fixed = site_params(plan.site.folder)

    async def warm_up(self, config: Config) -> str:
        """Start what answers the site's requests, and wait until it can; give "", or why it cannot.

        ConfigError for what cannot be started at all.
        """
        for handler in config.handlers:
            kind = handlers.kind(handler)
            if kind == "httpplatform" and config.http_platform is not None:
                return await self._platform(config.http_platform).warm_up()
            if kind == "fastcgi":
                pool, _ = self._pool(config, handler)
                await pool.start()
                return ""
        return ""

    async def ask(self, request: Request, mapped: Mapped) -> Answer | Tunnel:
        """Have the worker of a request's handler answer it."""
        if mapped.kind == "httpplatform":
            return await self._ask_platform(request, mapped.config)
        return await self._ask_fastcgi(request, mapped)

    async def restart(self, why: str) -> None:
        """End every process and forget it; new requests get new ones at once."""
        self._say("iis", f"Restarting: {why}.")
        old = self._platforms, self._pools, self._asked
        self._platforms, self._pools, self._asked = {}, {}, _Asked()
        task = asyncio.create_task(_replace(*old))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def changed(self, names: list[str]) -> None:
        """Tell those who watch the site's files, as wfastcgi does, what has changed."""
        for _, launcher in self._pools.values():
            launcher.changed(names)

    async def close(self) -> None:
        """End every process."""
        await _close_all(self._platforms, self._pools)
        if self._tasks:
            await asyncio.gather(*self._tasks)

    # HttpPlatformHandler.

    async def _ask_platform(self, request: Request, config: Config) -> Answer | Tunnel:
        settings = config.http_platform
        if settings is None:
            return pages.answer(
                request,
                500,
                19,
                "The configuration cannot be used",
                "The handler needs an <httpPlatform> element, which web.config has not.",
            )
        version = self._plan.options.httpplatform_version
        request.headers = httpplatform_headers(
            request.headers, version, request.client, request.client_port, token=self._token
        )
        with self._asked:
            return await self._platform(settings).ask(request)

    def _platform(self, settings: HttpPlatform) -> HttpPlatformHandler:
        if settings not in self._platforms:
            plan = self._plan
            environ = dict(plan.environ)
            if plan.options.httpplatform_version > 1:
                environ["HTTP_PLATFORM_APPL_PATH"] = "/"
                environ["HTTP_PLATFORM_TOKEN"] = self._token

            def command(port: int) -> Command:
                return make_command(settings, port, environ, plan.paths)

            self._platforms[settings] = HttpPlatformHandler(
                settings,
                command,
                self._say,
                version=plan.options.httpplatform_version,
                log_file=self._log_file(settings),
            )
        return self._platforms[settings]

    def _log_file(self, settings: HttpPlatform) -> Path | None:
        if not settings.stdout_log_enabled:
            return None
        return self._plan.paths.local(expand(settings.stdout_log_file, self._plan.environ))

    # FastCGI.

    async def _ask_fastcgi(self, request: Request, mapped: Mapped) -> Answer:
        params = make_params(
            request, self._plan.site.folder, path=mapped.path, script=mapped.script
        )
        with self._asked:
            pool, _ = self._pool(mapped.config, mapped.handler)
            return await pool.ask(params, request.body, request.length)

    def _pool(self, config: Config, handler: Handler) -> tuple[Pool, Launcher]:
        application = _application(config, handler)
        if application not in self._pools:
            plan = self._plan
            environ = with_variables(plan.environ, application.environment_variables, plan.paths)
            launcher = Launcher(
                self._fastcgi_command(application, handler),
                application,
                self._say,
                environ=environ,
                folder=plan.site.folder,
                config=make_wfastcgi_config(config.app_settings, environ, plan.paths),
            )
            pool = Pool(application, launcher.start, self._say, params=self._fixed)
            self._pools[application] = (pool, launcher)
        return self._pools[application]

    def _fastcgi_command(self, application: FastCgiApplication, handler: Handler) -> list[str]:
        paths = self._plan.paths
        program = paths.program(application.full_path)
        if program is None:
            raise ConfigError(
                f"{handler.place}: scriptProcessor {application.full_path!r} is nowhere on this "
                "machine.",
                hint=r"Say where it is with --map 'D:\folder=DIR'.",
            )
        words = split_command_line(application.arguments)
        return [program, *(self._word(word, program) for word in words)]

    def _word(self, word: str, program: str) -> str:
        if word.replace("/", "\\").rpartition("\\")[2].lower() == "wfastcgi.py":
            return self._plan.wfastcgi
        return self._plan.paths.argument(word)


def _application(config: Config, handler: Handler) -> FastCgiApplication:
    """Give the settings of a handler's processes: its own of `fastCgi`, else IIS's defaults."""
    full_path, arguments = handlers.parse_script_processor(handler.script_processor)
    for application in config.fast_cgi:
        if (
            application.full_path.lower() == full_path.lower()
            and application.arguments.strip().lower() == arguments.lower()
        ):
            return application
    return FastCgiApplication(full_path, arguments, place=handler.place)


class _Asked:
    """How many requests the workers of one configuration have in hand."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self._count += 1
        self._none.clear()

    def __exit__(self, *_exc_info: object) -> None:
        self._count -= 1
        if not self._count:
            self._none.set()

    async def ended(self, seconds: float) -> None:
        """Wait until there are none, but not longer than this."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._none.wait(), seconds)


async def _replace(
    platforms: dict[HttpPlatform, HttpPlatformHandler],
    pools: dict[FastCgiApplication, tuple[Pool, Launcher]],
    asked: _Asked,
) -> None:
    """End workers that have been replaced, once they have answered what they were asked."""
    await asked.ended(_PATIENCE)
    await _close_all(platforms, pools)


async def _close_all(
    platforms: dict[HttpPlatform, HttpPlatformHandler],
    pools: dict[FastCgiApplication, tuple[Pool, Launcher]],
) -> None:
    await asyncio.gather(
        *(platform.close() for platform in platforms.values()),
        *(pool.close() for pool, _ in pools.values()),
    )
    for _, launcher in pools.values():
        launcher.close()
