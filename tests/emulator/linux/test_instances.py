"""Several containers behind the front end: requests are distributed, and avoid unhealthy ones."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.http.messages import Answer, Request, Tunnel
from appsvc_runtime.emulator.linux.container import Container
from appsvc_runtime.emulator.linux.instances import Instances
from appsvc_runtime.emulator.linux.limits import HealthPlan, Limits
from appsvc_runtime.emulator.linux.warmup import Launch
from tests.support.emulator import alive_with
from tests.support.servers import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]
# Responds with its number; unhealthy while a certain file exists.
SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/exit":
            os._exit(1)
        ill = self.path == "/health" and os.path.exists("ill-" + sys.argv[1])
        body = sys.argv[1].encode()
        self.send_response(500 if ill else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[2])), Handler).serve_forever()
"""
NAME = "shop.azurewebsites.net"


class Site:
    """Some instances and their log."""

    def __init__(
        self, folder: Path, commands: list[str], *, health: HealthPlan | None = None,
        affinity: bool = True,
    ) -> None:  # fmt: skip
        (folder / "server.py").write_text(SERVER)
        self.mark = f"mark-{folder.name}-{os.getpid()}"
        self.said: list[str] = []
        self.ids = [f"{number:064x}" for number in range(len(commands))]
        containers = []
        for number, command in enumerate(commands):
            port = free_port()
            words = f"exec {sys.executable} server.py {number} {port}"
            command = command.replace("SERVER", words)
            launch = Launch(
                ("/bin/sh", "-c", command),
                {"PATH": os.environ["PATH"], "MARK": self.mark},
                folder,
                port,
                command,
            )
            containers.append(
                Container(f"container-{number + 1}", launch, Limits(15, 5, "/"), self.say)
            )
        self.instances = Instances(
            containers, self.ids, affinity=affinity, public_name=NAME, say=self.say, health=health
        )

    def say(self, label: str, text: str) -> None:
        """Add a line to the log."""
        self.said.append(f"{label} {text}")

    async def get(self, path: str = "/", cookie: str = "", *, secure: bool = False) -> Answer:
        """Send a request as the front end does."""
        headers = CIMultiDict({"Host": NAME, "Accept": "text/plain"})
        if cookie:
            headers["Cookie"] = cookie
        answer = await self.instances.ask(Request("GET", path, headers, secure=secure))
        assert isinstance(answer, Answer)
        if not isinstance(answer.body, bytes):
            answer.body = b"".join([piece async for piece in answer.body])
        return answer

    def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work; nothing may be left running."""

        async def run() -> None:
            try:
                await asyncio.wait_for(work(), 40)
            finally:
                await self.instances.close()

        asyncio.run(run())
        deadline = time.monotonic() + 60
        while alive_with(self.mark):
            assert time.monotonic() < deadline, "processes are left"

    async def until(self, text: str) -> None:
        """Wait until a text is logged."""
        deadline = time.monotonic() + 35
        while not any(text in line for line in self.said):
            assert time.monotonic() < deadline, "\n".join(self.said)
            await asyncio.sleep(0.01)


def body(answer: Answer) -> str:
    assert isinstance(answer.body, bytes)
    return answer.body.decode()


def test_requests_are_spread_and_kept(tmp_path: Path) -> None:
    """Without a cookie in turn; a cookie keeps its instance, an unknown one gets a new one."""
    site = Site(tmp_path, ["SERVER"] * 3)

    async def work() -> None:
        assert await site.instances.start() == ""
        answers = [await site.get() for _ in range(6)]
        assert sorted(body(answer) for answer in answers) == list("001122")
        assert {answer.note for answer in answers} == {f"instance {n}" for n in (1, 2, 3)}
        (cookie,) = answers[0].headers.getall("Set-Cookie")
        assert cookie.startswith(f"ARRAffinity={site.ids[int(body(answers[0]))]};")
        kept = [await site.get(cookie=f"ARRAffinity={site.ids[2]}") for _ in range(4)]
        assert [body(answer) for answer in kept] == list("2222")
        assert "Set-Cookie" not in kept[0].headers
        unknown = await site.get(cookie="ARRAffinity=ffff", secure=True)
        assert len(unknown.headers.getall("Set-Cookie")) == 2

    site.run(work)


def test_without_affinity(tmp_path: Path) -> None:
    """No cookie is set, and cookies are ignored."""
    site = Site(tmp_path, ["SERVER"] * 2, affinity=False)

    async def work() -> None:
        await site.instances.start()
        cookie = f"ARRAffinity={site.ids[1]}"
        answers = [await site.get(cookie=cookie) for _ in range(4)]
        assert sorted(body(answer) for answer in answers) == list("0011")
        assert not any("Set-Cookie" in answer.headers for answer in answers)

    site.run(work)


def test_an_instance_that_does_not_start(tmp_path: Path) -> None:
    """The other instances respond, which is enough; the reason of the failure is logged."""
    site = Site(tmp_path, ["exit 3", "SERVER"])

    async def work() -> None:
        assert await site.instances.start() == ""
        assert [body(await site.get()) for _ in range(3)] == list("111")
        # Also for a client whose own instance it was.
        moved = await site.get(cookie=f"ARRAffinity={site.ids[0]}")
        assert body(moved) == "1"
        assert moved.headers["Set-Cookie"].startswith(f"ARRAffinity={site.ids[1]};")

    site.run(work)
    assert "container-1 (The container ended with exit code 3 before" in "\n".join(site.said)


def test_application_error(tmp_path: Path) -> None:
    """If no instance starts, clients get the platform's page with the reason that it hides."""
    site = Site(tmp_path, ["echo the last words; exit 3"])

    async def work() -> None:
        problem = await site.instances.start()
        assert "ended with exit code 3" in problem
        answer = await site.get()
        assert answer.status == 503
        text = body(answer)
        assert text.startswith("503 Application Error")
        assert "the last words" in text
        assert "What was run:\necho the last words; exit 3\n" in text
        assert "App Service does not show the reason" in text

    site.run(work)


def test_an_instance_that_breaks_off(tmp_path: Path) -> None:
    """The client gets an error; the next request gets the restarted container."""
    site = Site(tmp_path, ["SERVER"])

    async def work() -> None:
        await site.instances.start()
        broken = await site.get("/exit")
        assert broken.status in (502, 503)
        await site.until("is started again")
        deadline = time.monotonic() + 35
        while (await site.get()).status != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)

    site.run(work)


def test_websockets_are_kept_too(tmp_path: Path) -> None:
    """They come from the same address as requests."""
    site = Site(tmp_path, ["SERVER"])

    async def work() -> None:
        await site.instances.start()
        headers = CIMultiDict({"Host": NAME})
        tunnel = await site.instances.ask(Request("GET", "/ws?x=1", headers, websocket=True))
        assert isinstance(tunnel, Tunnel)
        assert tunnel.url.endswith("/ws?x=1")
        assert tunnel.source == "127.169.254.1"

    site.run(work)


def test_the_health_check(tmp_path: Path) -> None:
    """An unhealthy instance is taken out, is still checked, and comes back."""
    plan = HealthPlan("/health", interval=0.05, failures=2)
    site = Site(tmp_path, ["SERVER"] * 2, health=plan)

    async def work() -> None:
        await site.instances.start()
        await site.until("health instance 1: /health healthy (200")
        (tmp_path / "ill-0").touch()
        await site.until("failure 1 of 2: 500.")
        await site.until("failure 2 of 2: 500. The instance is unhealthy.")
        assert [body(await site.get()) for _ in range(3)] == list("111")
        assert body(await site.get(cookie=f"ARRAffinity={site.ids[0]}")) == "1"
        (tmp_path / "ill-0").unlink()
        await site.until("instance 1: /health healthy again (200)")
        assert sorted([body(await site.get()) for _ in range(2)]) == list("01")

    site.run(work)
