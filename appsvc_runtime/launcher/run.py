"""One run of a worker: started, read, asked to stop, ended with all processes that it started.

Knows processes and threads. Must not know why a run is stopped, nor what follows it.
"""

from __future__ import annotations

import errno
import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from ..system.process import steady_time
from ..system.process_tree import TOO_LATE, Tree
from .output import MAX_LINE, LineCutter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO

    from .output import WorkerLog

__all__ = ["Run"]

# Seconds to read the rest of the pipes, after all processes that had them have ended. If a log does
# not accept the output in this time, the rest is dropped.
_LAST_WORDS = 1.0
# Seconds between attempts to read while memory is short.
_RETRY_SECONDS = 0.1


class Run:
    """A started worker. Create it in the main thread, which must live as long as the worker.

    `number` counts the runs from 1. `started` is called with the process's number before any of its
    output is logged. `ended` is called, from another thread, when the worker's own process has
    ended. `not_after` as in `Tree.popen_options`. Raise OSError if it cannot be started.
    """

    def __init__(
        self,
        number: int,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        log: WorkerLog,
        tree: Tree,
        started: Callable[[int], None],
        ended: Callable[[], None],
        not_after: float | None = None,
    ) -> None:
        self.number = number
        self.tree = tree
        self.returncode: int | None = None
        self._log = log
        self._ended = ended
        self._not_after = not_after
        self._began = time.monotonic()
        self._seconds = 0.0
        self._popen: subprocess.Popen[bytes] = subprocess.Popen(
            argv,
            env=tree.environ(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            **tree.popen_options(not_after=not_after),
        )
        self.pid = self._popen.pid
        tree.adopt(self.pid)
        started(self.pid)  # before the threads: the log has this before the worker's first line
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), name=name, daemon=True)
            for name, stream in (("out", self._popen.stdout), ("err", self._popen.stderr))
        ]
        try:
            for thread in (*self._readers, threading.Thread(target=self._wait, daemon=True)):
                thread.start()
        except RuntimeError:  # out of threads: nothing would notice the end of the worker
            tree.kill()
            self._popen.wait()
            tree.close()
            for thread, stream in zip(
                self._readers, (self._popen.stdout, self._popen.stderr), strict=True
            ):
                if thread.ident is not None:  # that thread closes its stream
                    thread.join(_LAST_WORDS)
                elif stream is not None:
                    stream.close()
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None

    @property
    def seconds(self) -> float:
        """How long the worker's own process has run, by a monotonic clock."""
        return self._seconds if self.returncode is not None else time.monotonic() - self._began

    @property
    def was_too_late(self) -> bool:
        """Whether the worker's program was never executed, because its time was over before."""
        late = self._not_after is not None and steady_time() >= self._not_after
        return late and self.returncode == TOO_LATE

    def ask_to_stop(self) -> bool:
        """Ask the worker's own process to stop; it is responsible for its children.

        Return whether it was asked, as `Tree.ask_to_stop` does.
        """
        return self.tree.ask_to_stop()

    def finish(self) -> list[int]:
        """Kill what is left and read the last output; return processes that cannot be killed."""
        left = self.tree.kill()
        if not left:  # otherwise its end cannot be predicted
            self._popen.wait()
        deadline = time.monotonic() + (_LAST_WORDS if not left else 0.5)
        for thread in self._readers:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.tree.close()
        return left

    def _wait(self) -> None:
        code = self._popen.wait()
        self._seconds = time.monotonic() - self._began
        self.returncode = code
        self._ended()

    def _read(self, name: str, stream: IO[bytes] | None) -> None:
        if stream is None:
            return
        cutter = LineCutter()
        with stream:
            while (data := _read(stream.fileno())) is None or data:
                if data:
                    self._log.put(name, self.number, cutter.add(data))
        self._log.put(name, self.number, cutter.end())


def _read(descriptor: int) -> bytes | None:
    """Return a part of the output, b"" at its end, None if memory is short at the moment.

    The thread must go on: a worker whose output is not read stops at a full pipe.
    """
    try:
        return os.read(descriptor, MAX_LINE)
    except MemoryError:
        time.sleep(_RETRY_SECONDS)
        return None
