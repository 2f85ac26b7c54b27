"""HttpPlatformHandler: the processes of one application, and requests passed on to them.

Manages the process slots, and chooses the error page when no process is available. Must not know
how a process is found to listen, or how requests are transferred.
Sources: GetProcess of processmanager.cpp (slots in turn; the first request that needs a slot starts
its process) and ExecuteRequestHandler of forwardinghandler.cpp (502.5 for a process that does not
start, 502.3 for all later failures, 503 while it is stopped), both in lextudio's
httpplatformhandlerv2; the HttpPlatformHandler configuration reference. Users report that version
1.2, whose source is not public, responds with 502.3 also if a process does not start. After too
many failures, version 2 responds with 502.5 for the rest of the minute too; 503 for version 1 is
our choice.
"""

from __future__ import annotations

import asyncio
import calendar
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

# In seconds. After a broken connection: how long to wait for the process to end.
_MOMENT = 0.5


class HttpPlatformHandler:
    """All processes of one `httpPlatform` element; end them with `close`.

    `command` takes a port and returns the command that starts a process listening on it; it may
    raise ConfigError. `say` is called with a line for each event, labelled `python-1` and so on;
    `first` is the first number. `log_file` is the path from which the names of the copies of the
    output are made, or None. `clock` counts seconds, and `utc` returns the time of day.
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
            None if log_file is None else _LogNames(log_file, version, utc),
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

        Raises ConfigError for a command that cannot be started at all.
        """
        failure = await self._processes[0].ready()
        if self._replaced:
            raise StoppedError("The application has been replaced.")
        if failure is not None and failure.error is not None:
            raise failure.error
        return f"{failure.why} {failure.hint}".strip() if failure else ""

    async def ask(self, request: Request) -> Answer | Tunnel:
        """Pass a request on to the process whose turn it is, and start that if necessary.

        Return an error page for any failure of the processes; an exception of the request's body is
        raised. Raises StoppedError if this handler was given up before anything was sent.
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
        """Start no more processes: another handler has replaced this one."""
        self._replaced = True
        for process in self._processes:
            process.give_up()

    async def close(self) -> None:
        """End all processes at the same time; each has 10 seconds to stop."""
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


class _LogNames:
    """The log files of one application: no two processes get the same.

    A name ends with the second, and the modules share a file with no other writer (CreateFile in
    SetupStdHandles). Here a second process of the same second gets the name of the next second, so
    that no output is lost.
    """

    def __init__(self, path: Path, version: int, utc: Callable[[], time.struct_time]) -> None:
        self._path = path
        self._version = version
        self._utc = utc
        self._last = 0

    def __call__(self, _pid: int) -> str:
        """Return the file for a process that starts now."""
        self._last = max(calendar.timegm(self._utc()), self._last + 1)
        return log_name(self._path, self._version, time.gmtime(self._last))


def log_name(path: Path, version: int, now: time.struct_time) -> str:
    """Return the log file for the output of a process that starts now.

    The number in the name is the id of the IIS worker process, here of the emulator's process.
    Version 2 writes the time before it, with all digits, and creates the folder. For version 1 the
    source is the first AspNetCoreModule, its closest relative: SetupStdHandles of serverprocess in
    both.
    """
    worker = os.getpid()
    if version < 2:
        moment = "".join(str(part) for part in now[:6])
        return f"{path}_{worker}_{moment}.log"
    with contextlib.suppress(OSError):  # reported when the file cannot be written
        path.parent.mkdir(parents=True, exist_ok=True)
    return f"{path}_{time.strftime('%Y%m%d%H%M%S', now)}_{worker}.log"
