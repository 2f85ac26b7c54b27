"""One running emulator: the front end, IIS and its workers, started in order and ended whole.

Knows who is asked by whom. Must not hold a rule of any of them, and must not print.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import facts, ports, process
from ..errors import AppServiceError
from .certificates import Certificates
from .checking import check
from .exchange import Say
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


@dataclass(frozen=True)
class Serving:
    """How a site is served: `port` as written (0 picks one), `check` a path to ask for, or None."""

    port: str = "8000"
    https: bool = False
    raw: bool = False
    request_limit: float = facts.REQUEST_LIMIT_SECONDS
    check: str | None = None


class Emulation:
    """The site of `plan`, served until `close`. `url` is where, once `start` is through."""

    def __init__(self, plan: Plan, serving: Serving, say: Say, show: Callable[[str], None]) -> None:
        self.url = ""
        self.tls: ssl.SSLContext | None = None
        self._plan = plan
        self._serving = serving
        self._say = say
        self._show = show
        self._ready = False
        self._workers = Workers(plan, say)
        self._iis = Iis(plan.site, self._workers.ask)
        self._front: FrontEnd | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, start a worker, and wait until it can answer.

        ConfigError for a port that cannot be had or a worker that cannot be started at all. One
        that starts and fails is said in the log: its requests get the pages that IIS hides.
        """
        plan, serving = self._plan, self._serving
        main = process.bind(_HOST, ports.parse_port(serving.port, "--port", zero=True))
        plain = process.bind(_HOST, 0) if serving.https else main
        number = main.getsockname()[1]
        https = number if serving.https else None
        server_tls = None
        try:
            if serving.https:
                server_tls = self._certify()
            self._front = FrontEnd(
                self._iis.ask,
                public=PublicName(
                    plan.public_name,
                    http_port=plain.getsockname()[1],
                    https_port=https,
                    raw=serving.raw,
                ),
                headers=FrontHeaders(plan.site_name, plan.default_name),
                say=self._say,
                request_limit=serving.request_limit,
            )
            problem = await self._workers.warm_up(plan.config)
            await self._front.start(plain, main if serving.https else None, server_tls)
        except BaseException:
            for bound in {main, plain}:
                bound.close()
            raise
        if serving.https:
            self._say(_EMULATOR, f"Plain http: http://{_HOST}:{plain.getsockname()[1]}")
        self.url = f"{'https' if https else 'http'}://{_HOST}:{number}"
        self._watcher = asyncio.create_task(watch(plan.site.folder, self._changed, self._say))
        self._tell(problem)

    async def close(self) -> None:
        """Let running requests end for a moment, then end everything."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        if self._front is not None:
            await self._front.close(_GRACE)
        await self._workers.close()

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
        configs = [name for name in names if name.rpartition("/")[2].lower() == "web.config"]
        root = self._plan.site.root
        if root.parent == self._plan.site.folder and root.name in names:
            configs.append(root.name)
        if configs:
            self._iis.forget()
        if not any("/" not in name for name in configs):
            # wfastcgi watches for itself; what web.config's own change restarts need not.
            self._workers.changed([name.replace("/", "\\") for name in names])
            return
        await self._workers.restart("web.config has changed")
        await self._warm_again()

    async def _warm_again(self) -> None:
        try:
            config, findings = self._plan.site.config("/")
            for finding in findings:
                self._say("iis", f"{finding.level.capitalize()}: {finding.where}: {finding}")
            if not any(finding.level == "error" for finding in findings):
                self._tell(await self._workers.warm_up(config))
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
    process.on_stop_signal(lambda: (loop.call_soon_threadsafe(signals.put_nowait, None), None)[1])
    emulation = Emulation(plan, serving, say, show)
    work = asyncio.create_task(_work(emulation, serving, show))
    try:
        await _until(work, signals)
        return work.result() if work.done() else 0
    finally:
        await _cancel(work)
        ending = asyncio.create_task(emulation.close())
        await _until(ending, signals)
        await _cancel(ending)


async def _work(emulation: Emulation, serving: Serving, show: Callable[[str], None]) -> int:
    began = time.monotonic()
    await emulation.start()
    if serving.check is None:
        return await asyncio.Event().wait()  # for ever
    ready = time.monotonic() - began
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


async def _until(task: asyncio.Task[Any], signals: asyncio.Queue[None]) -> None:
    """Wait until a task is done or a signal comes."""
    signal = asyncio.create_task(signals.get())
    await asyncio.wait({task, signal}, return_when=asyncio.FIRST_COMPLETED)
    await _cancel(signal)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
