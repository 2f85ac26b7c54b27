"""One wfastcgi, called in three ways: ``python -m benchmarks.fastcgi [--requests N] [--rounds N]``.

In turns, over several rounds, the same process of the real wfastcgi with a trivial handler gets N
requests. *Bytes*: over its socket from a tight loop, which sends the bytes of one request, made
beforehand, and reads until the last record arrives, without parsing the rest. *Answers*: the same
loop, but from a request's parameters to status, headers and body. *Pool*: the same through
``Pool.ask``, with several concurrent clients in an event loop. Printed are the medians of the rates
and of the ratios within each round, and how much of its time this process used a processor; the
goal is 0.8 of each. If other work keeps the processors busy, or the system keeps both processes on
one, the cost of the event loop is added to the time of each request rather than hidden behind it.

Then 100 MB (``--megabytes``) are sent and received through the pool. Printed are the time and by
how much this process has grown at most; the goal is 32 MB. wfastcgi joins the body of a request
piece by piece and copies all of it each time, which is most of the time of an upload.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import resource
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from multidict import CIMultiDict

from appsvc_runtime.emulator.http.messages import Request
from appsvc_runtime.emulator.iis.fastcgi.cgi_head import HeadParser
from appsvc_runtime.emulator.iis.fastcgi.launch import Launcher
from appsvc_runtime.emulator.iis.fastcgi.params import make_params, site_params
from appsvc_runtime.emulator.iis.fastcgi.pool import Pool
from appsvc_runtime.emulator.iis.fastcgi.process import FastCgiProcess
from appsvc_runtime.emulator.iis.fastcgi.protocol import (
    BEGIN_REQUEST,
    PARAMS_END,
    STDIN_END,
    ResponseParser,
    Stdout,
    encode_params,
)
from appsvc_runtime.emulator.iis.webconfig.model import FastCgiApplication

GOAL_RATIO, GOAL_MB = 0.8, 32
VISITORS = 8
END = bytes.fromhex("0103000100080000") + bytes(8)
APP = """
def application(environ, start_response):
    if environ["PATH_INFO"] == "/down":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return (b"x" * 1048576 for _ in range(int(environ["QUERY_STRING"])))
    if environ["PATH_INFO"] == "/up":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(len(environ["wsgi.input"].read())).encode()]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""
CONFIG = (
    b'<configuration><appSettings><add key="WSGI_HANDLER" value="bench_app.application"/>'
    b"</appSettings></configuration>"
)
# Headers that a browser and App Service's front end send.
HEADERS = {
    "Host": "site.azurewebsites.net",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    "X-Forwarded-For": "198.51.100.7:50123",
    "X-WAWS-Unencoded-URL": "/",
    "X-ARR-LOG-ID": "0b6c9f8e-2d1a-4c5b-9e7f-3a2b1c0d9e8f",
    "Max-Forwards": "10",
}


def say(label: str, text: str) -> None:
    """Print problems to standard error."""
    print(f"{label}: {text}", file=sys.stderr)


@contextmanager
def direct_socket(process: FastCgiProcess) -> Iterator[socket.socket]:
    """Return the process's own socket, for a loop that blocks."""
    transport = process._transport
    assert transport is not None
    transport.pause_reading()
    try:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as direct:
            direct.setblocking(True)
            yield direct
            direct.setblocking(False)
    finally:
        transport.resume_reading()


def drive_bytes(direct: socket.socket, message: bytes, count: int) -> None:
    """Send the same bytes, and read to the end of each response."""
    for _ in range(count):
        direct.sendall(message)
        data = b""
        while not data.endswith(END):
            data += direct.recv(65536)


def drive_answers(direct: socket.socket, params: dict[str, str], count: int) -> None:
    """Encode each request from its parameters, and parse status, headers and body."""
    for _ in range(count):
        message = BEGIN_REQUEST + encode_params(params) + PARAMS_END + STDIN_END
        direct.sendall(message)
        parser = ResponseParser()
        body = b""
        while not parser.ended:
            for event in parser.feed(direct.recv(65536)):
                if isinstance(event, Stdout):
                    body += event.data
        found = HeadParser().feed(body)
        if found is None or found[0].status != 200 or found[1] != b"hello":
            raise RuntimeError(f"the response is {found}")


async def ask(pool: Pool, params: dict[str, str], count: int) -> None:
    """Send requests through the pool."""
    left = count

    async def visitor() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            answer = await pool.ask(params)
            if answer.status != 200 or answer.body != b"hello":
                raise RuntimeError(f"the response is {answer}")

    await asyncio.gather(*(visitor() for _ in range(VISITORS)))


async def upload(size: int) -> AsyncIterator[bytes]:
    """Yield a body of so many bytes."""
    piece = b"u" * 65536
    while size > 0:
        yield piece[:size]
        size -= len(piece)
        await asyncio.sleep(0)


def peak() -> float:
    """Return the peak memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def stream(pool: Pool, folder: Path, megabytes: int) -> float:
    """Send and receive so many MB; print both, and return by how much this process grew."""
    size = megabytes * 1_048_576
    before = peak()
    begun = time.perf_counter()
    request = Request("GET", f"/down?{megabytes}", CIMultiDict(HEADERS))
    answer = await pool.ask(make_params(request, folder))
    received = 0
    if isinstance(answer.body, bytes):
        received = len(answer.body)
    else:
        async for piece in answer.body:
            received += len(piece)
    down = time.perf_counter() - begun
    grown = peak() - before
    print(
        f"{megabytes} MB down: {down:.2f} s, {megabytes / down:.0f} MB/s, grown by {grown:.1f} MB"
    )
    begun = time.perf_counter()
    request = Request("PUT", "/up", CIMultiDict(HEADERS), length=size)
    answer = await pool.ask(make_params(request, folder), upload(size), size)
    up = time.perf_counter() - begun
    grown = peak() - before
    print(f"{megabytes} MB up: {up:.2f} s, {megabytes / up:.0f} MB/s, grown by {grown:.1f} MB")
    if received != size or answer.body != str(size).encode():
        raise RuntimeError(f"received {received} of {size} bytes; the upload: {answer}")
    return grown


async def compare(
    pool: Pool,
    process: FastCgiProcess,
    params: dict[str, str],
    fixed: dict[str, str],
    options: argparse.Namespace,
) -> bool:
    """Run the sides in turns; print medians; return whether the goal was met."""
    everything = {**fixed, **params}
    message = BEGIN_REQUEST + encode_params(everything) + PARAMS_END + STDIN_END
    rates: dict[str, list[float]] = {"bytes": [], "answers": [], "pool": []}
    busy: dict[str, list[float]] = {name: [] for name in rates}
    for number in range(options.rounds + 1):
        sides = list(rates)
        for side in sides[number % 3 :] + sides[: number % 3]:
            begun, used = time.perf_counter(), time.process_time()
            if side == "pool":
                await ask(pool, params, options.requests)
            else:
                with direct_socket(process) as direct:
                    if side == "bytes":
                        drive_bytes(direct, message, options.requests)
                    else:
                        drive_answers(direct, everything, options.requests)
            if number:  # the first round only warms up
                rates[side].append(options.requests / (time.perf_counter() - begun))
                busy[side].append((time.process_time() - used) / options.requests * 1e6)
    for side, values in rates.items():
        print(
            f"{side:8} {median(values):6.0f} requests/s, {median(busy[side]):4.0f} us of CPU each"
        )
    met = True
    for side in ("bytes", "answers"):
        ratio = median(
            pool / direct for pool, direct in zip(rates["pool"], rates[side], strict=True)
        )
        print(f"pool to {side}: {ratio:.2f} (goal {GOAL_RATIO})")
        met = met and ratio >= GOAL_RATIO
    return met


async def measure(folder: Path, options: argparse.Namespace) -> bool:
    """Run all measurements; return whether the goals were met."""
    wfastcgi = importlib.util.find_spec("wfastcgi")
    if wfastcgi is None or wfastcgi.origin is None:
        raise RuntimeError("wfastcgi is not installed")
    (folder / "bench_app.py").write_text(APP)
    application = FastCgiApplication(
        "python", max_instances=1, instance_max_requests=0, request_timeout=900
    )
    fixed = site_params(folder)
    params = make_params(Request("GET", "/", CIMultiDict(HEADERS)), folder)
    argv = [sys.executable, wfastcgi.origin]
    made: list[FastCgiProcess] = []
    with Launcher(
        argv, application, say, environ=dict(os.environ), folder=folder, config=CONFIG
    ) as launcher:

        async def start() -> FastCgiProcess:
            made.append(await launcher.start())
            return made[-1]

        pool = Pool(application, start, say, params=fixed)
        await pool.start()
        try:
            met = await compare(pool, made[0], params, fixed, options)
            grown = await stream(pool, folder, options.megabytes)
        finally:
            await pool.close()
    return met and grown < GOAL_MB


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--megabytes", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        met = asyncio.run(measure(Path(folder), options))
    print("goals met" if met else "goals not met")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
