"""One wfastcgi, asked in two ways: ``python -m benchmarks.fastcgi [--requests N] [--rounds N]``.

In turns, over several rounds, the same process of the real wfastcgi with a trivial handler gets N
requests: directly over its socket from a tight loop, which sends the bytes of one request made
beforehand and reads until the last record has come, and through ``Pool.ask`` with several visitors
who wait, which makes parameters, handles limits and gives answers with status and headers. Printed
are the medians of the rates, and of the ratio within each round; the goal is 0.8.

Then 100 MB (``--megabytes``) up and down through the pool, with the time and by how much this
process has grown at most; the goal is 32 MB. wfastcgi joins the body of a request piece by piece,
each time copying all of it, which is most of the time of an upload.
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
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

from multidict import CIMultiDict

from appsvc_runtime.emulator.exchange import Request
from appsvc_runtime.emulator.fastcgi import BEGIN_REQUEST, PARAMS_END, STDIN_END, encode_params
from appsvc_runtime.emulator.fastcgilaunch import Launcher
from appsvc_runtime.emulator.fastcgiparams import make_params, site_params
from appsvc_runtime.emulator.fastcgipool import Pool
from appsvc_runtime.emulator.fastcgiprocess import FastCgiProcess
from appsvc_runtime.webconfig.model import FastCgiApplication

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
# What a browser and App Service's front end send.
HEADERS = {
    "Host": "site.azurewebsites.net",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    "X-Forwarded-For": "198.51.100.7:50123",
    "X-Original-URL": "/",
    "X-ARR-LOG-ID": "0b6c9f8e-2d1a-4c5b-9e7f-3a2b1c0d9e8f",
    "Max-Forwards": "10",
}


def say(label: str, text: str) -> None:
    """Show what goes wrong."""
    print(f"{label}: {text}", file=sys.stderr)


def drive(process: FastCgiProcess, message: bytes, count: int) -> float:
    """Ask over the process's own socket; give the rate."""
    transport = process._transport
    assert transport is not None
    transport.pause_reading()
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as direct:
        direct.setblocking(True)
        begun = time.perf_counter()
        for _ in range(count):
            direct.sendall(message)
            data = b""
            while not data.endswith(END):
                data += direct.recv(65536)
        rate = count / (time.perf_counter() - begun)
        direct.setblocking(False)
    transport.resume_reading()
    return rate


async def ask(pool: Pool, params: dict[str, str], count: int) -> float:
    """Ask through the pool; give the rate."""
    left = count

    async def visitor() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            answer = await pool.ask(params)
            if answer.status != 200 or answer.body != b"hello":
                raise RuntimeError(f"answered {answer}")

    begun = time.perf_counter()
    await asyncio.gather(*(visitor() for _ in range(VISITORS)))
    return count / (time.perf_counter() - begun)


async def upload(size: int) -> AsyncIterator[bytes]:
    """Be a body of so many bytes."""
    piece = b"u" * 65536
    while size > 0:
        yield piece[:size]
        size -= len(piece)
        await asyncio.sleep(0)


def peak() -> float:
    """Give how large this process has been at most, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def stream(pool: Pool, folder: Path, megabytes: int) -> float:
    """Send and receive so much; print both, and give by how much this process grew."""
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


async def measure(folder: Path, options: argparse.Namespace) -> bool:
    """Run all of it; say whether the goals were met."""
    wfastcgi = importlib.util.find_spec("wfastcgi")
    if wfastcgi is None or wfastcgi.origin is None:
        raise RuntimeError("wfastcgi is not installed")
    (folder / "bench_app.py").write_text(APP)
    application = FastCgiApplication(
        "python", max_instances=1, instance_max_requests=0, request_timeout=900
    )
    fixed = site_params(folder)
    params = make_params(Request("GET", "/", CIMultiDict(HEADERS)), folder)
    message = BEGIN_REQUEST + encode_params({**fixed, **params}) + PARAMS_END + STDIN_END
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
            await ask(pool, params, 500)
            drive(made[0], message, 500)
            rounds = []
            for number in range(options.rounds):
                if number % 2:
                    direct = drive(made[0], message, options.requests)
                    pooled = await ask(pool, params, options.requests)
                else:
                    pooled = await ask(pool, params, options.requests)
                    direct = drive(made[0], message, options.requests)
                rounds.append((direct, pooled))
            ratio = median(pooled / direct for direct, pooled in rounds)
            print(f"directly:      {median(direct for direct, _ in rounds):.0f} requests/s")
            print(f"through the pool: {median(pooled for _, pooled in rounds):.0f} requests/s")
            print(f"ratio: {ratio:.2f} (goal {GOAL_RATIO})")
            grown = await stream(pool, folder, options.megabytes)
        finally:
            await pool.close()
    return ratio >= GOAL_RATIO and grown < GOAL_MB


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
