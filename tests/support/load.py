"""Clients that send requests all the time, and count whole and broken responses."""

from __future__ import annotations

import http.client
import threading
import time
from types import TracebackType

__all__ = ["Load"]


class Load:
    """`clients` threads that request `path` until the block ends, on kept-alive connections or not.

    `good` counts whole responses. `broken` lists responses that began and did not end, statuses of
    500 and more, and requests that were sent before the call of `stopping` and got no response. A
    connection that is refused, or that is closed without a response after the call of `stopping`,
    is not broken: a server that stops takes no new requests. A client ends with the first of these.
    """

    def __init__(self, port: int, path: str, clients: int, keep_alive: bool = True) -> None:
        self.good = 0
        self.broken: list[str] = []
        self._port = port
        self._path = path
        self._headers = {} if keep_alive else {"Connection": "close"}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._stopping = float("inf")
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(30)

    def stopping(self) -> None:
        """Note that the server is about to be stopped."""
        self._stopping = time.monotonic()

    def wait_for(self, answers: int, timeout: float = 20) -> None:
        """Wait until so many whole responses have arrived."""
        deadline = time.monotonic() + timeout
        while self.good < answers:
            assert time.monotonic() < deadline, f"{self.good} answers only; {self.broken}"
            time.sleep(0.01)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            while not self._ended.is_set():
                sent = float("inf")
                try:
                    connection.request("GET", self._path, headers=self._headers)
                    sent = time.monotonic()
                    response = connection.getresponse()
                except (ConnectionError, http.client.RemoteDisconnected):
                    if sent < self._stopping:
                        raise
                    return
                body = response.read()
                with self._lock:
                    if response.status >= 500:
                        self.broken.append(f"{response.status}: {body[:200]!r}")
                    self.good += 1
        except (OSError, http.client.HTTPException) as error:
            with self._lock:
                self.broken.append(repr(error))
        finally:
            connection.close()
