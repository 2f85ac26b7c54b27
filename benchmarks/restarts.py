"""Restarts of a container under load: ``python -m benchmarks.restarts``.

Each container is a PID namespace whose process 1 is ``sh`` with a script of the image's shape.
Clients send requests that take up to 2.9 s, each over a connection of its own. At a random moment
process 1 gets SIGTERM, and SIGKILL 5 s later if it still runs, as on the platform. Both sides are
run: the startup command without ``exec``, and with it. Counted are requests that the app had begun
before the stop, those of them without a whole response, stops that SIGKILL had to end, and requests
that were begun after the stop and cut.

Needs Linux, and the right to make a PID namespace.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.support.pidspace import prefix
from tests.support.servers import clean_environ, free_port

__all__ = ["Restart", "restart", "restart_all"]

# An app notes the start of each request, in a file that all of its workers append to.
_NOTE = """\
import os, time

began = os.open("began", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def note(query):
    name, seconds = query.split("&")
    os.write(began, f"{name} {time.monotonic()}\\n".encode())
    return float(seconds)
"""
WSGI = f"""{_NOTE}
def app(environ, start_response):
    time.sleep(note(environ["QUERY_STRING"]))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"done"]
"""
ASGI = f"""{_NOTE}
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({{"type": kind + ".complete"}})
            if kind == "lifespan.shutdown":
                return
    await asyncio.sleep(note(scope["query_string"].decode()))
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"4")]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": b"done"}})
"""
SERVERS = {
    "gunicorn": ("gunicorn", WSGI),
    "waitress": ("waitress", WSGI),
    "granian": ("granian", WSGI),
    "granian, ASGI": ("granian", ASGI),
    "uvicorn": ("uvicorn", ASGI),
}
# The lines before and after the startup command are those of Oryx's script in their kind.
_SCRIPT = """\
#!/bin/sh
echo 'Starting the site'
cd {site}
export APP_PATH={site}
PATH="$PATH:"{site} {command}
"""
_NEEDS = (0.0, 0.05, 0.5, 1.5, 2.9)
_CLIENTS = 16
_LIMIT = 5.0


@dataclass
class Restart:
    """What one stop came to.

    `begun` requests were begun by the app before the stop; `lost` are those without a whole
    response, `cut` the requests begun after it without one. `killed`: SIGKILL ended it, after
    `seconds`.
    """

    begun: int = 0
    lost: list[str] = field(default_factory=list)
    cut: int = 0
    killed: bool = False
    seconds: float = 0.0


class _Clients:
    """Clients that send requests until none is accepted; `answered` are whole responses."""

    def __init__(self, port: int, needs: Sequence[float], chance: random.Random) -> None:
        self._port = port
        self._needs = needs
        self._chance = chance
        self._sent = 0
        self.answered: set[str] = set()
        self.failed: dict[str, str] = {}

    async def ask(self, seconds: float) -> bool:
        """Send one request; return False if no connection was accepted."""
        self._sent += 1
        name = f"r{self._sent}"
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        try:
            request = f"GET /?{name}&{seconds} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            response = await reader.read()
            if response.startswith(b"HTTP/1.1 200") and response.endswith(b"\r\n\r\ndone"):
                self.answered.add(name)
            else:
                self.failed[name] = repr(response[:60])
        except OSError as error:
            self.failed[name] = type(error).__name__
        finally:
            writer.close()
        return True

    async def go_on(self) -> None:
        """Send requests one after the other, until one is not accepted."""
        while await self.ask(self._chance.choice(self._needs)):
            pass


async def restart(
    server: str,
    source: str,
    *,
    replaces: bool,
    chance: random.Random,
    limit: float = _LIMIT,
    needs: Sequence[float] = _NEEDS,
) -> Restart:
    """Start a container, load it, stop it after `limit` seconds at most; return what came of it.

    `replaces`: the startup command begins with `exec`.
    """
    with tempfile.TemporaryDirectory(prefix="restarts-") as name:
        site, port = Path(name), free_port()
        (site / "app.py").write_text(source)
        command = f"{sys.executable} -m appsvc_runtime serve app:app --server {server}"
        command += f" --host 127.0.0.1 --port {port}"
        script = site / "startup.sh"
        script.write_text(
            _SCRIPT.format(site=site, command=f"exec {command}" if replaces else command)
        )
        with (site / "log").open("wb") as log:
            space = await asyncio.create_subprocess_exec(
                *prefix(), "/bin/sh", str(script), stdout=log, stderr=log, start_new_session=True,
                env=clean_environ(WEBSITES_CONTAINER_STOP_TIME_LIMIT=f"{limit:g}"),
            )  # fmt: skip
        try:
            clients = _Clients(port, needs, chance)
            await _until_it_responds(clients, space, site)
            tasks = [asyncio.create_task(clients.go_on()) for _ in range(_CLIENTS)]
            await asyncio.sleep(chance.uniform(0.3, 1.2))
            found = await _stop(space, limit)
            await asyncio.wait(tasks, timeout=max(needs) + limit)
            return _count(found[0], clients, site, found[1])
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(space.pid, signal.SIGKILL)
            await space.wait()


async def _until_it_responds(
    clients: _Clients, space: asyncio.subprocess.Process, site: Path
) -> None:
    deadline = time.monotonic() + 60
    while not clients.answered:
        if space.returncode is not None or time.monotonic() > deadline:
            raise RuntimeError(f"It does not respond:\n{(site / 'log').read_text()}")
        await clients.ask(0)
        await asyncio.sleep(0.02)


async def _stop(space: asyncio.subprocess.Process, limit: float) -> tuple[Restart, float]:
    """Stop process 1 of a namespace; return what came of it, and the time of the stop."""
    children = Path(f"/proc/{space.pid}/task/{space.pid}/children").read_text().split()
    first = int(children[0])
    began = time.monotonic()
    os.kill(first, signal.SIGTERM)
    killed = False
    try:
        await asyncio.wait_for(asyncio.shield(space.wait()), limit)
    except asyncio.TimeoutError:
        killed = True
        os.kill(first, signal.SIGKILL)
        await space.wait()
    return Restart(killed=killed, seconds=time.monotonic() - began), began


def _count(found: Restart, clients: _Clients, site: Path, stopped: float) -> Restart:
    lines = (site / "began").read_text().splitlines()
    for name, at in (line.split() for line in lines):
        whole = name in clients.answered
        if float(at) < stopped:
            found.begun += 1
            if not whole:
                found.lost.append(clients.failed.get(name, "no response"))
        elif not whole:
            found.cut += 1
    return found


async def restart_all(
    count: int, at_once: int, server: str, source: str, *, replaces: bool, seed: int
) -> list[Restart]:
    """Restart `count` containers, `at_once` at a time."""
    slots = asyncio.Semaphore(at_once)

    async def one(number: int) -> Restart:
        async with slots:
            chance = random.Random(f"{seed} {number}")
            return await restart(server, source, replaces=replaces, chance=chance)

    return await asyncio.gather(*map(one, range(count)))


def _row(name: str, side: str, found: list[Restart]) -> str:
    cells = [
        name,
        side,
        len(found),
        sum(one.begun for one in found),
        sum(len(one.lost) for one in found),
        sum(one.killed for one in found),
        sum(one.cut for one in found),
        f"{median(one.seconds for one in found):.1f}",
        f"{max(one.seconds for one in found):.1f}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Restart, and print a table; return 1 if, with exec, a request was lost or SIGKILL needed."""
    parser = argparse.ArgumentParser("benchmarks.restarts", description=__doc__.partition("\n")[0])
    parser.add_argument("--restarts", type=int, default=100, help="of each side (%(default)s)")
    parser.add_argument("--at-once", type=int, default=4, help="containers (%(default)s)")
    parser.add_argument("--server", action="append", choices=SERVERS, help="[default: gunicorn]")
    parser.add_argument("--side", choices=["both", "with", "without"], default="both")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args(argv)
    print(
        f"seed {given.seed}; {_CLIENTS} clients; requests of {_NEEDS} s; SIGKILL after {_LIMIT:g} s"
    )
    print(
        "| Server | exec | Restarts | Begun before | Lost | SIGKILL | Cut | Median s | Longest s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    good = True
    for name in given.server or ["gunicorn"]:
        server, source = SERVERS[name]
        for side in ("without", "with"):
            if given.side in ("both", side):
                replaces = side == "with"
                found = asyncio.run(
                    restart_all(
                        given.restarts, given.at_once, server, source, replaces=replaces,
                        seed=given.seed,
                    )
                )  # fmt: skip
                print(_row(name, side, found), flush=True)
                for reason in sorted({reason for one in found for reason in one.lost}):
                    print(f"lost: {reason}")
                bad = any(one.lost or one.killed for one in found)
                good = good and not (replaces and bad)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
