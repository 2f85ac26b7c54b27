"""One running emulator: the front end, IIS and its workers, started in order and ended whole.

Knows who is asked by whom. Must not hold a rule of any of them, and must not print.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import facts, ports, process, webconfig
from ..errors import AppServiceError
from ..findings import errors
from .certificates import Certificates
from .checking import check
from .exchange import Answer, Request, Say, StoppedError, Tunnel
from .frontend import FrontEnd
from .frontheaders import FrontHeaders
from .iis import Iis
from .publicname import PublicName
from .watching import watch
from .workers import Workers

if TYPE_CHECKING:
    from .plan import Plan

__all__ = ["Emulation", "Serving", "run"]

_HOST = "127.0.0.1"
# What the platform gives a stopping instance; a second Ctrl-C does not wait for it.
_GRACE = 2.0
_EMULATOR = "emulator"
_CONFIG = "web.config"
_TRIES = 5


@dataclass(frozen=True)
class Serving:
    """How a site is served: `port` as written (0 picks one), `check` a path to ask for, or None."""

    port: str = "8000"
    https: bool = False
    raw: bool = False
    request_limit: float = facts.REQUEST_LIMIT_SECONDS
    check: str | None = None


class Emulation:
    """The site of `plan`, served until `close`. `url` is where, once it listens."""

    def __init__(self, plan: Plan, serving: Serving, say: Say, show: Callable[[str], None]) -> None:
        self.url = ""
        self.tls: ssl.SSLContext | None = None
        self._plan = plan
        self._serving = serving
        self._say = say
        self._show = show
        self._ready = False
        self._hurry = False
        self._workers = Workers(plan, say)
        self._iis = Iis(plan.site, self._workers.ask)
        self._front: FrontEnd | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._warming: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listen, start a worker, and wait until it can answer; give "", or why it cannot.

        ConfigError for a port that cannot be had or a worker that cannot be started at all. One
        that starts and fails is said in the log: its requests get the pages that IIS hides.
        """
        await self._listen()
        site = self._plan.site
        self._tasks = [asyncio.create_task(watch(site.folder, self._changed, self._say))]
        if site.root.parent != site.folder:
            watching = watch(site.root.parent, self._root_changed, self._say, below=False)
            self._tasks.append(asyncio.create_task(watching))
        with contextlib.suppress(StoppedError):  # web.config was edited meanwhile
            problem = await self._workers.warm_up(self._plan.config, self._plan.kind)
            self._tell(problem)
            return problem
        return ""

    async def close(self) -> None:
        """Let running requests end for a moment, then end everything, whatever fails meanwhile.

        Cancelled, it ends everything at once.
        """
        try:
            for task in [*self._tasks, *([self._warming] if self._warming else [])]:
                await _cancel(task)
            if self._front is not None:
                await self._front.close(_GRACE)
        except asyncio.CancelledError:
            self._hurry = True
            raise
        finally:
            await (self._workers.kill() if self._hurry else self._workers.close())

    async def _listen(self) -> None:
        plan, serving = self._plan, self._serving
        main = _bind(ports.parse_port(serving.port, "--port", zero=True))
        plain = _bind(0) if serving.https else main
        number = main.getsockname()[1]
        try:
            server_tls = self._certify() if serving.https else None
            self._front = FrontEnd(
                self._ask,
                public=PublicName(
                    plan.public_name,
                    http_port=plain.getsockname()[1],
                    https_port=number if serving.https else None,
                    raw=serving.raw,
                ),
                headers=FrontHeaders(
                    plan.site_name,
                    plan.default_name,
                    authentication=plan.environ["WEBSITE_AUTH_ENABLED"].lower() == "true",
                ),
                say=self._say,
                request_limit=serving.request_limit,
            )
            await self._front.start(plain, main if serving.https else None, server_tls)
        except BaseException:
            for bound in {main, plain}:
                bound.close()
            raise
        self.url = f"{'https' if serving.https else 'http'}://{_HOST}:{number}"
        if serving.https:
            self._say(_EMULATOR, f"Plain http: http://{_HOST}:{plain.getsockname()[1]}")

    async def _ask(self, request: Request) -> Answer | Tunnel:
        """Have IIS answer; of workers that are replaced before they do anything, the next ones."""
        for _ in range(_TRIES):
            with contextlib.suppress(StoppedError):
                return await self._iis.ask(replace(request, headers=request.headers.copy()))
        return Answer(503, note="the site was restarted again and again")

    def _certify(self) -> ssl.SSLContext:
        """Make the certificate, and leave the authority's where a user finds it."""
        certificates = Certificates(self._plan.public_name)
        self.tls = certificates.client_context()
        file = self._plan.paths.home / "authority.pem"
        certificates.write_authority(file)
        self._say(_EMULATOR, f"The certificate's authority, for curl --cacert: {file}")
        return certificates.server_context()

    def _tell(self, problem: str) -> None:
        """Say once that the site is ready, or why it is not."""
        if problem:
            self._say(_EMULATOR, f"Not ready, {self.url} shows why as well: {problem}")
        elif not self._ready:
            self._ready = True
            self._show(f"Ready {self.url}")

    async def _changed(self, names: list[str]) -> None:
        """Act on what changed in the site's folder."""
        # A folder that was moved tells nothing of the web.config in it, so every change counts.
        self._iis.forget()
        read = {_CONFIG, self._plan.site.root.name.lower()}
        configs = [name for name in names if name.rpartition("/")[2].lower() in read]
        if configs:
            self._restart(f"{', '.join(configs)} has changed")
        elif self._workers.recycles():
            self._restart(f"{names[0]} has changed (recycleOnFileChange)")
        else:
            # wfastcgi watches for itself.
            self._workers.changed([name.replace("/", "\\") for name in names])

    async def _root_changed(self, names: list[str]) -> None:
        """Act on a change beside the file of `--config`."""
        root = self._plan.site.root.name
        if root in names:
            self._iis.forget()
            self._restart(f"{root} has changed")

    def _restart(self, why: str) -> None:
        self._workers.restart(why)
        if self._warming is not None:
            self._warming.cancel()
        # Not waited for: the next change, which may mend it, must not wait for a start that fails.
        self._warming = asyncio.create_task(self._warm_again())

    async def _warm_again(self) -> None:
        try:
            config, findings = self._plan.site.config("/")
            for finding in findings:
                self._say("iis", f"{finding.level.capitalize()}: {finding.where}: {finding}")
            if not errors(findings):
                kind = webconfig.kind(config) or self._plan.kind
                self._tell(await self._workers.warm_up(config, kind))
        except StoppedError:
            return
        except AppServiceError as error:
            self._say("iis", f"Error: {error}")


def run(plan: Plan, serving: Serving, *, say: Say, show: Callable[[str], None]) -> int:
    """Emulate until a stop signal, or ask once where that is wanted; give the exit code.

    `show` prints what programs wait for: the line `Ready URL`, and what `--check` found. A second
    signal ends at once what has not ended yet.
    """
    return asyncio.run(_run(plan, serving, say, show))


async def _run(plan: Plan, serving: Serving, say: Say, show: Callable[[str], None]) -> int:
    signals: asyncio.Queue[None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(signals.put_nowait, None)

    process.on_stop_signal(stop)
    emulation = Emulation(plan, serving, say, show)
    work = asyncio.create_task(_work(emulation, serving, show))
    try:
        await _until(work, signals)
        if work.done():
            return work.result()
        if serving.check is None:
            return 0
        show(f"GET {serving.check} was interrupted")
        return 1
    finally:
        await _cancel(work)
        ending = asyncio.create_task(emulation.close())
        await _until(ending, signals)
        await _cancel(ending)


async def _work(emulation: Emulation, serving: Serving, show: Callable[[str], None]) -> int:
    began = time.monotonic()
    problem = await emulation.start()
    if serving.check is None:
        return await asyncio.Event().wait()  # for ever
    ready = time.monotonic() - began
    if problem:
        show(f"GET {serving.check} was not asked, as the site did not start in {ready:.1f} s:")
        show(problem)
        return 1
    found = await check(
        emulation.url, serving.check, limit=serving.request_limit + 5, tls=emulation.tls
    )
    answer = f"{found.status} {found.reason}".strip() if found.status else "no answer"
    show(
        f"GET {serving.check} {answer} in {found.seconds * 1000:.0f} ms "
        f"(ready after {ready * 1000:.0f} ms)"
    )
    if found.good:
        return 0
    for line in found.text.splitlines():
        show(line)
    return 1


def _bind(port: int) -> socket.socket:
    """Give a socket that listens: what is only bound, another may bind as well."""
    bound = process.bind(_HOST, port)
    try:
        bound.listen(1024)
    except OSError as error:
        bound.close()
        raise process.port_error(_HOST, port, error) from None
    return bound


async def _until(task: asyncio.Task[Any], signals: asyncio.Queue[None]) -> None:
    """Wait until a task is done or a signal comes."""
    signal = asyncio.create_task(signals.get())
    await asyncio.wait({task, signal}, return_when=asyncio.FIRST_COMPLETED)
    await _cancel(signal)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
