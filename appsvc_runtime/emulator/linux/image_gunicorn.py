"""Stands for the image's own gunicorn configuration, which every detected app gets.

Copied to gunicorn.conf.py in a container's /opt/startup. As the image's, it says nothing of workers
or of time limits, and starts a thread in each worker that never ends and is no daemon: a worker
that is told to stop waits for it until gunicorn kills it. In the image the thread waits for the
command that shows an app's log. Must not import the package that it comes from.
"""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["post_worker_init"]


def post_worker_init(worker: Any) -> None:
    """Start the thread, as the image does in each worker."""
    threading.Thread(target=threading.Event().wait, name="image-app-logs").start()
