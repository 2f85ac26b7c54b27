"""gunicorn's threaded worker, changed to accept waiting connections before it stops.

Knows gunicorn's worker from release 24 on, whose loop has a queue, and nothing of apps, settings or
the platform.
"""

from __future__ import annotations

import functools
import inspect
import selectors
import time
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import Unreader
from gunicorn.workers.gthread import ThreadWorker

from .. import defaults

__all__ = ["READS_IN_LOOP", "AppServiceWorker", "name"]

# From 27 on gunicorn's own worker leaves idle connections open for a moment after a stop. Older
# ones close a connection whose client may be sending, and wait as long for idle connections as for
# requests.
_LINGERS = hasattr(ThreadWorker, "_cap_keepalive")
# Our own loop, `event_worker`, needs these names of their parser and response.
READS_IN_LOOP = (
    _LINGERS
    and hasattr(Unreader, "take_buffered")
    and hasattr(RequestParser, "finish_body")
    and hasattr(wsgi.Response, "_emit_body")
    and "response_class" in inspect.signature(wsgi.create).parameters
)
_TICK_SECONDS = 0.1


def name() -> str:
    """Return the worker class for the installed release, as the value of gunicorn's setting."""
    if not hasattr(ThreadWorker, "set_accept_enabled"):
        return "gthread"
    if READS_IN_LOOP:
        return f"{__package__}.event_worker.EventWorker"
    return f"{__name__}.{AppServiceWorker.__name__}"


class AppServiceWorker(ThreadWorker):  # type: ignore[misc]
    """A ThreadWorker (gthread) that drops no connection at a stop."""

    def set_accept_enabled(self, enabled: bool) -> None:
        """Stop or start accepting; when the worker stops, accept waiting connections, then close.

        With gunicorn's own worker, connections that wait in the system's backlog are reset when the
        process ends. Other workers and the master have the listening sockets open as well, so that
        closing them here affects no other process if only this worker stops.
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
            if not _LINGERS:
                last = time.monotonic() + defaults.LINGER_SECONDS
                for conn in self.keepalived_conns:
                    conn.timeout = min(conn.timeout, last)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for connections; while stopping, only until idle ones may have to be closed."""
        if not self.alive and not _LINGERS:
            timeout = min(timeout, _TICK_SECONDS)
        super().wait_for_and_dispatch_events(timeout)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Take a connection back; while stopping, keep it open, as its client may be sending."""
        lingers = not self.alive and not _LINGERS and not fs.cancelled() and not fs.exception()
        if not lingers or fs.result() is not True:
            super().finish_request(conn, fs)
            return
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + defaults.LINGER_SECONDS
        self.keepalived_conns.append(conn)
        callback = functools.partial(self.on_client_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, callback)
