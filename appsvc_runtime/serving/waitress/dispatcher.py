"""The threads that run the app for waitress; one that waits for a slow client is replaced.

Knows waitress's dispatcher, and nothing of apps, settings or the platform.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from waitress.task import ThreadedTaskDispatcher

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Dispatcher"]


class Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Waitress's dispatcher, with `wanted` threads that do not wait for a client.

    There are at most `limit` threads. An app with one thread never runs in two.
    """

    def __init__(self, wanted: int, limit: int) -> None:
        super().__init__()
        self._wanted = wanted
        self._limit = max(wanted, limit)
        self._away = 0
        self._ends = False
        self._counting = threading.Lock()
        self.set_thread_count(wanted)

    @contextlib.contextmanager
    def wait_for_client(self) -> Iterator[None]:
        """Have another thread in place of the calling one, which waits for a client."""
        if self._wanted == 1:
            yield
            return
        self._count_away(1)
        try:
            yield
        finally:
            self._count_away(-1)

    def end(self) -> None:
        """Start no more threads, and end those that have nothing to do."""
        with self._counting:
            self._ends = True
            self.set_thread_count(0)

    def _count_away(self, change: int) -> None:
        with self._counting:
            self._away += change
            if not self._ends:
                with contextlib.suppress(RuntimeError):  # the system allows no more threads
                    self.set_thread_count(min(self._wanted + self._away, self._limit))
