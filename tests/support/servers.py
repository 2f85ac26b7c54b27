"""Real servers for tests: a child process on a free loopback port, ended by its process id.

Everything waits by polling until a deadline and watches the child; its log is shown on failure.
Must not import the package under test: it starts what a user would type.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.child import Child
from tests.support.integration import needs_integration

__all__ = ["ROOT", "Server", "clean_environ", "free_port", "run", "serving"]

ROOT = Path(__file__).resolve().parents[2]
# Variables that would make a child depend on the environment of the tests.
_PREFIXES = ("WEBSITE", "APPSVC_", "PYTHON_", "GUNICORN_", "HTTP_PLATFORM", "WSGI_", "DJANGO_")
_NAMES = frozenset({"PORT", "SERVER_PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"})


def clean_environ(**variables: str) -> dict[str, str]:
    """Return this process's variables without the platform's, with the package on the path."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_PREFIXES) and name not in _NAMES
    }
    path = os.pathsep.join(filter(None, [str(ROOT), environ.get("PYTHONPATH", "")]))
    return {**environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **variables}


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(
    *arguments: str, cwd: Path | None = None, timeout: float = 60, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` to its end."""
    if arguments[:3] == ("-m", "appsvc_runtime", "build") and "--help" not in arguments:
        needs_integration("a build")
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd or ROOT,
        env=clean_environ(**variables),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
        check=False,
    )


class Server:
    """A running child: `port`, `process`, its `log()`, and requests to it."""

    def __init__(self, process: Child, port: int, log_path: Path) -> None:
        self.process = process
        self.port = port
        self._log_path = log_path

    def log(self) -> str:
        """Return what the child has printed so far, on both streams."""
        return self._log_path.read_text("utf-8", "replace")

    def request(
        self,
        path: str = "/",
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        method: str = "GET",
        body: bytes | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request on a new connection; repeated headers are sent unchanged."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        try:
            connection.putrequest(method, path, skip_host=any(k == "Host" for k, _ in pairs))
            for name, value in pairs:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, found, response.read()
        finally:
            connection.close()

    def wait_for_log(self, text: str, timeout: float = 60) -> None:
        """Wait until the child has printed `text`."""
        deadline = time.monotonic() + timeout
        while text not in self.log():
            self._tick(deadline, f"did not print {text!r}")

    def wait_for_match(self, pattern: re.Pattern[str], timeout: float = 60) -> re.Match[str]:
        """Wait until the child has printed a text that matches the pattern."""
        deadline = time.monotonic() + timeout
        while (found := pattern.search(self.log())) is None:
            self._tick(deadline, f"did not print {pattern.pattern!r}")
        return found

    def wait_until_it_listens(self, timeout: float = 60) -> None:
        """Wait until the server accepts a connection."""
        deadline = time.monotonic() + timeout
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            self._tick(deadline, "did not listen")

    def wait_until_taken(self, timeout: float = 60) -> None:
        """Wait until the server has read all that was sent to it: no data is queued in the kernel.

        The queues of both sides count: on a busy machine, data may still be in a client's send
        queue.
        """
        deadline = time.monotonic() + timeout
        port = f":{self.port:04X}"
        while True:
            lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            # The server's sockets (established connections and the listener), and the clients'
            # sockets.
            mine = [line for line in lines if line[1].endswith(port)]
            theirs = [line for line in lines if line[2].endswith(port)]
            if (
                any(line[3] == "01" for line in mine)
                and all(line[4].endswith(":00000000") for line in mine)
                and all(line[4].startswith("00000000:") for line in theirs)
            ):
                return
            self._tick(deadline, "did not take what was sent")

    def stop(self, number: int = signal.SIGTERM, timeout: float = 20) -> int:
        """Send a signal to the child's process id, and return its exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"It did not stop in {timeout} s:\n{self.log()}") from None

    def _tick(self, deadline: float, problem: str) -> None:
        code = self.process.poll()
        if code is not None:
            raise AssertionError(f"The server {problem}; it ended with {code}:\n{self.log()}")
        if time.monotonic() > deadline:
            raise AssertionError(f"The server {problem} in time:\n{self.log()}")
        time.sleep(0.01)


@contextmanager
def serving(
    *arguments: str,
    cwd: Path,
    port: int | None = None,
    ready: re.Pattern[str] = re.compile(r"http://127\.0\.0\.1:([0-9]+).*\n"),
    **variables: str,
) -> Iterator[Server]:
    """Run `python ARGUMENTS` until the block ends; `{port}` in them is replaced by a free port.

    With `port=0` the child picks a port and prints it; `ready` has it as its group.

    The whole process group is killed at the end, so that no worker outlives a failed test.
    """
    needs_integration("a server")
    number = free_port() if port is None else port
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        log_path = Path(folder) / "log.txt"
        with log_path.open("wb") as log:
            process = Child(
                [sys.executable, *(word.replace("{port}", str(number)) for word in arguments)],
                cwd=cwd,
                env=clean_environ(
                    **{k: v.replace("{port}", str(number)) for k, v in variables.items()}
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        server = Server(process, number, log_path)
        try:
            if not number:
                # A build may come before.
                server.port = int(server.wait_for_match(ready, 240)[1])
            server.wait_until_it_listens()
            yield server
        finally:
            process.stop_group()
