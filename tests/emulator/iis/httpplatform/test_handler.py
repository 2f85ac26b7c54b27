"""HttpPlatformHandler with real processes that work well, badly or not at all."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.http.messages import Answer, Request, StoppedError, Tunnel
from appsvc_runtime.emulator.iis.commands import Command
from appsvc_runtime.emulator.iis.httpplatform.handler import HttpPlatformHandler, log_name
from appsvc_runtime.emulator.iis.rapid_fails import RapidFails
from appsvc_runtime.emulator.iis.webconfig.model import HttpPlatform
from appsvc_runtime.emulator.processes import readiness
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.system import procfs
from tests.support.processes import is_running
from tests.support.servers import clean_environ, free_port

pytestmark = pytest.mark.integration

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="/proc shows whose")

# Uses sockets only, because it is started often.
SERVER = """
import os, socket, sys, threading, time
def serve_one(connection):
    file = connection.makefile("rwb")
    while line := file.readline():
        length = 0
        while (header := file.readline().strip()):
            if header.lower().startswith(b"content-length:"):
                length = int(header[15:])
        file.read(length)
        if b"/exit" in line:
            print("going down", flush=True)
            os._exit(3)
        if b"/hang" in line:
            time.sleep(60)
        body = str(os.getpid()).encode()
        file.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
        file.flush()
def serve(address="127.0.0.1", port=0):
    listening = socket.create_server((address, port or int(os.environ["HTTP_PLATFORM_PORT"])))
    while True:
        threading.Thread(target=serve_one, args=[listening.accept()[0]], daemon=True).start()
"""
SLEEP = "import time; print('not listening', flush=True); time.sleep(60)"
WELL = SERVER + "serve()"
EXIT = "import sys; print('no module named flask'); sys.exit(3)"


class Platform:
    """A handler whose processes run `code`; it records their ports and the logged lines."""

    def __init__(self, code: str, **options: Any) -> None:
        self.code = code
        self.ports: list[int] = []
        self.lines: list[str] = []
        self.variables: dict[str, str] = {}
        own = {
            name: options.pop(name) for name in ("version", "clock", "log_file") if name in options
        }
        settings = HttpPlatform(**{"startup_time_limit": 30, **options})
        self.handler = HttpPlatformHandler(settings, self._command, self._say, **own)

    def _command(self, port: int) -> Command:
        self.ports.append(port)
        told = {"HTTP_PLATFORM_PORT": str(port), **self.variables}
        return Command((sys.executable, "-c", self.code), clean_environ(**told), Path.cwd())

    def _say(self, label: str, text: str) -> None:
        self.lines.append(f"{label}: {text}")

    def said(self, text: str) -> bool:
        """Return whether this was logged."""
        return any(text in line for line in self.lines)

    async def ask(self, target: str = "/", method: str = "GET", **options: Any) -> Answer:
        """Send a request, and return the response with its body read."""
        asked = Request(method, target, CIMultiDict({"Host": "app.example"}), **options)
        answer = await self.handler.ask(asked)
        assert isinstance(answer, Answer)
        if not isinstance(answer.body, bytes):
            answer.body = b"".join([piece async for piece in answer.body])
        return answer

    async def pid(self) -> int:
        """Return the id of the process that responds."""
        answer = await self.ask()
        assert answer.status == 200, answer.body
        assert isinstance(answer.body, bytes)
        return int(answer.body)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


class Ahead:
    """A real clock that a test can move ahead when it has waited enough."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return time.monotonic() + self.seconds


@asynccontextmanager
async def platform(code: str, **options: Any) -> AsyncIterator[Platform]:
    """Yield a handler; after the test no process is left."""
    made = Platform(code, **options)
    try:
        yield made
    finally:
        await made.handler.close()
    own = os.getpid()
    assert not [one for one in procfs.processes() if one.parent == own and one.running]


def run(check: Callable[[], Awaitable[None]]) -> None:
    """Run a test that may take a minute at most."""
    asyncio.run(asyncio.wait_for(check(), 60))


async def wait_for(call: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not call():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.005)


def text(answer: Answer) -> str:
    assert isinstance(answer.body, bytes)
    return answer.body.decode()


def test_first_request_starts_the_process() -> None:
    """The next request uses it; it gets a port, and ends with the handler."""

    async def check() -> None:
        async with platform(WELL) as made:
            assert made.ports == []
            pid = await made.pid()
            assert await made.pid() == pid
            assert len(made.ports) == 1
            assert 10_000 <= made.ports[0] <= 48_000
        assert not is_running(pid)
        assert made.said("python-1: (It has stopped.)")

    run(check)


def test_warm_up_starts_it_before() -> None:
    """No process is started twice."""

    async def check() -> None:
        async with platform(WELL) as made:
            assert await made.handler.warm_up() == ""
            await made.pid()
            assert len(made.ports) == 1

    run(check)


def test_requests_share_one_start() -> None:
    """Any number of requests wait for it, even if the first of them is cancelled."""

    async def check() -> None:
        async with platform("import time; time.sleep(0.3)\n" + WELL) as made:
            first = asyncio.ensure_future(made.pid())
            await wait_for(lambda: made.ports)
            others = [asyncio.ensure_future(made.pid()) for _ in range(20)]
            await asyncio.sleep(0)
            first.cancel()
            assert len(set(await asyncio.gather(*others))) == 1
            assert len(made.ports) == 1

    run(check)


def test_processes_take_turns() -> None:
    """Each is started by the first request whose turn it is, on a port of its own."""

    async def check() -> None:
        async with platform(WELL, processes_per_application=3) as made:
            first = await made.pid()
            assert len(made.ports) == 1
            pids = [await made.pid() for _ in range(5)]
            assert len({first, *pids}) == 3
            assert pids[2:] == [first, *pids[:2]]
            assert len(set(made.ports)) == 3

    run(check)


@pytest.mark.parametrize(
    ("version", "tries", "number"),
    [pytest.param(1, 3, "502.3", id="v1"), pytest.param(2, 2, "502.5", id="v2")],
)
def test_process_that_never_listens(version: int, tries: int, number: str) -> None:
    """It is killed and started again, as often as in that version; the page gives the reason."""

    async def check() -> None:
        clock = Ahead()
        async with platform(SLEEP, startup_retry_count=2, version=version, clock=clock) as made:
            asked = asyncio.ensure_future(made.ask())
            for count in range(1, tries + 1):
                await wait_for(lambda: len(made.ports) == count)  # noqa: B023
                clock.seconds += 1  # after this time, repeated output is no longer held back
                await wait_for(lambda: made.lines.count("python-1: not listening") == count)  # noqa: B023
                clock.seconds += 30
            answer = await asked
            assert (answer.status, len(made.ports)) == (502, tries)
            assert answer.note.startswith(number)
            assert "within 30 s (startupTimeLimit)" in text(answer)
            assert "not listening" in text(answer)
            assert "HTTP_PLATFORM_PORT" in text(answer)
            assert len(set(made.ports)) == tries
            assert made.said(f"try {tries} of {tries}")

    run(check)


@needs_proc
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_process_that_listens_elsewhere(address: str) -> None:
    """The log and the page show the other address; most such programs read another variable."""
    other = free_port()

    async def check() -> None:
        code = SERVER + f"print('up', flush=True); serve({address!r}, {other})"
        clock = Ahead()
        async with platform(code, startup_retry_count=0, clock=clock) as made:
            asked = asyncio.ensure_future(made.ask())
            await wait_for(lambda: made.said("up"))
            clock.seconds += 1  # after this time, other addresses are looked for
            await wait_for(lambda: made.said("It listens on"))
            clock.seconds += 30
            answer = await asked
            where = f"It listens on {address}:{other} instead of 127.0.0.1:{made.ports[0]}."
            assert answer.status == 502
            assert where in text(answer)
            assert made.said(f"python-1: ({where})")

    run(check)


@needs_proc
@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="no IPv6")
@pytest.mark.parametrize("address", ["::1", "::"])
def test_process_that_listens_with_ipv6_only(address: str) -> None:
    """The module connects over IPv4; a socket for both is an IPv6 socket as well."""
    code = (
        "import os, socket, time\n"
        "listening = socket.socket(socket.AF_INET6)\n"
        f"listening.bind(({address!r}, int(os.environ['HTTP_PLATFORM_PORT'])))\n"
        "listening.listen(); print('up', flush=True); time.sleep(60)"
    )

    async def check() -> None:
        clock = Ahead()
        async with platform(code, startup_retry_count=0, clock=clock) as made:
            asked = asyncio.ensure_future(made.ask())
            await wait_for(lambda: made.said("up"))
            clock.seconds += 1
            await wait_for(lambda: made.said("It listens on"))
            clock.seconds += 30
            answer = await asked
            assert answer.status == 502
            assert f"It listens on [{address}]:{made.ports[0]}, but not with IPv4" in text(answer)

    run(check)


@needs_proc
def test_port_of_another_program_is_not_the_process() -> None:
    """Another program listens there, but it is not the process that was started."""

    async def check() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            options = {"startup_time_limit": 0.4, "startup_retry_count": 0}
            async with platform(SLEEP, **options) as made:
                port = other.getsockname()[1]
                made.variables["HTTP_PLATFORM_PORT"] = str(port)
                assert f"Another program listens on port {port}" in text(await made.ask())

    run(check)


def test_process_that_ends_at_once() -> None:
    """Its exit code and output are shown; each start is one attempt, whatever the time limit."""

    async def check() -> None:
        async with platform(EXIT, startup_retry_count=1) as made:
            answer = await made.ask()
            assert (answer.status, len(made.ports)) == (502, 2)
            assert "ended with exit code 3 before it listened" in text(answer)
            assert "no module named flask" in text(answer)
            assert made.said("python-1: no module named flask")
            assert await made.handler.warm_up() != ""

    run(check)


def test_process_that_recovers() -> None:
    """A later attempt that succeeds is a success."""

    async def check() -> None:
        async with platform(EXIT, startup_retry_count=5) as made:
            asked = asyncio.ensure_future(made.pid())
            await wait_for(lambda: made.said("started again"))
            made.code = WELL
            assert await asked

    run(check)


def test_no_start_after_too_many_failures() -> None:
    """No process is started for the rest of the minute; then one may be started again."""

    async def check() -> None:
        clock = Clock()
        async with platform(
            EXIT, startup_retry_count=10, rapid_fails_per_minute=2, clock=clock
        ) as made:
            for _ in range(2):
                answer = await made.ask()
                assert (answer.status, len(made.ports)) == (503, 3)
                assert answer.headers["Retry-After"] == "61"
                assert "more than 2 times in a minute (rapidFailsPerMinute)" in text(answer)
                assert "ended with exit code 3" in text(answer)
                assert "no module named flask" in text(answer)
            clock.now += 59.9
            assert (await made.ask()).status == 503
            clock.now += 0.1
            made.code = WELL
            assert await made.pid()

    run(check)


def test_version_2_does_not_count_failed_starts() -> None:
    """Only processes that were ready are counted."""

    async def check() -> None:
        async with platform(EXIT, rapid_fails_per_minute=0, version=2) as made:
            for count in (2, 4):
                assert (await made.ask()).status == 502
                assert len(made.ports) == count
            made.code = WELL
            await made.pid()
            await made.ask("/exit")
            answer = await made.ask()
            assert answer.note.startswith("502.5")
            assert "rapidFailsPerMinute" in text(answer)

    run(check)


# What happens in which second, and whether a process may be started then.
@pytest.mark.parametrize(
    ("limit", "fails", "asks"),
    [
        pytest.param(2, [], [(0, True)], id="none"),
        pytest.param(2, [0, 1], [(1, True)], id="as-many-as-allowed"),
        pytest.param(2, [0, 1, 2], [(2, False), (59.9, False), (60, True)], id="one-too-many"),
        pytest.param(0, [5], [(5, False), (60, True), (61, True)], id="none-allowed"),
        pytest.param(1, [50, 55], [(56, False), (60, True), (70, True)], id="minute-of-the-start"),
        pytest.param(1, [50, 55], [(90, True), (149, True)], id="later-minute-from-the-question"),
        pytest.param(1, [50, 70], [(65, True), (71, True)], id="over-two-minutes"),
        pytest.param(
            1, [70, 80], [(65, True), (81, False), (124, False), (125, True)], id="second"
        ),
        pytest.param(100, [1] * 100, [(1, True)], id="a-hundred"),
        pytest.param(100, [1] * 101, [(1, False)], id="a-hundred-and-one"),
    ],
)
def test_minutes_and_failures(
    limit: int, fails: list[float], asks: list[tuple[float, bool]]
) -> None:
    """The behaviour is that of PROCESS_MANAGER::RapidFailsPerMinuteExceeded."""
    clock = Clock()
    begun = clock.now
    counted = RapidFails(limit, clock)
    for moment, may in sorted([(at, None) for at in fails] + list(asks), key=lambda one: one[0]):
        clock.now = begun + moment
        if may is None:
            counted.count()
        else:
            left = counted.seconds_left()
            assert (left == 0) == may, moment
            assert 0 <= left <= 60


def test_process_that_crashes_is_started_by_the_next_request() -> None:
    """The request during which it crashed gets its exit code and its output."""

    async def check() -> None:
        async with platform(WELL) as made:
            pid = await made.pid()
            answer = await made.ask("/exit")
            assert answer.note.startswith("502.3")
            assert "closed the connection without a response" in text(answer)
            assert "ended with exit code 3" in text(answer)
            assert "going down" in text(answer)
            assert made.said("The next request starts it again.")
            assert await made.pid() != pid
            assert len(made.ports) == 2

    run(check)


def test_process_that_is_killed_is_started_again() -> None:
    """The log names the signal."""

    async def check() -> None:
        async with platform(WELL) as made:
            pid = await made.pid()
            os.kill(pid, signal.SIGKILL)
            await wait_for(lambda: made.said("was ended by signal 9"))
            assert await made.pid() != pid

    run(check)


def test_process_that_hangs() -> None:
    """The request fails after requestTimeout; the process is not killed for that."""

    async def check() -> None:
        async with platform(WELL, request_timeout=0.5) as made:
            pid = await made.pid()
            answer = await made.ask("/hang")
            assert answer.note.startswith("502.3")
            assert "sent no response for 0.5 s" in text(answer)
            assert "requestTimeout" in text(answer)
            assert await made.pid() == pid

    run(check)


@needs_proc
def test_launcher_that_ends() -> None:
    """Its child listens and goes on; when that ends too, the process is started again."""
    code = SERVER + (
        "if os.fork() == 0: serve()\n"
        "while not any(int(line.split()[1][-4:], 16) == int(os.environ['HTTP_PLATFORM_PORT'])"
        " for line in list(open('/proc/net/tcp'))[1:]): time.sleep(0.01)\n"
        "time.sleep(0.5)"
    )

    async def check() -> None:
        async with platform(code) as made:
            pid = await made.pid()
            await wait_for(lambda: made.said("a child process goes on listening"))
            assert await made.pid() == pid
            os.kill(pid, signal.SIGKILL)
            await wait_for(lambda: not is_running(pid))
            answer = await made.ask()
            assert answer.status == 502
            assert await made.pid() != pid

    run(check)


def test_given_up_while_it_answers() -> None:
    """A process that is ready goes on, for the requests that it has."""

    async def check() -> None:
        async with platform(WELL) as made:
            pid = await made.pid()
            made.handler.give_up()
            assert is_running(pid)
            assert await made.pid() == pid

    run(check)


def test_given_up_during_a_start() -> None:
    """Waiting requests raise StoppedError, to be sent to the new handler; nothing is left."""

    async def check() -> None:
        async with platform(SLEEP) as made:
            asked = asyncio.ensure_future(made.ask())
            await wait_for(lambda: made.said("not listening"))
            made.handler.give_up()
            with pytest.raises(StoppedError):
                await asked
            with pytest.raises(StoppedError):
                await made.ask()

    run(check)


def test_close_during_a_start() -> None:
    """The started process is ended, and waiting requests get 503."""

    async def check() -> None:
        async with platform(SLEEP) as made:
            asked = [asyncio.ensure_future(made.ask()) for _ in range(3)]
            await wait_for(lambda: made.said("not listening"))
            await made.handler.close()
            assert [answer.status for answer in await asyncio.gather(*asked)] == [503] * 3
            assert (await made.ask()).status == 503

    run(check)


def test_cancelled_while_starting() -> None:
    """Ctrl-C cancels everything: no process is left, even if `close` is not called."""
    made: list[Platform] = []

    async def check() -> None:
        made.append(Platform(SLEEP))
        asked = asyncio.ensure_future(made[0].ask())
        await wait_for(lambda: made[0].said("not listening"))
        assert not asked.done()

    run(check)
    own = os.getpid()
    assert not [one for one in procfs.processes() if one.parent == own and one.running]


def test_interpreter_that_is_missing() -> None:
    """The user's mistake is an error before anything runs, and a page for each request."""

    async def check() -> None:
        handler = HttpPlatformHandler(
            HttpPlatform(),
            lambda port: Command(("/no/such/python",), {}, Path.cwd()),
            lambda label, line: None,
        )
        with pytest.raises(ConfigError, match="'/no/such/python' does not exist"):
            await handler.warm_up()
        answer = await handler.ask(Request("GET", "/", CIMultiDict()))
        assert isinstance(answer, Answer)
        assert "does not exist" in text(answer)
        assert "--python" in text(answer)
        await handler.close()

    run(check)


def test_upgrade_is_a_tunnel() -> None:
    """The tunnel leads to the process, which is started for it."""

    async def check() -> None:
        async with platform(WELL) as made:
            asked = Request("GET", "/ws?a", CIMultiDict({"Host": "x"}), websocket=True)
            answer = await made.handler.ask(asked)
            assert isinstance(answer, Tunnel)
            assert answer.url == f"ws://127.0.0.1:{made.ports[0]}/ws?a"

    run(check)


def test_what_the_body_raises_is_raised() -> None:
    """The front end has to respond to it."""

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        raise KeyError("too large")

    async def check() -> None:
        async with platform(WELL) as made:
            await made.pid()
            asked = Request(
                "POST", "/", CIMultiDict({"Host": "x", "Content-Length": "9"}), body(), 9
            )
            with pytest.raises(KeyError, match="too large"):
                await made.handler.ask(asked)
            assert await made.pid()

    run(check)


def test_process_that_prints_much() -> None:
    """It prints before and during its responses, and neither side has to wait."""
    code = "import sys\nfor _ in range(2000): print('x' * 500)\n" + WELL

    async def check() -> None:
        async with platform(code) as made:
            await made.pid()
            assert len(made.lines) >= 2000

    run(check)


@pytest.mark.parametrize("version", [1, 2])
def test_output_is_copied_to_the_log_file(tmp_path: Path, version: int) -> None:
    """The file name has a number and the time; version 2 creates the folder."""
    folder = tmp_path / "made" if version == 2 else tmp_path

    async def check() -> None:
        code = "print('started', flush=True)\n" + WELL
        async with platform(code, version=version, log_file=folder / "python.log") as made:
            await made.pid()
        [file] = folder.glob("python.log_*.log")
        assert file.read_text() == "started\n"

    run(check)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        pytest.param(1, "out_{pid}_202623456.log", id="v1"),
        pytest.param(2, "out_20260203040506_{pid}.log", id="v2"),
    ],
)
def test_log_names(tmp_path: Path, version: int, name: str) -> None:
    """The names are those of the two versions."""
    moment = time.strptime("2026-02-03 04:05:06", "%Y-%m-%d %H:%M:%S")
    made = log_name(tmp_path / "out", version, moment)
    assert made == str(tmp_path / name.format(pid=os.getpid()))


@pytest.fixture
def no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a system that does not show which process owns a socket."""
    monkeypatch.setattr(procfs, "is_listened_on", lambda port: None)
    monkeypatch.setattr(procfs, "listeners", lambda pids: [])


@pytest.mark.usefixtures("no_proc")
def test_readiness_where_the_system_does_not_tell() -> None:
    """Connections are tried instead; the end of a process is noticed all the same."""

    async def check() -> None:
        async with platform(WELL) as made:
            pid = await made.pid()
            os.kill(pid, signal.SIGKILL)
            await wait_for(lambda: made.said("signal 9"))
            assert await made.pid() != pid
        async with platform(SLEEP, startup_time_limit=0.3, startup_retry_count=0) as made:
            assert "startupTimeLimit" in text(await made.ask())

    run(check)


def test_ports_are_free_and_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port in use or reserved for another process is skipped; it is an error if none is left."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        busy = other.getsockname()[1]
        free = free_port()
        picks = iter([busy, free, free])
        monkeypatch.setattr(readiness.random, "randint", lambda *_: next(picks))
        assert readiness.free_port() == free
        monkeypatch.setattr(readiness.random, "randint", lambda *_: busy)
        with pytest.raises(ConfigError, match="No free port"):
            readiness.free_port({free})
        monkeypatch.setattr(readiness.random, "randint", lambda *_: free)
        with pytest.raises(ConfigError, match="No free port"):
            readiness.free_port({free})
