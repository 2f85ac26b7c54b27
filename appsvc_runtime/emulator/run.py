"""One running emulator: the front end and the host behind it, started and ended in order.

Knows the order of the parts that a request passes. Must not know what kind of host there is, and
must not print.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable

from ..azure import ports
from ..errors import ConfigError
from ..system import signals, sockets
from .check import check
from .frontend.allowed_hosts import AllowedHosts, certificate_names
from .frontend.certificates import Certificates
from .frontend.easy_auth import EasyAuth
from .frontend.headers import FrontHeaders
from .frontend.public_name import PublicName
from .frontend.server import FrontEnd
from .http.backend import Host, Serving
from .http.messages import Say
from .processes.background import INTERRUPTED, cancel, raise_failure, until
from .processes.child import settle
from .processes.guard import guarded

__all__ = ["Emulation", "run"]

_HOST = "127.0.0.1"
# Seconds for running requests once the host has stopped; a second Ctrl-C does not wait for them.
_GRACE = 2.0
_EMULATOR = "emulator"
# If the default port is taken, so many ports are tried, itself included.
_NEXT_PORTS = 20


class Emulation:
    """The site of `host`, served until `close`. `url` is its address, once it listens.

    `started`: whether the host has started, or has reported why it cannot.
    """

    def __init__(self, host: Host, serving: Serving, say: Say, show: Callable[[str], None]) -> None:
        self.url = ""
        self.tls: ssl.SSLContext | None = None
        self._host = host
        self._serving = serving
        self._say = say
        self._show = show
        self.started = False
        self._ready = False
        self._hurry = False
        self._front: FrontEnd | None = None

    @property
    def remark(self) -> str:
        """Why all responses differ from what the user expects, or ""."""
        return self._host.remark

    async def start(self) -> str:
        """Listen, start the host, and wait until it can respond; return "", or why it cannot.

        Raise ConfigError if the port cannot be bound, or the host cannot be started at all. If a
        host starts and fails, this is logged: its requests get the pages that the platform hides.
        """
        port = await self._listen()
        problem = await self._host.start(self._tell, port)
        if problem is not None:
            self._tell(problem)
        self.started = True
        return problem or ""

    async def close(self) -> None:
        """Stop the host, pass on what it finishes, then end everything, even if some of it fails.

        On cancellation, end everything at once.
        """
        try:
            if self._front is not None:
                await self._front.close(_GRACE, self._host.stop)
        except asyncio.CancelledError:
            self._hurry = True
            raise
        finally:
            await (self._host.kill() if self._hurry else self._host.close())

    async def _listen(self) -> int:
        names, serving = self._host.names, self._serving
        main = self._bind_main(ports.parse_port(serving.port, "--port", zero=True))
        plain = _bind(0) if serving.https else main
        number: int = main.getsockname()[1]
        try:
            server_tls = self._certify() if serving.https else None
            public = PublicName(
                names.public,
                http_port=plain.getsockname()[1],
                https_port=number if serving.https else None,
                raw=serving.raw,
            )
            ask = self._host.ask
            if serving.sign_in:
                ask = EasyAuth(ask, public.local_host).ask
            self._front = FrontEnd(
                ask,
                public=public,
                hosts=AllowedHosts((names.public, names.default), serving.allowed_hosts),
                headers=FrontHeaders(
                    names.site, names.default, authentication=names.authentication
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
        return number

    def _bind_main(self, port: int) -> socket.socket:
        """Return a socket that listens on the port, or on one of the next, which is reported."""
        for number in range(port, port + _NEXT_PORTS if self._serving.or_next else port):
            try:
                bound = _bind(number)
            except ConfigError:
                continue
            if number != port:
                self._say(
                    _EMULATOR,
                    f"Port {port} is taken: the site is at {number}. --port names another.",
                )
            return bound
        return _bind(port)

    def _certify(self) -> ssl.SSLContext:
        """Make the certificate, and write the authority's to a file for the user."""
        names = certificate_names(self._serving.allowed_hosts)
        certificates = Certificates(self._host.names.public, *names)
        self.tls = certificates.client_context()
        file = self._host.names.folder / "authority.pem"
        certificates.write_authority(file)
        self._say(_EMULATOR, f"The certificate's authority, for curl --cacert: {file}")
        return certificates.server_context()

    def _tell(self, problem: str) -> None:
        """Report once that the site is ready, or why it is not."""
        if problem:
            self._say(_EMULATOR, f"Not ready, {self.url} also shows why: {problem}")
        elif not self._ready:
            self._ready = True
            self._show(f"Ready {self.url}")


def run(host: Host, serving: Serving, *, say: Say, show: Callable[[str], None]) -> int:
    """Emulate until a stop signal, or send one request with `--check`; return the exit code.

    `show` prints what programs wait for: the line `Ready URL`, and the result of `--check`. A
    second signal kills what has not ended yet.
    """
    with guarded():
        return asyncio.run(_run(host, serving, say, show))


async def _run(host: Host, serving: Serving, say: Say, show: Callable[[str], None]) -> int:
    stops: asyncio.Queue[None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stops.put_nowait, None)

    signals.on_stop_signal(stop)
    emulation = Emulation(host, serving, say, show)
    work = asyncio.create_task(_work(emulation, serving, show))
    try:
        await until(work, stops)
        if work.done():
            return work.result()
        if serving.check is None and emulation.started:
            return 0
        if serving.check is None:
            say(_EMULATOR, "Interrupted: the site has not started.")
            return INTERRUPTED
        show(f"GET {serving.check} was interrupted")
        return 1
    finally:
        await cancel(work)
        ending = asyncio.create_task(emulation.close())
        await until(ending, stops)
        await cancel(ending)
        await settle()
        raise_failure(ending)


async def _work(emulation: Emulation, serving: Serving, show: Callable[[str], None]) -> int:
    began = time.monotonic()
    problem = await emulation.start()
    if serving.check is None:
        return await asyncio.Event().wait()  # forever
    ready = time.monotonic() - began
    if problem:
        show(f"GET {serving.check} was not sent: the site did not start in {ready:.1f} s:")
        show(problem)
        return 1
    found = await check(
        emulation.url, serving.check, limit=serving.request_limit + 5, tls=emulation.tls
    )
    answer = f"{found.status} {found.reason}".strip() if found.status else "no response"
    show(
        f"GET {serving.check} {answer} in {found.seconds * 1000:.0f} ms "
        f"(ready after {ready * 1000:.0f} ms)"
    )
    if found.good and not emulation.remark:
        return 0
    if emulation.remark:
        show(emulation.remark)
    for line in found.text.splitlines():
        show(line)
    return 1


def _bind(port: int) -> socket.socket:
    """Return a listening socket: a port that is only bound can be bound by others too."""
    bound = sockets.bind(_HOST, port)
    try:
        bound.listen(1024)
    except OSError as error:
        bound.close()
        raise sockets.port_error(_HOST, port, error) from None
    return bound
