"""Clients: steady load on persistent connections, and other clients beside stalled connections.

This module must not know: which server responds.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf, nan
from statistics import median

from ._sides import HOST, pinned

__all__ = ["STALLS", "Load", "Visits", "client_name", "drain", "load", "stalled", "visit"]

_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
_CLOSING = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_BODY = b"hello, world"

STALLS: dict[str, bytes] = {
    "idle": b"",
    "half a header": b"GET / HTTP/1.1\r\nHost: loc",
    "half a body": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n0123456789",
    "reads nothing": b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n",
}
"""What a stalled connection has sent before it falls silent; it also reads nothing any more."""
# Small, as that of a client behind a slow network: the response does not fit into it.
_STALLED_BUFFER = 4096


@dataclass(frozen=True)
class Load:
    """Responses per second, and the number of failures: errors, timeouts, statuses other than 2xx.

    ``p50`` and ``p99`` are seconds from the request to the end of the response; nan if not known.
    """

    rate: float
    failed: int
    p50: float = nan
    p99: float = nan


@dataclass(frozen=True)
class Visits:
    """The number of clients that got a response in time.

    Their median latency in seconds, or inf.
    """

    answered: int
    latency: float


def client_name() -> str:
    """Return the name of the client that ``load`` uses on this machine."""
    return shutil.which("wrk") or "the Python client (wrk is not on PATH; it is the slower side)"


def load(port: int, connections: int, seconds: float, cores: Iterable[int] | None = None) -> Load:
    """Request ``/`` on ``connections`` connections, each again as soon as it has the response."""
    if not shutil.which("wrk"):
        with pinned(cores):
            return _python_load(port, connections, seconds)
    # wrk accepts only whole seconds.
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    command += ["--timeout", "10s", "--latency"]
    with pinned(cores):
        result = subprocess.run(
            [*command, f"http://{HOST}:{port}/"], capture_output=True, text=True, check=True
        )
    rate = re.search(r"^Requests/sec:\s*([\d.]+)", result.stdout, re.MULTILINE)
    if rate is None:
        raise RuntimeError(f"wrk printed no rate:\n{result.stdout}{result.stderr}")
    errors = re.search(r"Socket errors: (.*)", result.stdout)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", result.stdout)
    failed = sum(map(int, re.findall(r"\d+", errors[1]))) if errors else 0
    failed += int(refused[1]) if refused else 0
    return Load(float(rate[1]), failed, *(_latency(result.stdout, part) for part in (50, 99)))


_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def _latency(printed: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", printed, re.MULTILINE)
    return float(found[1]) * _UNITS[found[2]] if found else nan


def drain(port: int, deadline: float = 20.0) -> bool:
    """Wait until the server responds to a new client: then nothing of an earlier load is left.

    A load that ends leaves its last requests in the backlog. One synchronous worker takes 3 s for
    64 of them at 50 ms, which would count against the next sample.
    """
    return _one_visit(port, deadline) is not None


class _Connection:
    """One connection of the Python client: sends a request, reads the response, repeats."""

    def __init__(self, port: int, selector: selectors.BaseSelector) -> None:
        self._port, self._selector = port, selector
        self._open()

    def _open(self) -> None:
        self._received = b""
        self._socket = socket.create_connection((HOST, self._port), 10)
        self._socket.sendall(_REQUEST)
        self._selector.register(self._socket, selectors.EVENT_READ, self)

    def close(self) -> None:
        self._selector.unregister(self._socket)
        self._socket.close()

    def readable(self) -> bool | None:
        """Return True when a response is complete, False if one is lost, None if more must come."""
        try:
            chunk = self._socket.recv(65536)
        except OSError:
            chunk = b""
        self._received += chunk
        complete = self._received.endswith(_BODY)
        if not chunk or (complete and b"\r\nconnection: close\r\n" in self._received.lower()):
            self.close()
            lost = not complete
            self._open()
            return not lost
        if not complete:
            return None
        answered = self._received.startswith(b"HTTP/1.1 200")
        self._received = b""
        self._socket.sendall(_REQUEST)
        return answered


def _python_load(port: int, connections: int, seconds: float) -> Load:
    counts = {True: 0, False: 0}
    with selectors.DefaultSelector() as selector:
        opened = [_Connection(port, selector) for _ in range(connections)]
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            for key, _ in selector.select(0.1):
                outcome = key.data.readable()
                if outcome is not None:
                    counts[outcome] += 1
        taken = time.monotonic() - start
        for connection in opened:
            connection.close()
    return Load(counts[True] / taken, counts[False])


@contextlib.contextmanager
def stalled(port: int, kind: str, count: int) -> Iterator[None]:
    """Hold ``count`` connections open that have sent ``STALLS[kind]`` and send no more."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _STALLED_BUFFER)
            client.settimeout(5)
            client.connect((HOST, port))
            client.sendall(STALLS[kind])
        # Nothing visible shows that the server has accepted them all; this is ample for 300.
        time.sleep(1)
        yield


def visit(port: int, visitors: int, at_once: int, deadline: float) -> Visits:
    """Send GET ``/`` on ``visitors`` new connections, ``at_once`` of them at a time."""
    with ThreadPoolExecutor(at_once) as pool:
        taken = list(pool.map(lambda _: _one_visit(port, deadline), range(visitors)))
    answered = [seconds for seconds in taken if seconds is not None]
    return Visits(len(answered), median(answered) if answered else inf)


def _one_visit(port: int, deadline: float) -> float | None:
    """Return the seconds until the whole response, or ``None`` after the deadline."""
    start = time.monotonic()
    received = b""
    try:
        with socket.create_connection((HOST, port), deadline) as client:
            client.sendall(_CLOSING)
            while not received.endswith(_BODY):
                left = start + deadline - time.monotonic()
                if left <= 0:
                    return None
                client.settimeout(left)
                chunk = client.recv(65536)
                if not chunk:
                    return None
                received += chunk
    except OSError:
        return None
    return time.monotonic() - start if received.startswith(b"HTTP/1.1 200") else None
