"""What each server is told: its settings, made of a plan, and our own numbers with their reasons.

A plan in, values out; asks `system` about the machine. Must not start anything. What was measured
stands beside each number (`python -m benchmarks.serve` and `benchmarks.servers` measure again).
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

# A client that stalls in the middle of a request holds a thread of a gunicorn worker for as long
# as it likes, and all of a hundred such may reach one worker. Threads are made when they are
# needed, so that a high number costs nothing until then. Measured on two cores with a hundred such
# clients: with 2 workers of 32 threads 22 of 100 others were answered, with 3 of 64 between 64 and
# 100, with 2 of 128 always 100. An app that waits 50 ms then gives 56 to 62 times the requests of
# one sync worker at 64 connections, and a fast one no fewer, also on one core.
GUNICORN_THREADS = 128
# One worker a core: two took 1.5 times the memory of one sync worker (proportional, small app),
# three 1.9 times. More than four cost memory that small plans do not have; who has more cores says
# so.
MAX_WORKERS = 4
# Longer than front ends keep a connection open, so that they close it and no request is lost on one
# that the server is just closing.
KEEPALIVE_SECONDS = 75
# By the time it is written REMOTE_ADDR and scheme are the client's. Milliseconds and scheme come
# last, so that readers of the combined format still read it.
ACCESS_LOG_FORMAT = (
    '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(M)sms %({wsgi.url_scheme}e)s'
)
# Waitress reads and writes without threads: they are only for apps that are at work or wait. The
# 50 ms app gave 4 times one sync worker's requests with 4 threads, 16 times with 16, 48 to 57 times
# with 64, at 0.75 of its memory.
WAITRESS_THREADS = 64
# Of each worker; made as requests wait. 256 clients of an app that waits 50 ms need 205 at least.
GRANIAN_THREADS = 128
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
        # Only the middleware decides. gunicorn would trust any loopback peer, and all that
        # FORWARDED_ALLOW_IPS names, and let them send SCRIPT_NAME and PATH_INFO as headers.
        "secure_scheme_headers": {},
        "forwarded_allow_ips": "",
        "forwarder_headers": "",
        # Nobody in a container talks to it, and it is one more thing in the user's home.
        "control_socket_disable": True,
    }


def waitress_settings(plan: LaunchPlan) -> dict[str, Any]:
    """Return waitress's settings, as keyword arguments of `waitress.create_server`."""
    return {
        "threads": plan.threads,
        # It removes them otherwise, before the middleware could decide.
        "clear_untrusted_proxy_headers": False,
        # Its own 100 let a hundred idle clients shut out everybody else.
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
        # It counts connections, and a few idle clients must not shut out everybody else.
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
        # Only the middleware decides scheme and client; the second one is FORWARDED_ALLOW_IPS.
        "proxy_headers": False,
        "forwarded_allow_ips": "",
        # Its line has the front end's address; the middleware's has the client's.
        "access_log": False,
        "server_header": False,
    }
