"""A worker's output on its way to the log: stamped line by line, nothing lost, memory bounded.

Takes bytes, writes lines of bytes: bytes that are not UTF-8 stay. One thread writes, from a short
queue: a worker that prints faster than the disk writes has to wait, as it would without the
launcher. Must not know of processes. A line, as text (JSON with `APPSVC_LOG_FORMAT`):

    2026-11-21T10:34:20.123+0000 run=3 err: Connection refused
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from ..logs.file import SharedFileHandler
from ..system.local_time import offset

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_LINE", "FileTarget", "LineCutter", "StreamTarget", "Target", "WorkerLog", "stamp"]

# A longer line is written in pieces.
MAX_LINE = 64 * 1024
# Parts of output in the queue, each at most as long as one read (64 KiB) and MAX_LINE.
_QUEUE_LENGTH = 8
# Seconds that the launcher waits to log a line of its own when no target accepts output.
_SAY_SECONDS = 1.0
# The most lines of its own that are kept until a target does.
_MOST_LATE = 100
LAUNCHER = "launcher"


class Target(Protocol):
    """A target of lines."""

    def append(self, data: bytes) -> None:
        """Write whole lines; never raises."""

    def close(self) -> None:
        """Close the target."""


class FileTarget:
    """A file that other processes write to as well, rotated by size: see `SharedFileHandler`."""

    def __init__(self, path: str, *, max_bytes: int, backups: int) -> None:
        self._handler = SharedFileHandler(path, max_bytes=max_bytes, backups=backups)

    def append(self, data: bytes) -> None:
        """Write whole lines."""
        with self._handler.lock or threading.RLock():
            self._handler.append(data)

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


class StreamTarget:
    """A descriptor, such as standard output. Failed writes are counted and reported later."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.lost = 0

    def append(self, data: bytes) -> None:
        """Write whole lines, waiting for a slow reader."""
        if self.lost:
            told = f"{self.lost} parts of the output could not be written and are missing here."
            data = stamp("", LAUNCHER, 0, told.encode() + b"\n") + data
        view = memoryview(data)
        try:
            while view:
                try:
                    view = view[os.write(self._descriptor, view) :]
                except BlockingIOError:  # another program has made it non-blocking
                    time.sleep(0.01)
        except OSError:  # the reader has gone, the disk is full: the worker continues
            self.lost += 1
        else:
            self.lost = 0

    def close(self) -> None:
        """Leave the descriptor open: it is the process's own."""


class LineCutter:
    """Splits one stream into whole lines; holds back an incomplete line, at most MAX_LINE."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, data: bytes) -> bytes:
        """Return the lines that are complete by now, each with its newline, or b""."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._rest += data
            lines = b""
        else:
            lines = self._rest + data[:end]
            self._rest = data[end:]
        while len(self._rest) > MAX_LINE:
            lines += self._rest[:MAX_LINE] + b"\n"
            self._rest = self._rest[MAX_LINE:]
        return lines

    def end(self) -> bytes:
        """Return what was held back, as a line."""
        rest, self._rest = self._rest, b""
        return rest + b"\n" if rest else b""


class WorkerLog:
    """Takes lines from several threads and writes them to all `targets`, in their order.

    `form`: `text` or `json`.
    """

    def __init__(self, targets: Sequence[Target], form: str = "text") -> None:
        self._targets = list(targets)
        self._form = form
        self._count = threading.Lock()
        self._queue: queue.Queue[tuple[str, int, bytes] | None] = queue.Queue(_QUEUE_LENGTH)
        self._stuck = False  # the last line of the launcher's own found no space in the queue
        self._waiting = 0  # threads that wait for space
        self._lost = 0  # parts that were not written
        self._late: deque[tuple[str, int, bytes]] = deque(maxlen=_MOST_LATE)  # own lines
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()

    def put(self, stream: str, run: int, lines: bytes) -> None:
        """Add whole lines of a run's stream; wait while the queue is full."""
        if lines:
            with self._count:
                self._waiting += 1
            self._queue.put((stream, run, lines))
            with self._count:
                self._waiting -= 1

    def idle(self) -> bool:
        """Return whether all lines have been written."""
        return not (self._queue.unfinished_tasks or self._waiting or self._late)

    def say(self, text: str, run: int = 0) -> None:
        """Add a line of the launcher's own; wait a second at most.

        After one such wait do not wait again: a stop must be done in the time that the platform
        gives.
        """
        text = text.replace("\n", " ")
        if not text.isprintable():  # a path, or a server's response, may contain anything
            text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
        line = text.encode("utf-8", "backslashreplace") + b"\n"
        try:
            self._queue.put((LAUNCHER, run, line), timeout=0.001 if self._stuck else _SAY_SECONDS)
            self._stuck = False
        except queue.Full:
            self._stuck = True
            self._late.append((LAUNCHER, run, line))

    def close(self, patience: float = 2.0) -> None:
        """Write all remaining lines, for at most so many seconds."""
        deadline = time.monotonic() + (0.0 if self._stuck else patience)
        try:
            self._queue.put(None, timeout=max(0.001, deadline - time.monotonic()))
        except queue.Full:
            return
        self._writer.join(max(0.001, deadline - time.monotonic()))

    def _write(self) -> None:
        while (taken := self._queue.get()) is not None:
            self._write_part(taken)
            while self._late:
                self._write_part(self._late.popleft())
            self._queue.task_done()
        for target in self._targets:
            target.close()

    def _write_part(self, taken: tuple[str, int, bytes]) -> None:
        """Write to all targets; a lack of memory costs this part, not the thread."""
        if self._lost:
            told = f"{self._lost} parts of the output are missing here: memory was short."
            parts = [(LAUNCHER, 0, told.encode() + b"\n"), taken]
        else:
            parts = [taken]
        try:
            data = b"".join(stamp(self._form, *part) for part in parts)
            for target in self._targets:
                target.append(data)
            self._lost = 0
        except MemoryError:
            self._lost += 1


def stamp(form: str, stream: str, run: int, lines: bytes) -> bytes:
    """Return whole lines with time, stream and run before each; `form` is `json`, or else text.

    All get the time at which they are written, because they were read together.
    """
    when = time.time()
    seconds = time.localtime(when)
    at = (
        time.strftime("%Y-%m-%dT%H:%M:%S", seconds)
        + f".{int(when * 1000) % 1000:03d}"
        + offset(seconds)
    )
    if form != "json":
        head = (f"{at} run={run} {stream}: " if run else f"{at} {stream}: ").encode()
        return head + lines[:-1].replace(b"\n", b"\n" + head) + b"\n"
    told: dict[str, object] = {"time": at, "logger": "appsvc_runtime.worker", "stream": stream}
    if run:
        told["run"] = run
    return b"".join(
        json.dumps({**told, "message": text}, ensure_ascii=True).encode() + b"\n"
        for text in lines[:-1].decode("utf-8", "backslashreplace").split("\n")
    )
