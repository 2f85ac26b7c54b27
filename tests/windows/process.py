"""A process of Windows that a test has started: its output, Ctrl-C, and the end of its tree."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

__all__ = ["Console", "Process", "errors_in"]

# Wine gives a child process the variables of its parent, and no process group.
_MARK = "APPSVC_TEST_PROCESS"
_ESCAPES = re.compile(rb"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])")
# If two threads wake an event loop of asyncio at a time, Wine refuses one of the two bytes, and
# Python reports that. The loop wakes all the same, by the other byte.
_WAKE_UP = re.compile(
    r"Exception ignored when trying to send to the signal wakeup fd:\s.*?BlockingIOError[^\n]*\n",
    re.DOTALL,
)
_ERRORS = ("Traceback", "Unexpected", "[ERROR]")
# So wide that no line is broken.
_ROWS, _COLUMNS = 500, 1000


def errors_in(text: str) -> list[str]:
    """Return the words of a server's output that show an error, without what is Wine's."""
    text = _WAKE_UP.sub("", text)
    return [word for word in _ERRORS if word in text]


class _Running:
    """A process whose output is read as it comes; it ends with its tree when the `with` ends."""

    def __init__(self, command: list[str], env: dict[str, str], **options: Any) -> None:
        self._mark = uuid.uuid4().hex
        self._readers: list[threading.Thread] = []
        self.process = subprocess.Popen(
            command, env=env | {_MARK: self._mark}, start_new_session=True, **options
        )

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def output(self) -> bytes:
        """Return what the process has printed so far."""
        raise NotImplementedError

    @property
    def text(self) -> str:
        """Return the output so far as text, with one line feed at the end of a line."""
        return self.output().decode("utf-8", "backslashreplace").replace("\r\n", "\n")

    def wait_for(self, text: str, timeout: float = 120) -> str:
        """Wait until the output contains a text, and return the output."""
        self.wait_until(lambda: text in self.text, f"{text!r} in the output", timeout)
        return self.text

    def wait_until(self, call: Callable[[], Any], what: str, timeout: float = 120) -> Any:
        """Wait until a call returns a true value, and return it; fail if the process has ended."""
        deadline = time.monotonic() + timeout
        while True:
            ended = self.process.poll()
            if ended is not None:
                self._finish_reading()
            if found := call():
                return found
            assert ended is None, f"ended with {ended} before there was {what}:\n{self.text}"
            assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}:\n{self.text}"
            time.sleep(0.02)

    def wait(self, timeout: float = 120) -> int:
        """Wait for the end of the process and of its output, and return the exit code."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end within {timeout:g} s:\n{self.text}") from None
        self._finish_reading()
        return code

    def kill(self) -> None:
        """Kill the process and all that it has started, on Linux, and collect it."""
        while tree := self.tree():
            for pid in tree:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)
        self.process.wait(20)
        self._finish_reading()

    def tree(self) -> list[int]:
        """Return the process ids, on Linux, of the process and of what it has started."""
        found = []
        wanted = f"{_MARK}={self._mark}".encode()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with suppress(OSError):
                    if wanted in (folder / "environ").read_bytes().split(b"\0"):
                        found.append(int(folder.name))
        return found

    def _read(self, file: IO[bytes] | int, into: bytearray) -> None:
        def read() -> None:
            number = file if isinstance(file, int) else file.fileno()
            with suppress(OSError):  # EIO: the other side of a terminal is closed
                while part := os.read(number, 65536):
                    into.extend(part)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        self._readers.append(thread)

    def _finish_reading(self) -> None:
        # Not for ever: a process that is still running may hold the other end.
        for thread in self._readers:
            thread.join(5)


class Process(_Running):
    """A process with pipes."""

    def __init__(self, command: list[str], env: dict[str, str], cwd: Path) -> None:
        pipe = subprocess.PIPE
        super().__init__(command, env, cwd=cwd, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        self._stdout, self._stderr = bytearray(), bytearray()
        assert self.process.stdout
        assert self.process.stderr
        self._read(self.process.stdout, self._stdout)
        self._read(self.process.stderr, self._stderr)

    def stdout(self) -> bytes:
        """Return what is on standard output so far."""
        return bytes(self._stdout)

    def stderr(self) -> bytes:
        """Return what is on standard error so far."""
        return bytes(self._stderr)

    def output(self) -> bytes:
        """Return standard output so far, and standard error behind it."""
        return self.stdout() + self.stderr()

    def close_stdin(self) -> None:
        """Close the process's standard input."""
        assert self.process.stdin
        self.process.stdin.close()

    def kill(self) -> None:
        """Kill the process and all that it has started, and close the pipes."""
        super().kill()
        for file in (self.process.stdin, self.process.stdout, self.process.stderr):
            if file:
                file.close()


def _take_terminal() -> None:
    # Ctrl-C is a signal to the processes of which this is the controlling terminal.
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Console(_Running):
    """A process in a console of its own: a terminal of Linux, which Wine shows it as a console."""

    def __init__(self, command: list[str], env: dict[str, str], cwd: Path) -> None:
        self._master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        try:
            super().__init__(
                command,
                env,
                cwd=cwd,
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                preexec_fn=_take_terminal,
            )
        finally:
            os.close(terminal)
        self._shown = bytearray()
        self._read(self._master, self._shown)

    def output(self) -> bytes:
        """Return what the console has shown so far, without its escape sequences."""
        return _ESCAPES.sub(b"", bytes(self._shown))

    def press_ctrl_c(self) -> None:
        """Press Ctrl-C in the console: Windows sends the event to all processes in it."""
        os.write(self._master, b"\x03")

    def kill(self) -> None:
        """Kill the process and all that it has started, and close the terminal."""
        super().kill()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
