"""HttpPlatformHandler: the processes of one application, and requests passed on to them.

Knows the slots and which pages are shown when there is nobody to ask. Must not know how a process
is found to listen, nor how requests travel.
Sources: GetProcess of processmanager.cpp (slots in turn, each started by the first request that
needs it) and ExecuteRequestHandler of forwardinghandler.cpp (502.5 for a process that does not
start, 502.3 for all that fails later, 503 while it is stopped), both in lextudio's
httpplatformhandlerv2; the HttpPlatformHandler configuration reference. Version 1.2, whose source is
not public, is reported with 502.3 for processes that do not start as well. For the rest of a minute
with too many failures version 2 shows 502.5 too; 503 for version 1 is our choice.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import AppServiceError
from ...http import error_pages
from ...http.messages import StoppedError
from ...http.transfer import SilentError, UpstreamError
from ...http.upstream import Upstream
from ..rapid_fails import RapidFails
from .process import Failure, PlatformProcess, Shared

if TYPE_CHECKING:
    from ...http.messages import Answer, Request, Say, Tunnel
    from ..commands import Command
    from ..webconfig.model import HttpPlatform

__all__ = ["HttpPlatformHandler", "log_name"]

# After a connection that broke: to learn whether the process has ended.
_MOMENT = 0.5


class HttpPlatformHandler:
    """All processes that one `httpPlatform` element has; end them with `close`.

    `command` gives what is to be started so that it listens on the port it is called with, and may
    raise ConfigError. `say` gets a line for each event, labelled `python-1` and so on; `first` is
    the first number. `log_file`, None for none, is the path from which the names of the output's
    copies are made. `clock` counts seconds, and `utc` gives the time of day.
    """

    def __init__(
        self,
        settings: HttpPlatform,
        command: Callable[[int], Command],
        say: Say,
        *,
        version: int = 1,
        log_file: Path | None = None,
        label: str = "python",
        first: int = 1,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], time.struct_time] = time.gmtime,
    ) -> None:
        self._settings = settings
        self._upstream = Upstream()
        self._shared = Shared(
            settings,
            command,
            say,
            version,
            RapidFails(settings.rapid_fails_per_minute, clock),
            set(),
            None if log_file is None else lambda pid: log_name(log_file, version, utc()),
            clock,
        )
        self._closed = False
        self._replaced = False
        self._processes = [
            PlatformProcess(f"{label}-{number}", self._shared)
            for number in range(first, first + max(1, settings.processes_per_application))
        ]
        self._turns = itertools.count()

    async def warm_up(self) -> str:
        """Start the first process and wait until it listens; return "", or why it does not.

        Raises ConfigError for what cannot be started at all.
        """
        failure = await self._processes[0].ready()
        if self._replaced:
            raise StoppedError("The application has been replaced.")
        if failure is not None and failure.error is not None:
            raise failure.error
        return f"{failure.why} {failure.hint}".strip() if failure else ""

    async def ask(self, request: Request) -> Answer | Tunnel:
        """Pass a request on to the process whose turn it is, started if need be.

        All that the processes do wrong is answered for with a page; what the request's body raises
        is raised. StoppedError: it was given up before anything was sent.
        """
        process = self._processes[next(self._turns) % len(self._processes)]
        failure = await process.ready()
        port = process.port
        if self._replaced and port is None:
            raise StoppedError("The application has been replaced.")
        if failure is not None or port is None:
            return self._no_process(request, failure or Failure("The process has just ended."))
        if request.websocket:
            return self._upstream.tunnel(request, port)
        try:
            return await self._upstream.forward(
                request, port, timeout=self._settings.request_timeout
            )
        except UpstreamError as error:
            return await self._no_answer(request, process, error)

    def give_up(self) -> None:
        """Start no process any more: another handler has taken this one's place."""
        self._replaced = True
        for process in self._processes:
            process.give_up()

    async def close(self) -> None:
        """End all processes at once, each of which gets 10 seconds to stop."""
        self._closed = True
        try:
            await asyncio.gather(*(process.close() for process in self._processes))
        finally:
            await self._upstream.close()

    def _no_process(self, request: Request, failure: Failure) -> Answer:
        if self._closed:
            return error_pages.answer(
                request, 503, 0, "Service Unavailable", "The application is being stopped."
            )
        if self._shared.version > 1:
            status, substatus, title = 502, 5, "HttpPlatformHandler Startup Failure"
        elif failure.wait:
            status, substatus, title = 503, 0, "Service Unavailable"
        else:
            status, substatus, title = 502, 3, "Bad Gateway"
        headers = {"Retry-After": str(int(failure.wait) + 1)} if status == 503 else None
        return error_pages.answer(
            request, status, substatus, title, failure.why,
            details=failure.hint, output=failure.output, headers=headers,
        )  # fmt: skip

    async def _no_answer(
        self, request: Request, process: PlatformProcess, error: AppServiceError
    ) -> Answer:
        why, output = error.message, process.output()
        if not isinstance(error, SilentError) and await process.has_ended(_MOMENT):
            why, output = f"{why} {process.last_end}".rstrip(), process.output()
        elif isinstance(error, SilentError):
            why = f"{why} (requestTimeout)"
        return error_pages.answer(request, 502, 3, "Bad Gateway", why, output=output)


def log_name(path: Path, version: int, now: time.struct_time) -> str:
    """Give the file for the output of a process that starts now.

    The number in the name is the worker's, here this process's. Version 2 writes the time with all
    its digits, before it, and makes the folder; what version 1 does is taken from the first
    AspNetCoreModule, its closest relative: SetupStdHandles of either's serverprocess.
    """
    worker = os.getpid()
    if version < 2:
        moment = "".join(str(part) for part in now[:6])
        return f"{path}_{worker}_{moment}.log"
    with contextlib.suppress(OSError):  # said when the file cannot be written
        path.parent.mkdir(parents=True, exist_ok=True)
    return f"{path}_{time.strftime('%Y%m%d%H%M%S', now)}_{worker}.log"
