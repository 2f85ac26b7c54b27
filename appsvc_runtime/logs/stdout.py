"""Write log lines to standard output, whatever that stream currently is.

wfastcgi replaces `sys.stdout` for every request, and so do tests: the stream is looked up for each
line and never kept. Must not know the format of a line.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any

__all__ = ["STDOUT_NAMES", "StdoutHandler"]

# Files that are this process's own standard output. Opened again, such a file would have a position
# of its own, and log lines would overwrite printed text.
STDOUT_NAMES = frozenset({"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})


class StdoutHandler(logging.Handler):
    """Write records to `sys.stdout`, each in one write.

    Characters that its encoding lacks are escaped. Lines that cannot be written (a full disk, a
    closed pipe) are counted in `lost`, and the count is written when writing works again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0
        self.written = 0  # lines that were written out
        self._pending = 0  # lines that the stream has buffered and not yet written
        self._writing = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; never raises."""
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
            return
        # Some apps replace sys.stdout by a stream that logs what is written to it. It would call
        # this method again: such lines go to the original stream.
        again, self._writing = self._writing, True
        try:
            self._put(sys.__stdout__ if again else sys.stdout, text)
        finally:
            self._writing = again

    def put(self, text: str) -> None:
        """Write a line that is already formatted; never raises."""
        self.acquire()
        try:
            self._put(sys.stdout, text)
        finally:
            self.release()

    def _put(self, stream: Any, text: str) -> None:
        try:
            _flush(stream)
            self._pending = 0
            told = self.lost
            if told:
                text = f"{self.format(self._loss())}\n{text}"
            _write(stream, f"{text}\n")
        except Exception:  # the stream is closed, None or broken: the app goes on without the line
            self.lost += 1
            return
        # Lines lost meanwhile, by a stream that logs or a signal handler, are reported later.
        self._pending, self.lost = told + 1, self.lost - told
        with contextlib.suppress(Exception):  # the stream has buffered it, and can write later
            _flush(stream)
            self._pending = 0
            self.written += 1

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Report on standard error, if there is any, a record that cannot be formatted."""
        with contextlib.suppress(Exception):
            super().handleError(record)

    def close(self) -> None:
        """Report on standard error how many lines were never written."""
        with contextlib.suppress(Exception):
            self.lost += self._pending
            if self.lost:
                _write(sys.stderr, f"{self.format(self._loss())}\n")
                self.lost = self._pending = 0
        super().close()

    def _loss(self) -> logging.LogRecord:
        return logging.LogRecord(
            __name__, logging.WARNING, __file__, 0,
            "%d log lines could not be written to standard output.", (self.lost,), None,
        )  # fmt: skip


def _flush(stream: Any) -> None:
    flush = getattr(stream, "flush", None)
    if flush is not None:
        flush()


def _write(stream: Any, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = getattr(stream, "encoding", None) or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
