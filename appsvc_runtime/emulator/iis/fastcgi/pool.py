"""The processes of one FastCGI application: their number, their requests, their replacement.

Knows IIS's rules for these. Must not know how a process is started, or what it runs. Sources:
learn.microsoft.com/iis/configuration/system.webServer/fastCgi/application; for maxInstances 0 (IIS
adjusts the number to the load; here it is the number of cores) blogs.msdn.com/webdevelopertips, tip
71; for rapid failures iis-blogs.azurewebsites.net/rickjames/fastcgi-rapid-failure-protection.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from ....errors import AppServiceError
from ....system import process as system
from ...http.messages import Answer, Request, Say, StoppedError
from ..rapid_fails import RapidFails
from ..webconfig.model import FastCgiApplication
from .cgi_head import CgiHeadError
from .exchange import RESPONSE_BUFFER, Exchange
from .pages import RefusedError, page, pass_on, queue_is_full, rapid_failure, stopping
from .process import FastCgiProcess
from .protocol import BEGIN_REQUEST, PARAMS_END, STDIN_END, FastCgiError, encode_params
from .request import open_request

__all__ = ["Pool"]

_LABEL = "fastcgi"
_RAPID_FAILS_PER_MINUTE = 10  # IIS's default
# Seconds without a request for a process whose first response was an error: wfastcgi then ends.
_DOUBT = 0.1
_GRACE = 2.0
_CHANGE_COUNTS = 3.0


class Pool:
    """Runs up to `max_instances` processes. Call `start`, then `ask` any number of times, `close`.

    `params` are the parameters that every request has.
    """

    def __init__(
        self,
        application: FastCgiApplication,
        start: Callable[[], Awaitable[FastCgiProcess]],
        say: Say,
        *,
        params: Mapping[str, str] | None = None,
        rapid_fails_per_minute: int = _RAPID_FAILS_PER_MINUTE,
    ) -> None:
        self._application = application
        self._start = start
        self._say = say
        self._most = application.max_instances or system.cpu_count()
        self._opening = BEGIN_REQUEST + encode_params(params or {})
        self._fails = RapidFails(rapid_fails_per_minute or sys.maxsize)
        self._loop = asyncio.get_running_loop()
        self._processes: set[FastCgiProcess] = set()
        self._ending: set[FastCgiProcess] = set()
        self._idle: list[tuple[FastCgiProcess, float]] = []
        self._waiting: deque[Exchange] = deque()
        self._starting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.TimerHandle | None = None
        self._closed = self._replaced = False
        self._change = ""
        self._change_until = 0.0

    def changed(self, names: Sequence[str]) -> None:
        """Note the names of written files: they explain why processes end soon afterwards."""
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        self._change = f", as {names[0]}{more} has changed" if names else ""
        self._change_until = self._loop.time() + _CHANGE_COUNTS

    async def start(self) -> None:
        """Start a process, so that the first client need not wait. Raises what `start` raises."""
        self._starting += 1
        try:
            made = await self._start()
        finally:
            self._starting -= 1
        self._add(made)

    @property
    def labels(self) -> list[str]:
        """The labels of the processes that take requests."""
        return sorted(process.label for process in self._processes)

    async def ask(
        self,
        params: Mapping[str, str],
        body: AsyncIterator[bytes] | None = None,
        length: int | None = 0,
        *,
        limit: int = RESPONSE_BUFFER,
        request: Request | None = None,
    ) -> Answer:
        """Return the response of a process, or an error page if none can respond.

        `length` None: a body of unknown length. `limit`: how much of a response is held back before
        it is sent on (the handler's responseBufferLimit). `request` is for the error page. Raises
        what `body` raises, and StoppedError after `give_up`; a streamed response body raises
        FastCgiError if the process fails later.
        """
        label = ""
        try:
            message = b"".join((self._opening, encode_params(params), PARAMS_END))
            if body is None or length == 0:
                message, body = message + STDIN_END, None
            else:
                message, body = await open_request(message, body, length)
            method = params.get("REQUEST_METHOD", "")
            exchange = Exchange(message, body, length, limit=limit, method=method)
            while True:
                self._hand_over(exchange)
                try:
                    response = await exchange.response()
                    label = _label(exchange)
                    return pass_on(response, label)
                except (FastCgiError, CgiHeadError) as error:
                    label = _label(exchange)
                    again = exchange.again(error)
                    if again is None:
                        raise
                    exchange = again
        except (FastCgiError, CgiHeadError) as error:
            return page(error, label, request)

    def give_up(self) -> None:
        """Hand back the waiting requests that have no body: another pool has replaced this one."""
        self._replaced = True
        for exchange in self._waiting:
            if exchange.length == 0:
                exchange.fail(_replaced())
        self._waiting = deque(each for each in self._waiting if each.length != 0)

    async def close(self) -> None:
        """End every process. Waiting requests fail with the page for a stopping emulator."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        self._refuse(stopping())
        self._idle.clear()
        everyone = [*self._processes, *self._ending]
        await asyncio.gather(*(self._end(process) for process in everyone), *self._tasks)

    # Requests.

    def _hand_over(self, exchange: Exchange) -> None:
        """Pass a request to an idle process, or put it into the queue. Raises RefusedError."""
        if self._replaced and exchange.length == 0:
            raise _replaced()
        if self._closed:
            raise stopping()
        while self._idle:
            process, _ = self._idle.pop()
            if not process.retired:
                process.begin(exchange)
                return
        if self._fails.seconds_left() and not self._processes:
            raise rapid_failure(self._fails.limit)
        if len(self._waiting) >= self._application.queue_length:
            raise queue_is_full(self._application.queue_length)
        if exchange.tries:
            self._waiting.appendleft(exchange)
        else:
            self._waiting.append(exchange)
        self._grow()

    def _free(self, process: FastCgiProcess) -> None:
        """Note that a process has nothing to do, and give it the next request, if any, at once."""
        if process.served >= self._application.instance_max_requests > 0:
            self._retire(process, f"It has had {process.served} requests (instanceMaxRequests).")
            self._grow()
            self._keep_warm()
            return
        if process.doubtful:
            self._loop.call_later(_DOUBT, self._free_later, process)
            return
        while self._waiting:
            exchange = self._waiting.popleft()
            if not exchange.future.done():
                process.begin(exchange)
                return
        self._idle.append((process, self._loop.time()))
        if self._reaper is None:
            self._reaper = self._loop.call_later(self._application.idle_timeout, self._reap)

    def _free_later(self, process: FastCgiProcess) -> None:
        if process in self._processes and not process.retired and not process.busy:
            process.doubtful = False
            self._free(process)

    def _refuse(self, error: RefusedError) -> None:
        """Fail all waiting requests."""
        while self._waiting:
            self._waiting.popleft().fail(error)

    # Processes.

    def _grow(self) -> None:
        """Start processes for the waiting requests, up to the allowed number."""
        if self._closed or not self._waiting:
            return
        if self._fails.seconds_left():
            if not self._processes and not self._starting:
                self._refuse(rapid_failure(self._fails.limit))
            return
        while (
            self._starting < len(self._waiting)
            and len(self._processes) + self._starting < self._most
        ):
            self._spawn(self._start_one())

    def _keep_warm(self) -> None:
        """Start a process if there is none."""
        if not (self._closed or self._processes or self._starting or self._fails.seconds_left()):
            self._spawn(self._start_one())

    async def _start_one(self) -> None:
        try:
            made = await self._start()
        except AppServiceError as error:
            self._starting -= 1
            self._fails.count()
            self._say(_LABEL, str(error))
            if self._waiting:
                title = "The FastCGI process could not be started"
                refused = RefusedError(502, title, error.message, hint=error.hint)
                self._waiting.popleft().fail(refused)
            self._grow()
            return
        except BaseException:
            self._starting -= 1
            raise
        self._starting -= 1
        self._add(made)
        if self._closed:
            await self._end(made)

    def _add(self, process: FastCgiProcess) -> None:
        process.on_free = self._free
        process.on_gone = self._gone
        self._processes.add(process)
        if process.gone.is_set():
            self._gone(process)
        elif not self._closed:
            self._free(process)

    def _retire(self, process: FastCgiProcess, why: str) -> None:
        """End a process, after its request in progress."""
        if why:
            self._say(process.label, f"({why} It is replaced.)")
        self._processes.discard(process)
        self._ending.add(process)
        if process.busy:
            process.retire()
        else:
            process.retired = True
            self._spawn(self._end(process), starting=False)

    async def _end(self, process: FastCgiProcess) -> None:
        await process.close(self._application.signal_before_terminate_seconds, _GRACE)

    def _gone(self, process: FastCgiProcess) -> None:
        """Note that a process has ended, and log why."""
        expected = process in self._ending
        self._processes.discard(process)
        self._ending.discard(process)
        self._idle = [pair for pair in self._idle if pair[0] is not process]
        if process.failure:
            self._fails.count()
            self._say(process.label, f"({process.failure})")
        elif not expected and not self._closed:
            self._tell_end(process)
            if process.served and not process.doubtful:
                self._keep_warm()
        self._grow()

    def _tell_end(self, process: FastCgiProcess) -> None:
        """Log why a process has ended that the pool did not end and that did not fail."""
        if process.error is not None:
            self._say(process.label, f"({process.error.message} It is replaced.)")
        elif not process.retired:
            # wfastcgi ends with exit code 0 after a changed file, and after an error at its start.
            why = self._change if self._loop.time() < self._change_until else ""
            self._say(process.label, f"(It has ended by itself, code {process.returncode}{why}.)")

    def _reap(self) -> None:
        """End processes that have been idle for too long."""
        self._reaper = None
        timeout = self._application.idle_timeout
        over = self._loop.time() - timeout
        kept = []
        for process, since in self._idle:
            if since <= over:
                self._retire(process, f"It has had nothing to do for {timeout} s (idleTimeout).")
            else:
                kept.append((process, since))
        self._idle = kept
        if kept:
            self._reaper = self._loop.call_at(kept[0][1] + timeout, self._reap)

    def _spawn(self, work: Coroutine[Any, Any, None], *, starting: bool = True) -> None:
        self._starting += starting
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _replaced() -> StoppedError:
    return StoppedError("The application has been replaced.")


def _label(exchange: Exchange) -> str:
    return getattr(exchange.carrier, "label", "")
