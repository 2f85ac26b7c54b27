"""A WebJob's log as Kudu writes it: `job_log.txt` and `output_log.txt`, and a run's status.

Takes text, writes files. Must not know of processes. Sources: Kudu.Core/Jobs, JobLogger.cs,
ContinuousJobLogger.cs, TriggeredJobRunLogger.cs.
"""

from __future__ import annotations

import contextlib
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from ...system import files, own_files

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_LINES", "JobLog", "run_id", "write_status"]

# Kudu logs at most so many lines of each stream in a run of a continuous job.
MAX_LINES = 100
MAX_SIZE = 1024 * 1024
_INSTANCE = "emulat"  # the first six characters of an instance's id


def run_id(now: datetime) -> str:
    """Return the id of a triggered job's run: its start, in UTC, to a tenth of a millisecond."""
    return now.astimezone(timezone.utc).strftime("%Y%m%d%H%M%S") + f"{now.microsecond // 100:04d}"


class JobLog:
    """A job's log file; with `limit`, it has at most so many lines per stream and run.

    `say` receives messages about the log itself.
    """

    def __init__(self, path: Path, *, limit: int | None, say: Callable[[str], None]) -> None:
        self._path = path
        self._limit = limit
        self._say = say
        self._counts = {"INFO": 0, "ERR ": 0}
        self._broken = False

    def start(self) -> None:
        """Start a run."""
        self._counts = dict.fromkeys(self._counts, 0)

    def line(self, stream: int, text: str) -> None:
        """Add a line that the job has printed, on stream 1 or 2."""
        level = "ERR " if stream == 2 else "INFO"
        if self._limit is not None:
            self._counts[level] += 1
            if self._counts[level] > self._limit:
                return
            if self._counts[level] == self._limit:
                name = "standard error" if stream == 2 else "standard output"
                self._say(
                    f"(These were {self._limit} lines on {name}: Kudu logs no more of them in this "
                    "run.)"
                )
        self._write(level, text)

    def system(self, text: str) -> None:
        """Add a line of Kudu's own."""
        self._write("SYS INFO", text)

    def _write(self, level: str, text: str) -> None:
        now = datetime.now(timezone.utc).strftime("%m/%d/%Y %H:%M:%S")
        try:
            # A triggered run's own log is never shortened.
            rolled = self._limit is not None and self._path.exists()
            if rolled and self._path.stat().st_size > MAX_SIZE:
                self._path.replace(self._path.with_name("job_prev_log.txt"))
            own_files.make_folders(self._path.parent)
            opened = files.open_append(str(self._path), follow=False, mode=0o600)
            with open(opened, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"[{now} > {_INSTANCE}: {level}] {text}\n")
        except OSError as error:
            if not self._broken:
                self._broken = True
                self._say(f"(The log {self._path} cannot be written: {error.strerror}.)")


def write_status(path: Path, **values: str) -> None:
    """Write the status of a run or job, as JSON, and replace the old one."""
    with contextlib.suppress(OSError):
        own_files.make_folders(path.parent)
        own_files.write_file(path, json.dumps(values).encode())
