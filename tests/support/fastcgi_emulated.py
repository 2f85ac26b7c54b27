"""The emulator's FastCGI side on a folder made for a test, with fakes and the real wfastcgi."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from multidict import CIMultiDict

from appsvc_runtime.emulator.http.messages import Answer, Request
from appsvc_runtime.emulator.iis.fastcgi.exchange import Response
from appsvc_runtime.emulator.iis.fastcgi.launch import Launcher
from appsvc_runtime.emulator.iis.fastcgi.params import make_params, site_params
from appsvc_runtime.emulator.iis.fastcgi.pool import Pool
from appsvc_runtime.emulator.iis.fastcgi.process import FastCgiProcess
from appsvc_runtime.emulator.iis.webconfig.model import FastCgiApplication
from tests.support.processes import exists

__all__ = [
    "APP", "Log", "Running", "Varying", "application", "body_of", "fake", "gone", "params",
    "pieces", "real", "run_pool", "run_process", "until",
]  # fmt: skip

FAKE = Path(__file__).with_name("fastcgi_fake.py")
# An app with a page for everything that these tests request.
APP = """\
import os, sys, time
NUMBER = 1
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise RuntimeError("the app broke")
    if path == "/exit":
        os._exit(3)
    if path == "/slow":
        time.sleep(0.3)
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))])
    if path == "/late":
        def late():
            yield b"x" * 100
            raise RuntimeError("late")
        return late()
    if path == "/big":
        return (b"x" * 65536 for _ in range(int(environ["QUERY_STRING"])))
    if path == "/python":
        import __main__
        return [repr((sys.argv, sys.path[0], os.getcwd(), __main__.__name__, __main__.__file__,
            getattr(sys, "orig_argv", None), os.environ.get("GREETING"),
            environ["APPL_PHYSICAL_PATH"])).encode()]
    if path == "/environ":
        return [repr(sorted((k, v) for k, v in environ.items() if isinstance(v, str))).encode()]
    return [b"number %d, %d bytes" % (NUMBER, len(body))]
"""


class Log:
    """Collects log lines; pass it as `say`."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, label: str, text: str) -> None:
        """Keep a line."""
        self.lines.append((label, text))

    @property
    def text(self) -> str:
        """Return all lines as one text."""
        return "\n".join(f"{label}: {text}" for label, text in self.lines)


def application(**settings: float) -> FastCgiApplication:
    """Return the settings of a FastCGI application."""
    return FastCgiApplication("python", **settings)  # type: ignore[arg-type]


def environ() -> dict[str, str]:
    """Return a small environment."""
    kept = ("HOME", "LANG", "LC_ALL", "PATH", "TEMP", "TMP", "TMPDIR", "SYSTEMROOT")
    return {name: os.environ[name] for name in kept if name in os.environ}


def fake(folder: Path, log: Log, *words: str, **settings: float) -> Launcher:
    """Return a launcher of a fake; the fake misbehaves as `words` specify."""
    return Launcher(
        [sys.executable, str(FAKE), *words], application(**settings), log,
        environ=environ(), folder=folder, label="fake",
    )  # fmt: skip


class Varying(Launcher):
    """A launcher that starts a fake with other words each time; the last words are used again.

    `made` are the launchers used so far.
    """

    def __init__(self, folder: Path, log: Log, *words: Sequence[str], **settings: float) -> None:
        super().__init__(["x"], application(), log, environ={}, folder=folder)
        self.made: list[Launcher] = []
        self._make = [lambda some=some: fake(folder, log, *some, **settings) for some in words]

    async def start(self) -> FastCgiProcess:
        """Start the next fake."""
        self.made.append(self._make[min(len(self.made), len(self._make) - 1)]())
        return await self.made[-1].start()

    def close(self) -> None:
        """Remove the files of all launchers."""
        super().close()
        for launcher in self.made:
            launcher.close()


def real(
    folder: Path, log: Log, *, app: str = APP, python: str = sys.executable,
    settings: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None,
    **limits: float,
) -> Launcher:  # fmt: skip
    """Return a launcher of the real wfastcgi for an app, which is written to `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "site_app.py").write_text(app)
    found = importlib.util.find_spec("wfastcgi")
    assert found is not None
    assert found.origin is not None
    values = {"WSGI_HANDLER": "site_app.application", "GREETING": "hello", **(settings or {})}
    lines = "".join(
        f"<add key={quoteattr(name)} value={quoteattr(value)}/>" for name, value in values.items()
    )
    config = f"<configuration><appSettings>{lines}</appSettings></configuration>".encode()
    return Launcher(
        [python, found.origin], application(**limits), log,
        environ={**environ(), **(environment or {})}, folder=folder, config=config,
    )  # fmt: skip


def params(folder: Path, target: str = "/", method: str = "GET", **more: str) -> dict[str, str]:
    """Return all parameters of a request."""
    request = Request(method, target, CIMultiDict({"Host": "site.example"}))
    return {**site_params(folder), **make_params(request, folder), **more}


async def pieces(size: int, piece: int = 65_536) -> AsyncIterator[bytes]:
    """Yield a body of `size` bytes."""
    while size > 0:
        yield b"u" * min(size, piece)
        size -= piece
        await asyncio.sleep(0)


async def body_of(answer: Answer | Response) -> bytes:
    """Read a response to its end."""
    if isinstance(answer.body, bytes):
        return answer.body
    return b"".join([piece async for piece in answer.body])


async def until(condition: Callable[[], object], what: str, seconds: float = 10) -> None:
    """Wait until a condition is true, and fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    """Return whether a process has ended and its exit status is collected."""
    return not exists(pid)


Work = Callable[[FastCgiProcess], Awaitable[None]]


def run_process(launcher: Launcher, work: Work) -> FastCgiProcess:
    """Start a process, call `work` with it, end it; check that no process is left."""

    async def all_of_it() -> FastCgiProcess:
        process = await launcher.start()
        try:
            await work(process)
        finally:
            await process.close()
        assert process.gone.is_set()
        return process

    with launcher:
        process = asyncio.run(all_of_it())
    assert gone(process.pid)
    return process


class Running:
    """A running pool, its launcher, its folder and its log."""

    def __init__(self, pool: Pool, launcher: Launcher, folder: Path, log: Log) -> None:
        self.pool = pool
        self.launcher = launcher
        self.folder = folder
        self.log = log

    async def get(self, target: str = "/", **more: object) -> Answer:
        """Send a request."""
        return await self.pool.ask(params(self.folder, target), **more)  # type: ignore[arg-type]

    async def text(self, target: str = "/") -> str:
        """Send a request, check for status 200, and return the body."""
        answer = await self.get(target)
        assert answer.status == 200, answer
        return (await body_of(answer)).decode()


def run_pool(
    launcher: Launcher, folder: Path, log: Log, work: Callable[[Running], Awaitable[None]],
    *, warm: bool = True, rapid: int = 10, **settings: float,
) -> None:  # fmt: skip
    """Run a pool, call `work` with it, close it; check that no process is left."""
    pids = []

    async def all_of_it() -> None:
        async def start():  # type: ignore[no-untyped-def]
            process = await launcher.start()
            pids.append(process.pid)
            return process

        pool = Pool(application(**settings), start, log, rapid_fails_per_minute=rapid)
        try:
            if warm:
                await pool.start()
            await asyncio.wait_for(work(Running(pool, launcher, folder, log)), 30)
        finally:
            await pool.close()
        assert pool.labels == []
        refused = await pool.ask(params(folder))
        assert refused.status == 503

    with launcher:
        asyncio.run(all_of_it())
    assert pids
    assert [pid for pid in pids if not gone(pid)] == []
