"""Count requests that are lost while a server restarts: ``python -m benchmarks.restart_loss``.

Clients send one request on each new connection, all the time, while the server is stopped and
started again on the same port. A connection that is refused is tried again, as front ends do. Lost
are requests on a connection that the system accepted, and that got no whole response: a front end
cannot repeat them.

Each server is measured twice: started by itself with two workers, and by ``appsvc serve``. The
command returns 1 if the latter loses more than a tenth of what the former loses, or has to be
killed 5 s after a stop, as the platform does. Loopback only.
"""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.child import Child

from ._apps import write_pair
from ._sides import HOST, ServerFailedError, Side, _environment, _free_port, _wait_until_ready

_OURS = f"{{python}} -m appsvc_runtime serve APP --site {{dir}} --host {HOST} --port {{port}}"
_ROWS = {
    "uvicorn": ("asgi_app:app", "{python} -m uvicorn --workers 2 --log-level warning"),
    "granian-asgi": (
        "asgi_app:app",
        "{python} -m granian --interface asgi --workers 2 --log-level warning",
    ),
    "granian": ("app:app", "{python} -m granian --interface wsgi --workers 2 --log-level warning"),
    "gunicorn": (
        "app:app",
        "{python} -m gunicorn --workers 2 --worker-class gthread --threads 8 --log-level warning",
    ),
    "waitress": ("app:app", f"{{python}} -m waitress --listen {HOST}:{{port}}"),
}
_WHERE = {"waitress": "", "gunicorn": f" --bind {HOST}:{{port}}"}
_COLUMNS = ("answered", "refused", "lost", "killed")
_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_END = b"hello, world"
# A system tries to connect again after one second, three, seven and so on. A server that listens
# and imports its app still, on a slow machine, loses nothing.
_CLIENT_SECONDS = 60.0
_KILL_SECONDS = 5.0


def sides(row: str) -> tuple[Side, Side]:
    """Return a server started by itself, and by ``appsvc serve``."""
    app, plain = _ROWS[row]
    where = _WHERE.get(row, f" --host {HOST} --port {{port}}")
    ours = f"{_OURS.replace('APP', app)} --server {row.partition('-')[0]}"
    if row != "waitress":
        ours += " --workers 2"
    return Side.parse(f"plain {row}={plain}{where} {app}"), Side.parse(f"{row}={ours}")


class Clients:
    """Threads that send requests until the block ends; ``counts`` says what became of them."""

    def __init__(self, port: int, number: int) -> None:
        self.counts: Counter[str] = Counter()
        self._port = port
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(number)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, answers: int, seconds: float = 60.0) -> None:
        """Wait for so many more responses."""
        wanted = self.counts["answered"] + answers
        until = time.monotonic() + seconds
        while self.counts["answered"] < wanted:
            if time.monotonic() > until:
                raise ServerFailedError(f"too few responses: {dict(self.counts)}")
            time.sleep(0.01)

    def _run(self) -> None:
        while not self._ended.is_set():
            outcome = self._request()
            with self._lock:
                self.counts[outcome] += 1
            if outcome == "refused":
                time.sleep(0.01)

    def _request(self) -> str:
        try:
            connection = socket.create_connection((HOST, self._port), _CLIENT_SECONDS)
        except ConnectionRefusedError:
            return "refused"
        except OSError:  # reset, or no response: accepted by the system, or dropped
            return "lost"
        received = b""
        try:
            with connection:
                connection.sendall(_REQUEST)
                while chunk := connection.recv(65_536):
                    received += chunk
        except OSError:
            return "lost"
        return "answered" if received.endswith(_END) else "lost"


@contextmanager
def _started(side: Side, port: int, folder: Path) -> Iterator[Child]:
    with tempfile.TemporaryFile() as log:
        process = Child(
            side.command(port, folder), cwd=folder, env=_environment(), stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_until_ready(process, port)
            yield process
        except ServerFailedError as error:
            log.seek(0)
            printed = log.read().decode(errors="replace")[-2000:]
            raise ServerFailedError(f"{side.name}: {error}; it printed:\n{printed}") from None
        finally:
            process.kill_group()


def measure(
    side: Side, folder: Path, restarts: int, clients: int, requests: int,
    patience: float = _KILL_SECONDS,
) -> Counter[str]:  # fmt: skip
    """Return how many requests were answered, refused and lost, and how often it was killed."""
    port = _free_port()
    killed = 0
    with Clients(port, clients) as load:
        for _ in range(restarts):
            with _started(side, port, folder) as process:
                load.wait_for(requests)
                process.send_signal(signal.SIGTERM)
                if not process.ends_within(patience):
                    killed += 1
        # What comes next is answered by the next server, not lost at the last one's end.
        with _started(side, port, folder):
            load.wait_for(requests)
            load.__exit__()
    return load.counts + Counter(killed=killed)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print a table as Markdown; return 1 if a row of ours loses too many."""
    parser = argparse.ArgumentParser(
        "benchmarks.restart_loss",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", nargs="+", choices=_ROWS, default=list(_ROWS))
    parser.add_argument("--restarts", type=int, default=8, help="of each side (%(default)s)")
    parser.add_argument("--clients", type=int, default=16, help="at a time (%(default)s)")
    parser.add_argument("--requests", type=int, default=300, help="between (%(default)s)")
    given = parser.parse_args(argv)
    print(f"{given.restarts} restarts under load; requests that were\n")
    print(f"| Server | {' | '.join(_COLUMNS)} |\n|---|---:|---:|---:|---:|", flush=True)
    wrong = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as root:
        folder = write_pair(Path(root), "fast")
        for row in given.rows:
            lost: list[int] = []
            for side in sides(row):
                found = measure(side, folder, given.restarts, given.clients, given.requests)
                lost.append(found["lost"])
                cells = [str(found[key]) for key in _COLUMNS]
                print(f"| {side.name} | {' | '.join(cells)} |", flush=True)
            if found["killed"]:
                wrong.append(f"{row}: {found['killed']} of the stops took too long")
            if lost[1] * 10 > lost[0]:
                wrong.append(f"{row}: {lost[1]} lost, {lost[0]} by the plain server")
    for sentence in wrong:
        print(f"below the goal: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
