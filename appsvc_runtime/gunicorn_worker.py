"""gunicorn's threaded worker, which takes in who is waiting before it stops, and is faster.

Knows gunicorn's worker and nothing of apps, settings or the platform.
"""

from __future__ import annotations

import select
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

__all__ = ["AppServiceWorker"]

# How long a thread stays with a connection it has just answered. A browser's or front end's next
# request often follows at once; taken up by the same thread it saves two hand-overs.
_STAY_MILLISECONDS = 1
# Then other connections get their turn.
_MAX_STAYS = 100


class AppServiceWorker(ThreadWorker):  # type: ignore[misc]
    """A ThreadWorker (gthread) that loses no connection at a stop."""

    def set_accept_enabled(self, enabled: bool) -> None:
        """Stop or start taking connections; at the worker's end, take those that wait and close.

        gunicorn's own worker leaves connections that the system has taken in, but it has not, to
        be reset when the process ends. Other workers and the master have the listening sockets
        open as well, so that closing them here ends nothing where only this worker stops.
        """
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                listener.setblocking(False)
                taken = -1
                while taken < self.nr_conns:
                    taken = self.nr_conns
                    self.accept(listener)
                listener.close()

    def handle(self, conn: Any) -> Any:
        """Serve one request of a connection, and those that follow at once."""
        answered = super().handle(conn)
        for _ in range(_MAX_STAYS):
            if answered is not True or not self.alive or conn.is_http2 or not _readable(conn.sock):
                break
            answered = super().handle(conn)
        return answered


def _readable(sock: Any) -> bool:
    try:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(_STAY_MILLISECONDS))
    except (OSError, ValueError):
        return False
