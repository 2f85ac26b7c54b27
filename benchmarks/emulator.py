"""The whole emulator, measured: ``python -m benchmarks.emulator [--rounds N] [--seconds N]``.

  rate    requests/s of ``appsvc emulate --as fastcgi`` with one wfastcgi process and a trivial
          handler, including the front end, against the same wfastcgi driven directly over its
          socket by a tight loop; in turns, medians and the median ratio of the rounds. Goal: 0.8
  stream  100 MB up and 100 MB down through it, by FastCGI and by HttpPlatform, with the growth of
          the emulator's memory. Goal: under 32 MB
  ready   from the moment the site's process listens to the line ``Ready``. Goal: within 0.5 s
  idle    how many clients get a response while 1,000 connections are idle. Goal: all

Loopback only; Linux, for /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib.util
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from appsvc_runtime.emulator.iis.fastcgi import launch

from ._load import client_name, load

GOAL_RATIO, GOAL_MB, GOAL_READY = 0.8, 32, 0.5
_MB = 1_048_576
_CHILD = Path(launch.__file__).with_name("wfastcgi_child.py")
_READY = re.compile(r"^Ready http://127\.0\.0\.1:([0-9]+)$", re.MULTILINE)
_END = bytes.fromhex("0103000100080000") + bytes(8)
_APP = """
def application(environ, start_response):
    if environ["PATH_INFO"] == "/down":
        start_response("200 OK", [("Content-Length", str(100 * 1048576))])
        return (b"x" * 1048576 for _ in range(100))
    if environ["PATH_INFO"] == "/up":
        taken = 0
        while piece := environ["wsgi.input"].read(1048576):
            taken += len(piece)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(taken).encode()]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])
    return [b"hello, world"]
"""
_RUN = """
import os, time
from waitress.server import create_server
from app import application
server = create_server(application, host="127.0.0.1", port=int(os.environ["HTTP_PLATFORM_PORT"]),
                       max_request_body_size=1 << 30, threads=2)
print("listens", time.time(), flush=True)
server.run()
"""
_LIMIT = (
    '<security><requestFiltering><requestLimits maxAllowedContentLength="1073741824"/>'
    "</requestFiltering></security>"
)
_FASTCGI = rf"""<configuration><appSettings><add key="WSGI_HANDLER" value="app.application"/>
</appSettings><system.webServer><handlers><add name="p" path="*" verb="*" modules="FastCgiModule"
scriptProcessor="D:\home\p\python.exe|D:\home\p\wfastcgi.py" resourceType="Unspecified"/></handlers>
<fastCgi><application fullPath="D:\home\p\python.exe" arguments="D:\home\p\wfastcgi.py"
maxInstances="1" instanceMaxRequests="10000000" activityTimeout="600" requestTimeout="600"/>
</fastCgi>{_LIMIT}</system.webServer></configuration>"""
_PLATFORM = rf"""<configuration><system.webServer><handlers><add name="p" path="*" verb="*"
modules="httpPlatformHandler" resourceType="Unspecified"/></handlers><httpPlatform
processPath="D:\home\p\python.exe" arguments="D:\home\site\wwwroot\run.py"/>{_LIMIT}
</system.webServer></configuration>"""


@dataclass(frozen=True)
class Emulator:
    """A running emulator: its process id, its port, and when its ``Ready`` was read."""

    pid: int
    port: int
    ready: float
    log: Path

    def memory(self) -> float:
        """Return the peak memory of the emulator itself, in MB (VmHWM of proc(5))."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@contextlib.contextmanager
def emulator(folder: Path, config: str) -> Iterator[Emulator]:
    """Run ``appsvc emulate`` on the site with this web.config until the block ends."""
    (folder / "web.config").write_text(config)
    log = folder.parent / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "appsvc_runtime", "emulate", str(folder), "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        deadline = time.monotonic() + 60
        while not (found := _READY.search(log.read_text("utf-8", "replace"))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The emulator is not ready:\n{log.read_text()}")
            time.sleep(0.002)
        yield Emulator(process.pid, int(found[1]), time.time(), log)
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def direct(folder: Path) -> Iterator[socket.socket]:
    """Run one wfastcgi as the emulator runs it; yield our end of its socket."""
    spec = importlib.util.find_spec("wfastcgi")
    if spec is None or spec.origin is None:
        raise RuntimeError("wfastcgi is not installed.")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, str(_CHILD), "--wfastcgi", spec.origin, "--"],
            stdin=theirs.fileno(),
            cwd=folder,
            env={**os.environ, "WSGI_HANDLER": "app.application"},
        )
        theirs.close()
        try:
            yield ours
        finally:
            ours.close()
            process.wait(10)


def message(folder: Path) -> bytes:
    """Return the records of one request, as the emulator sends it."""
    params = {
        "APPL_PHYSICAL_PATH": f"{folder}/",
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/",
        "PATH_INFO": "/",
        "SCRIPT_NAME": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "site.azurewebsites.net",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTPS": "off",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": "0",
        "CONTENT_TYPE": "",
        "HTTP_HOST": "site.azurewebsites.net",
        **{f"HTTP_X_{number}": "a header of the front end" for number in range(12)},
    }
    pairs = b"".join(
        bytes([len(name), len(value)]) + name.encode() + value.encode()
        for name, value in params.items()
    )
    records = [(1, b"\0\1\1" + bytes(5)), (4, pairs), (4, b""), (5, b"")]
    return b"".join(
        struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content for kind, content in records
    )


def drive(wire: socket.socket, request: bytes, seconds: float) -> float:
    """Send requests as fast as possible; return the rate."""
    count = 0
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        wire.sendall(request)
        data = b""
        while not data.endswith(_END):
            data += wire.recv(65536)
        count += 1
    return count / (time.perf_counter() - begun)


def measure_rate(folder: Path, rounds: int, seconds: float) -> bool:
    """Print both rates and the ratio; return whether the goal was met."""
    with emulator(folder, _FASTCGI) as running, direct(folder) as wire:
        request = message(folder)
        drive(wire, request, 0.5)
        load(running.port, 8, 1)
        found = []
        for _ in range(rounds):
            alone = drive(wire, request, seconds)
            whole = load(running.port, 8, seconds)
            if whole.failed:
                raise RuntimeError(
                    f"{whole.failed} requests failed:\n{running.log.read_text()[-2000:]}"
                )
            found.append((alone, whole.rate))
    ratio = median(whole / alone for alone, whole in found)
    print(f"rate: wfastcgi directly {median(a for a, _ in found):.0f} requests/s")
    print(f"rate: appsvc emulate    {median(w for _, w in found):.0f} requests/s")
    print(f"rate: ratio {ratio:.2f} (goal {GOAL_RATIO})")
    return ratio >= GOAL_RATIO


def measure_stream(folder: Path, kind: str, config: str) -> bool:
    """Send and receive 100 MB; return whether the emulator grew by less than the goal."""
    with emulator(folder, config) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=600)
        connection.request("GET", "/")
        connection.getresponse().read()
        before = running.memory()
        begun = time.perf_counter()
        connection.request("GET", "/down")
        response = connection.getresponse()
        received = 0
        while piece := response.read(_MB):
            received += len(piece)
        down = time.perf_counter() - begun
        begun = time.perf_counter()
        body = (b"u" * 65536 for _ in range(100 * _MB // 65536))
        connection.request("PUT", "/up", body, {"Content-Length": str(100 * _MB)})
        answer = connection.getresponse().read()
        up = time.perf_counter() - begun
        connection.close()
        if received != 100 * _MB or answer != str(received).encode():
            raise RuntimeError(
                f"{received} bytes came, {answer!r} went:\n{running.log.read_text()}"
            )
        grown = running.memory() - before
    print(f"stream, {kind}: 100 MB down {down:.1f} s, up {up:.1f} s, memory +{grown:.1f} MB")
    return grown < GOAL_MB


def measure_ready(folder: Path, rounds: int) -> bool:
    """Print the time from the start of the site's process until the emulator is ready."""
    found = []
    for _ in range(rounds):
        with emulator(folder, _PLATFORM) as running:
            listens = running.log.read_text().partition("listens ")[2].split()[0]
            found.append(running.ready - float(listens))
    print(f"ready: {median(found):.3f} s after the process (goal {GOAL_READY} s)")
    return median(found) <= GOAL_READY


def measure_idle(folder: Path) -> bool:
    """Hold 1,000 idle connections, and send requests on others."""
    with emulator(folder, _FASTCGI) as running, contextlib.ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port), 10))
        good = 0
        for _ in range(100):
            connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=5)
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/")
                good += connection.getresponse().status == 200
            connection.close()
    print(f"idle: {good} of 100 clients got a response beside 1,000 idle connections")
    return good == 100


def main() -> int:
    """Measure everything; return 0 if all goals were met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("parts", nargs="*", default=["rate", "stream", "ready", "idle"])
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, client: {client_name()}")
    good = []
    with tempfile.TemporaryDirectory(prefix="emulator-") as name:
        folder = Path(name, "site")
        folder.mkdir()
        (folder / "app.py").write_text(_APP)
        (folder / "run.py").write_text(_RUN)
        if "rate" in options.parts:
            good.append(measure_rate(folder, options.rounds, options.seconds))
        if "stream" in options.parts:
            good.append(measure_stream(folder, "fastcgi", _FASTCGI))
            good.append(measure_stream(folder, "httpplatform", _PLATFORM))
        if "ready" in options.parts:
            good.append(measure_ready(folder, options.rounds))
        if "idle" in options.parts:
            good.append(measure_idle(folder))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
