"""One run of the site in the emulator: started, asked a few requests, stopped.

The emulator is another process, `appsvc emulate`, which reads its options from standard input: a
command line is visible to every user of the machine. Must not judge what it sees.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ..azure import names
from .check import UnknownError

__all__ = ["Answer", "Trial", "TrialOptions", "run_trial"]

# A build installs packages; the platform itself gives a start 230 s after that.
_START_SECONDS = 900.0
_STOP_SECONDS = 30.0
_ANSWER_SECONDS = 60.0
# What the emulator ends with if it cannot emulate, whatever the site is like.
_CANNOT = 2
_MAX_BODY = 200_000
_KEPT_LINES = 400
_READY = re.compile(r"Ready (https?://\S+)")
_NOT_READY = re.compile(r"Not ready, \S+ also shows why: (.*)")
_AFTER = re.compile(r"ready after ([\d.]+) s")
_BOOTSTRAP = (
    "import json, sys; from appsvc_runtime.cli.main import main; "
    "sys.exit(main(json.load(sys.stdin)))"
)
# No site has such a path: its own page for it, or a page of a debugger.
MISSING = "/appsvc-doctor-no-such-page"
# What the platform's warm-up and health check send.
_PROBE = {"User-Agent": names.PROBE_AGENTS[1]}


@dataclass(frozen=True)
class TrialOptions:
    """How the site is run: app settings, health path ("" for none), startup command, Python."""

    settings: Sequence[str] = field(default=(), repr=False)
    health_path: str = ""
    startup_command: str = ""
    python_version: tuple[int, int] | None = None


@dataclass(frozen=True)
class Answer:
    """A response: its status, 0 for none; headers in lower case; the start of its body; seconds."""

    path: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)
    body: str = field(default="", repr=False)
    seconds: float = 0.0


@dataclass(frozen=True)
class Trial:
    """What was seen. `problem` is why the site did not start, "" if it did.

    `probes` are answers to the platform's own requests, `pages` those to a client's; all come over
    HTTPS, as a client sees it.
    """

    problem: str = ""
    seconds: float = 0.0
    pages: tuple[Answer, ...] = ()
    probes: tuple[Answer, ...] = ()

    def page(self, path: str) -> Answer:
        """Return the answer to a client's request."""
        return next((one for one in self.pages if one.path == path), Answer(path))


def run_trial(folder: Path, options: TrialOptions) -> Trial:
    """Run the site and return what was seen. Raise UnknownError where it cannot be run."""
    arguments = ["emulate", str(folder), "--as", "linux", "--port", "0", "--https"]
    for one in options.settings:
        arguments += ["--set", one]
    if options.startup_command:
        arguments += ["--startup-command", options.startup_command]
    if options.python_version:
        arguments += ["--python-version", ".".join(map(str, options.python_version))]
    with _emulator(arguments) as output:
        url = output.wait_for(_READY, _NOT_READY)
        if output.exit_code == _CANNOT:
            raise UnknownError(f"the site cannot be run here ({url.rstrip('.')})")
        if not url.startswith("http"):
            return Trial(problem=url)
        port = urlsplit(url).port or 0
        after = _AFTER.findall(output.text)
        pages = tuple(_ask(port, path, {}) for path in ("/", MISSING))
        paths = [names.DEFAULT_WARMUP_PATH, *filter(None, [options.health_path])]
        probes = tuple(_ask(port, path, _PROBE) for path in paths)
        seconds = float(after[-1]) if after else 0.0
        return Trial("", seconds, pages, probes)


class _Output:
    """Reads what the emulator prints, so that it never waits for a reader."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """The last lines."""
        with self._changed:
            return "\n".join(self._lines[-_KEPT_LINES:])

    @property
    def exit_code(self) -> int | None:
        """What the emulator ended with, None while it runs."""
        with self._changed:
            return self._process.wait() if self._ended else None

    def wait_for(self, *patterns: re.Pattern[str]) -> str:
        """Return the first group of the first pattern that is seen, or why none comes."""
        until = time.monotonic() + _START_SECONDS
        seen = 0
        with self._changed:
            while True:
                for line in self._lines[seen:]:
                    for pattern in patterns:
                        if found := pattern.search(line):
                            return found[1]
                seen = len(self._lines)
                if self._ended:
                    return _last_error(self._lines)
                if not self._changed.wait(until - time.monotonic()):
                    return f"It did not start within {_START_SECONDS:g} s."

    def close(self) -> None:
        """Read the rest, and close the pipe; the process has ended."""
        self._thread.join(_STOP_SECONDS)
        if self._process.stdout is not None and not self._thread.is_alive():
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line.decode("utf-8", "replace").rstrip())
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@contextmanager
def _emulator(arguments: Sequence[str]) -> Iterator[_Output]:
    process = subprocess.Popen(
        [sys.executable, "-c", _BOOTSTRAP],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(list(arguments)).encode())
        process.stdin.close()
        output = _Output(process)
        try:
            yield output
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()  # its guard ends what it has started
            output.close()
    finally:
        process.kill()
        process.wait()


def _ask(port: int, path: str, headers: Mapping[str, str]) -> Answer:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # our own process, on loopback
    began = time.monotonic()
    connection = http.client.HTTPSConnection(
        "127.0.0.1", port, timeout=_ANSWER_SECONDS, context=context
    )
    try:
        connection.request("GET", path, headers={"Accept": "text/html,*/*;q=0.5", **headers})
        got = connection.getresponse()
        body = got.read(_MAX_BODY).decode("utf-8", "replace")
        cookies = tuple(got.headers.get_all("Set-Cookie") or ())
        read = {name.lower(): value for name, value in got.getheaders()}
        return Answer(path, got.status, read, cookies, body, time.monotonic() - began)
    except (OSError, http.client.HTTPException):
        return Answer(path, seconds=time.monotonic() - began)
    finally:
        connection.close()


def _last_error(lines: Sequence[str]) -> str:
    """Return the emulator's own message about its end."""
    told = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    last = [line for line in lines if line.strip()][-1:]
    return (told or last or ["The emulator ended without a message."])[-1]
