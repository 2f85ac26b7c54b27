"""Each server's settings for a plan, and our default numbers with their reasons.

A plan in, values out; queries `system` about the machine. Must not start anything. The measurements
are next to each number (`python -m benchmarks.serve` and `benchmarks.servers` repeat them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..azure import names
from ..system import capabilities, process, sockets

if TYPE_CHECKING:
    from .plan import LaunchPlan

__all__ = [
    "ACCESS_LOG_FORMAT",
    "granian_settings",
    "gunicorn_settings",
    "uvicorn_settings",
    "waitress_settings",
]

# So many requests of a gunicorn worker run at a time. Threads are started when they are needed, so
# that a high number costs nothing until then. 256 clients of an app that waits 50 ms need at least
# 205. Before gunicorn 27 a client that stalls in the middle of a request holds one as long as it
# likes, and a hundred stalled clients may all reach one worker: measured with 100 other requests, 2
# workers of 32 threads responded to 22 of these, 2 workers of 128 threads always to all 100.
GUNICORN_THREADS = 128
# One worker for each core: two took 1.5 times the memory of one sync worker (proportional set size,
# small app), three 1.9 times. More than four need memory that small plans do not have; users with
# more cores can set the number.
MAX_WORKERS = 4
# Longer than front ends keep a connection open: they close it first, and no request is lost on a
# connection that the server is just closing.
KEEPALIVE_SECONDS = 75
# When the line is written, REMOTE_ADDR and scheme are the client's already. Milliseconds and scheme
# come last, so that parsers of the combined format can still read it.
ACCESS_LOG_FORMAT = (
    '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(M)sms %({wsgi.url_scheme}e)s'
)
# Waitress reads and writes in its main thread; the others only run the app. An app that waits 50
# ms served 4 times the requests of one sync worker with 4 threads, 16 times with 16, 48 to 57
# times with 64, with 0.75 of the sync worker's memory.
WAITRESS_THREADS = 64
# For each worker; started as requests wait. 256 clients of an app that waits 50 ms need at least
# 205 threads.
GRANIAN_THREADS = 128
# What waitress keeps of a response whose client reads slowly: this much, then the app's thread
# waits, and another takes its place. With waitress's own 16 MiB, 300 clients that read nothing fill
# 4.8 GB of the disk. Of that, the first part is in memory. An app with one thread has no other: it
# keeps waitress's own.
WAITRESS_KEPT_BYTES = 1024 * 1024
WAITRESS_MEMORY_BYTES = 128 * 1024
# A client is cut if it has sent less than so many bytes of a request in so many seconds: half of 1
# KB/s, so that one that moves 1 KB/s with pauses is never cut.
STALL_SECONDS = 30.0
STALL_BYTES = 15_000
# A client is cut if its system has taken nothing of a response for so long. A system with a buffer
# of 128 KB reports that the client has read from it only when half of it is free.
WRITE_STALL_SECONDS = 300.0
# A body of this length is read before the app is called, so that a slow client holds no thread; of
# a longer one so much, and the rest as the app reads it. A worker keeps about UNFINISHED_BYTES of
# requests that are not complete.
BODY_BYTES = 1 << 20
UNFINISHED_BYTES = 1 << 25
# When a server stops, idle connections stay open for so long: a client may be sending.
LINGER_SECONDS = 1.0
BACKLOG = 2_048
GRACEFUL_SECONDS = 10


def gunicorn_settings(plan: LaunchPlan) -> dict[str, Any]:
    """Return gunicorn's settings, by the names of its configuration file."""
    return {
        "bind": [plan.bind],
        "workers": plan.workers,
        "threads": plan.threads,
        "timeout": names.GUNICORN_TIMEOUT,
        "graceful_timeout": plan.graceful_seconds,
        "keepalive": KEEPALIVE_SECONDS,
        # The heartbeat file of a worker on a slow disk can stop the worker for longer than its
        # own timeout.
        "worker_tmp_dir": process.memory_folder(),
        "accesslog": "-",
        "errorlog": "-",
        "access_log_format": ACCESS_LOG_FORMAT,
        # Only the middleware decides whom to trust. gunicorn would trust any loopback peer and all
        # in FORWARDED_ALLOW_IPS, and let them send SCRIPT_NAME and PATH_INFO as headers.
        "secure_scheme_headers": {},
        "forwarded_allow_ips": "",
        "forwarder_headers": "",
        # Nothing in a container uses it, and it would be one more file in the user's home.
        "control_socket_disable": True,
    }


def waitress_settings(plan: LaunchPlan) -> dict[str, Any]:
    """Return waitress's settings, as keyword arguments of `waitress.create_server`."""
    kept = {
        "outbuf_high_watermark": WAITRESS_KEPT_BYTES,
        "outbuf_overflow": WAITRESS_MEMORY_BYTES,
    }
    return {
        **(kept if plan.threads > 1 else {}),
        "threads": plan.threads,
        # Otherwise waitress removes forwarded headers before the middleware can decide.
        "clear_untrusted_proxy_headers": False,
        # With waitress's default of 100, a hundred idle clients shut out all others.
        "connection_limit": sockets.max_connections(),
        "backlog": BACKLOG,
        "asyncore_use_poll": capabilities.polls_sockets(),
        "channel_timeout": KEEPALIVE_SECONDS,
        "cleanup_interval": 10,
        "ident": None,
    }


def granian_settings(plan: LaunchPlan) -> dict[str, Any]:
    """Return granian's settings, as keyword arguments of `granian.Granian`."""
    return {
        "interface": "asgi",
        "workers": plan.workers,
        "http": "1",
        "backlog": BACKLOG,
        # Granian counts connections here, and a few idle clients must not shut out all others.
        "backpressure": sockets.max_connections(),
        "respawn_failed_workers": True,
        "respawn_interval": 0.1,
    }


def uvicorn_settings(plan: LaunchPlan) -> dict[str, Any]:
    """Return uvicorn's settings, as keyword arguments of `uvicorn.Config`."""
    return {
        "workers": plan.workers,
        "backlog": BACKLOG,
        "timeout_keep_alive": KEEPALIVE_SECONDS,
        "timeout_graceful_shutdown": plan.graceful_seconds,
        # Only the middleware decides scheme and client; the second setting, if missing, is read
        # from FORWARDED_ALLOW_IPS.
        "proxy_headers": False,
        "forwarded_allow_ips": "",
        # uvicorn's line shows the front end's address; the middleware's shows the client's.
        "access_log": False,
        "server_header": False,
    }
