"""Clients: steady load on kept-open connections, and visitors among stalled connections.

This module must not know: which server answers.
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
}
"""What a stalled connection has sent before it falls silent."""


@dataclass(frozen=True)
class Load:
    """Requests answered per second, and how many failed: errors, timeouts, not a 2xx.

    ``p50`` and ``p99`` are seconds from asking to the whole answer; nan where it is not known.
    """

    rate: float
    failed: int
    p50: float = nan
    p99: float = nan


@dataclass(frozen=True)
class Visits:
    """How many visitors were answered in time; their median latency in seconds, inf if none."""

    answered: int
    latency: float


def client_name() -> str:
    """The client that ``load`` uses on this machine."""
    return shutil.which("wrk") or "the Python client (wrk is not on PATH; it is the slower side)"


def load(port: int, connections: int, seconds: float, cores: Iterable[int] | None = None) -> Load:
    """Ask for ``/`` on ``connections`` connections, each as soon as it is answered."""
    if not shutil.which("wrk"):
        with pinned(cores):
            return _python_load(port, connections, seconds)
    # wrk takes whole seconds only.
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
    """Wait until the server answers a fresh visitor: then nothing of an earlier load is left.

    A load that ends leaves its last requests in the backlog; one synchronous worker takes
    3 s to work through 64 of them at 50 ms, which the next sample would be charged with.
    """
    return _one_visit(port, deadline) is not None


class _Connection:
    """One connection of the Python client: asks, reads an answer, asks again, reconnects."""

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
        """True when an answer is complete, False when one is lost, None when more must come."""
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
    """Hold ``count`` connections open that have sent ``STALLS[kind]`` and say no more."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection((HOST, port), 5))
            client.sendall(STALLS[kind])
        # Nothing visible tells that the server has taken them all in; this is ample for 100.
        time.sleep(0.5)
        yield


def visit(port: int, visitors: int, at_once: int, deadline: float) -> Visits:
    """``visitors`` fresh connections GET ``/``, ``at_once`` of them at a time."""
    with ThreadPoolExecutor(at_once) as pool:
        taken = list(pool.map(lambda _: _one_visit(port, deadline), range(visitors)))
    answered = [seconds for seconds in taken if seconds is not None]
    return Visits(len(answered), median(answered) if answered else inf)


def _one_visit(port: int, deadline: float) -> float | None:
    """Seconds until the whole answer, or ``None`` when it is not there by the deadline."""
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
