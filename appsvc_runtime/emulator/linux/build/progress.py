"""What a long copy prints while it runs, and how it is stopped.

Must not know what is copied, nor of event loops.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

__all__ = ["Progress", "Stopped", "megabytes"]

# Seconds until the first line, so that a short copy prints none; then between lines.
_FIRST, _NEXT = 2.0, 5.0
_HEAVY = 1_000_000_000


class Stopped(BaseException):
    """The work is cancelled. Not an Exception, so that no code handles it as a failure."""


class Progress:
    """Counts what one thread copies. `tell` receives lines for the user, `clock` returns seconds.

    Set `stopped` from any thread: the next step raises Stopped.
    """

    def __init__(
        self,
        tell: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stopped = False
        self._tell = tell
        self._clock = clock
        self._told_at = clock() + _FIRST
        self._looked = 0
        self._compared = 0
        self._files = 0
        self._bytes = 0
        self._expected = (0, 0)

    def look(self) -> None:
        """Count an entry of the site that was read."""
        self._looked += 1
        self._step(lambda: f"Listed so far: {self._looked:,} files and folders.")

    def compare(self) -> None:
        """Count a file that needs no copy."""
        self._compared += 1
        self._step(lambda: f"Compared so far: {self._compared:,} files.")

    def expect(
        self, files: int, size: int, heaviest: Callable[[], Sequence[tuple[str, int]]]
    ) -> None:
        """Set how many files and bytes will be copied; report the largest folders if it is much."""
        self._expected = (files, size)
        if size >= _HEAVY:
            found = ", ".join(f"{name} {megabytes(weight)} MB" for name, weight in heaviest())
            weighs = f". The largest folders of the site: {found}" if found else ""
            self._tell(f"{megabytes(size)} MB are to be copied{weighs}.")

    def add(self, size: int) -> None:
        """Count bytes that were copied."""
        self._bytes += size
        self._step(self._so_far)

    def add_file(self) -> None:
        """Count a file that was copied."""
        self._files += 1
        self._step(self._so_far)

    def _so_far(self) -> str:
        files, size = self._expected
        return (
            f"Copied so far: {self._files:,} of {files:,} files, "
            f"{megabytes(self._bytes)} of {megabytes(size)} MB."
        )

    def _step(self, text: Callable[[], str]) -> None:
        if self.stopped:
            raise Stopped
        now = self._clock()
        if now >= self._told_at:
            self._told_at = now + _NEXT
            self._tell(text())


def megabytes(size: int) -> str:
    """Return a number of bytes in MB, as text."""
    return f"{size / 1_000_000:,.0f}" if size >= 10_000_000 else f"{size / 1_000_000:,.1f}"
