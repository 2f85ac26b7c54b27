"""The life of a container, with real programs: started, probed, watched, restarted, stopped."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.container import Container
from appsvc_runtime.emulator.linux.limits import Limits
from appsvc_runtime.emulator.linux.warmup import Launch
from tests.support.emulator import alive_with
from tests.support.servers import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]
QUICK = Limits(start=15, stop=5, warmup_path="/up")
# Responds with the status at the end of its path, and with the client's address.
SERVER = """
import http.server, os, signal, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/exit":
            os._exit(7)
        print("asked", self.path, self.headers["Host"], self.headers["User-Agent"],
              self.client_address[0], flush=True)
        if self.path == "/silent":
            time.sleep(60)
        status = int(self.path[-3:]) if self.path[-3:].isdigit() else 200
        self.send_response(status)
        self.end_headers()
    def log_message(self, *args): pass
if "ignore" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


class Made:
    """A container and its log."""

    def __init__(self, folder: Path, command: str, limits: Limits = QUICK) -> None:
        (folder / "server.py").write_text(SERVER)
        self.mark = f"mark-{folder.name}-{os.getpid()}"
        self.port = free_port()
        command = command.replace("PYTHON", sys.executable).replace("PORT", str(self.port))
        launch = Launch(
            ("/bin/sh", "-c", command),
            {"PATH": os.environ["PATH"], "MARK": self.mark},
            folder,
            self.port,
            command,
        )
        self.said: list[str] = []
        self.container = Container(
            "container", launch, limits, lambda _, text: self.said.append(text), pauses=(0.0, 0.01)
        )

    def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work; nothing may be left running afterwards."""

        async def run() -> None:
            try:
                await asyncio.wait_for(work(), 40)
            finally:
                self.container.kill()
                await asyncio.sleep(0)

        asyncio.run(run())
        deadline = time.monotonic() + 60
        while alive_with(self.mark):
            assert time.monotonic() < deadline, "processes are left"

    def log(self) -> str:
        """Return the whole log."""
        return "\n".join(self.said)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition is true."""
        deadline = time.monotonic() + 35
        while not condition():
            assert time.monotonic() < deadline, self.log()
            await asyncio.sleep(0.01)


def test_start_and_stop(tmp_path: Path) -> None:
    """It is probed as by the platform; SIGTERM reaches a server that was started with `exec`."""
    made = Made(tmp_path, "exec PYTHON server.py 0.0.0.0 PORT")

    async def work() -> None:
        assert await made.container.start() is None
        assert made.container.port == made.port
        said = await made.container.stop()
        assert "SIGTERM ended it after" in said

    made.run(work)
    asked = f"asked /up 169.254.129.1:{made.port} HealthCheck/1.0 127.169.254.1"
    assert asked in made.said
    assert "GET /up 200 in" in made.log()


def test_a_servers_helper_that_ends_after_it(tmp_path: Path) -> None:
    """It ends by itself a moment later, like multiprocessing's: it need not be killed."""
    made = Made(tmp_path, "exec PYTHON helped.py server.py 0.0.0.0 PORT")
    helper = "import sys, time; sys.stdin.read(); time.sleep(0.2)"
    (tmp_path / "helped.py").write_text(
        "import os, subprocess, sys\n"
        "pipe, null = subprocess.PIPE, subprocess.DEVNULL\n"
        f"words = [sys.executable, '-c', {helper!r}]\n"
        "helper = subprocess.Popen(words, stdin=pipe, stdout=null, stderr=null)\n"
        "os.set_inheritable(helper.stdin.fileno(), True)\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
    )

    async def work() -> None:
        assert await made.container.start() is None
        assert "SIGTERM ended it after" in await made.container.stop()

    made.run(work)


def test_a_server_without_exec(tmp_path: Path) -> None:
    """The shell ends alone, the server is killed, and the log has both."""
    made = Made(tmp_path, "PYTHON server.py 0.0.0.0 PORT; true")

    async def work() -> None:
        assert await made.container.start() is None
        said = await made.container.stop()
        assert "SIGTERM ended its shell, SIGKILL the rest (python" in said
        assert "`exec`" in said

    made.run(work)


def test_a_server_that_ignores_sigterm(tmp_path: Path) -> None:
    """It is killed after the limit."""
    limits = replace(QUICK, stop=0.3)
    made = Made(tmp_path, "exec PYTHON server.py 0.0.0.0 PORT ignore", limits)

    async def work() -> None:
        assert await made.container.start() is None
        assert await made.container.stop() == ("SIGTERM did not end it within 0.3 s: SIGKILL did.")

    made.run(work)


def test_a_stop_that_is_cancelled(tmp_path: Path) -> None:
    """As by a second Ctrl-C: everything ends at once."""
    limits = replace(QUICK, stop=60)
    made = Made(tmp_path, "exec PYTHON server.py 0.0.0.0 PORT ignore", limits)

    async def work() -> None:
        assert await made.container.start() is None
        stopping = asyncio.create_task(made.container.stop())
        await asyncio.sleep(0.1)
        stopping.cancel()
        await asyncio.wait({stopping})

    made.run(work)


TROUBLES = [
    # the command, the limits, a part of the reason
    pytest.param("exit 3", QUICK, "ended with exit code 3", id="exits"),
    pytest.param("nonsense", QUICK, "no command 'nonsense'", id="typo"),
    pytest.param("PYTHON -c 'import nix'", QUICK, "the module 'nix' is missing", id="module"),
    pytest.param("kill -9 $$", QUICK, "ended by signal 9", id="killed"),
    pytest.param(
        "exec PYTHON server.py 127.0.0.1 PORT",
        replace(QUICK, start=3),
        "cannot be reached from outside",
        id="loop",
    ),
    pytest.param("exec sleep 60", replace(QUICK, start=0.5), "listened on no port", id="idle"),
    pytest.param(
        "exec PYTHON server.py 0.0.0.0 PORT",
        Limits(2, 1, "/silent"),
        "gave no response",
        id="silent",
    ),
    pytest.param(
        "exec PYTHON server.py 0.0.0.0 PORT",
        Limits(2, 1, "/x503", frozenset({200})),
        "status 503, which is not in WEBSITE_WARMUP_STATUSES",
        id="status",
    ),
]


@pytest.mark.parametrize(("command", "limits", "why"), TROUBLES)
def test_a_start_that_fails(tmp_path: Path, command: str, limits: Limits, why: str) -> None:
    """The reason is reported, and no process is left."""
    made = Made(tmp_path, command, limits)

    async def work() -> None:
        trouble = await made.container.start()
        assert trouble is not None
        assert why in trouble.why
        assert trouble.command
        assert made.container.port is None
        assert await made.container.ready() is trouble

    made.run(work)


def test_the_wrong_port_is_said_early(tmp_path: Path) -> None:
    """It is reported long before the platform stops waiting."""
    other = free_port()
    made = Made(tmp_path, f"exec PYTHON server.py 0.0.0.0 {other}", replace(QUICK, start=60))

    async def work() -> None:
        starting = asyncio.create_task(made.container.start())
        await made.until(lambda: "instead of port" in made.log())
        starting.cancel()
        await made.container.stop()

    made.run(work)
    assert f"(The container listens on 0.0.0.0:{other} instead of port {made.port}" in made.log()


def test_any_answer_counts(tmp_path: Path) -> None:
    """A status of 500 counts too, with a warning."""
    made = Made(tmp_path, "exec PYTHON server.py 0.0.0.0 PORT", Limits(15, 5, "/x500"))

    async def work() -> None:
        assert await made.container.start() is None

    made.run(work)
    assert "counts as started also with status 500" in made.log()


def test_a_container_that_ends_is_started_again(tmp_path: Path) -> None:
    """It is restarted at once, and requests meanwhile wait for it."""
    made = Made(tmp_path, "exec PYTHON server.py 0.0.0.0 PORT")

    async def work() -> None:
        assert await made.container.start() is None
        for times in (1, 2):
            reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
            writer.write(b"GET /exit HTTP/1.0\r\n\r\n")
            await reader.read()
            writer.close()
            await made.until(lambda times=times: made.log().count("is started again") == times)
            await made.until(lambda: made.container.port is not None)
        assert await made.container.ready() is None
        await made.container.stop()

    made.run(work)
    assert "(The container ended with exit code 7; it is started again.)" in made.said


def test_a_container_that_is_replaced(tmp_path: Path) -> None:
    """It is stopped in order and started again, as after too long in an unhealthy state."""
    made = Made(tmp_path, "echo $$ >> pids; exec PYTHON server.py 0.0.0.0 PORT")

    async def work() -> None:
        assert await made.container.start() is None
        assert await made.container.restart("It is replaced.") is None
        assert made.container.port == made.port
        await made.container.stop()

    made.run(work)
    assert len(set((tmp_path / "pids").read_text().split())) == 2
    assert "(It is replaced.)" in made.said
    assert made.log().count("(Stopped: SIGTERM ended it after") == 2


def test_one_that_goes_on_failing(tmp_path: Path) -> None:
    """It is restarted again and again, each time with the reason, until it is stopped."""
    (tmp_path / "once").touch()
    made = Made(tmp_path, "rm once || exit 4; exec PYTHON server.py 0.0.0.0 PORT")

    async def work() -> None:
        assert await made.container.start() is None
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(b"GET /exit HTTP/1.0\r\n\r\n")
        await reader.read()
        writer.close()
        await made.until(lambda: made.log().count("ended with exit code 4 before") >= 3)
        trouble = made.container.trouble
        assert trouble is None or "exit code" in trouble.why
        await made.container.stop()

    made.run(work)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """A program that cannot be started is reported in the same way."""
    made = Made(tmp_path, "true")
    launch = replace(made.container._launch, argv=("/not/there",))
    made.container._launch = launch

    async def work() -> None:
        trouble = await made.container.start()
        assert trouble is not None
        assert "'/not/there' does not exist" in trouble.why

    made.run(work)
