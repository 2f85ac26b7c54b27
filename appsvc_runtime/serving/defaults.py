"""What each server is told: its settings, chosen from the environment.

A Mapping in, values out; asks `system` about the machine. Must not start anything. Where the
platform or the user says a number, that one is taken; the reasons for ours stand beside them, with
what was measured (`python -m benchmarks.serve` and `benchmarks.servers` measure again).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..azure import names
from ..azure.ports import choose_port
from ..errors import ConfigError
from ..settings import option_parsers, options
from ..system import capabilities, process, sockets

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ACCESS_LOG_FORMAT",
    "graceful_seconds",
    "granian_settings",
    "granian_threads",
    "gunicorn_settings",
    "uvicorn_settings",
    "waitress_settings",
]

# A visitor who stalls in the middle of a request holds a thread of a gunicorn worker for as long
# as he likes, and all of a hundred such may reach one worker. Threads are made when they are
# needed, so that a high number costs nothing until then. Measured on two cores with a hundred such
# visitors: with 2 workers of 32 threads 22 of 100 others were answered, with 3 of 64 between 64 and
# 100, with 2 of 128 always 100. An app that waits 50 ms then gives 56 to 62 times the requests of
# one sync worker at 64 connections, a fast one 1.2 to 1.5 times, on one core 0.97 to 1.0 times.
GUNICORN_THREADS = 128
# One worker a core: two took 1.5 times the memory of one sync worker (proportional, small app),
# three 1.9 times. More than four cost memory that small plans do not have; who has more cores says
# so.
MAX_WORKERS = 4
# Longer than front ends keep a connection open, so that they close it and no request is lost on one
# that the server is just closing.
KEEPALIVE_SECONDS = 75
# By the time it is written REMOTE_ADDR and scheme are the visitor's. Milliseconds and scheme come
# last, so that readers of the combined format still read it.
ACCESS_LOG_FORMAT = (
    '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(M)sms %({wsgi.url_scheme}e)s'
)
# Waitress reads and writes without threads: they are only for apps that are at work or wait. The
# 50 ms app gave 4 times one sync worker's requests with 4 threads, 16 times with 16, 48 to 57 times
# with 64, at 0.75 of its memory.
WAITRESS_THREADS = 64
# Of each worker; made as requests wait. 256 visitors of an app that waits 50 ms need 205 at least.
GRANIAN_THREADS = 128
BACKLOG = 2_048
GRACEFUL_SECONDS = 10


def gunicorn_settings(environ: Mapping[str, str], cores: int | None = None) -> dict[str, Any]:
    """Give gunicorn's settings for the Linux container, by the names of its configuration file.

    `cores` is this machine's number by default. Raises ConfigError for a variable that cannot be
    used.
    """
    cores = cores or process.cpu_count()
    return {
        "bind": [f"0.0.0.0:{choose_port(None, environ, ['PORT'])}"],
        "workers": _workers(environ, cores),
        "threads": _threads(environ, GUNICORN_THREADS),
        "timeout": names.GUNICORN_TIMEOUT,
        "graceful_timeout": _graceful_seconds(environ),
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


def waitress_settings(environ: Mapping[str, str], threads: int | None = None) -> dict[str, Any]:
    """Give waitress's settings, as keyword arguments of `waitress.create_server`.

    `threads` is the command line's. Raises ConfigError for a variable that cannot be used.
    """
    return {
        "threads": options.resolve("APPSVC_THREADS", threads, environ) or WAITRESS_THREADS,
        # It removes them otherwise, before the middleware could decide.
        "clear_untrusted_proxy_headers": False,
        # Its own 100 let a hundred idle visitors shut out everybody else.
        "connection_limit": sockets.max_connections(),
        "backlog": BACKLOG,
        "asyncore_use_poll": capabilities.polls_sockets(),
        "channel_timeout": KEEPALIVE_SECONDS,
        "cleanup_interval": 10,
        "ident": None,
    }


def granian_settings(environ: Mapping[str, str], cores: int | None = None) -> dict[str, Any]:
    """Give granian's settings, as keyword arguments of `granian.Granian`.

    Raises ConfigError for a variable that cannot be used.
    """
    # Granian cannot share a socket between workers there, and would say so itself.
    shared = capabilities.shares_listening_sockets()
    workers = _workers(environ, cores or process.cpu_count()) if shared else 1
    return {
        "interface": "asgi",
        "workers": workers,
        "http": "1",
        "backlog": BACKLOG,
        # It counts connections, and a few idle visitors must not shut out everybody else.
        "backpressure": sockets.max_connections(),
        "respawn_failed_workers": True,
        "respawn_interval": 0.1,
    }


def granian_threads(environ: Mapping[str, str], threads: int | None = None) -> int:
    """Give how many requests each worker of granian has in hand at once, for a WSGI app.

    `threads` is the command line's. Raises ConfigError for a variable that cannot be used.
    """
    return int(threads or _threads(environ, GRANIAN_THREADS))


def uvicorn_settings(environ: Mapping[str, str], cores: int | None = None) -> dict[str, Any]:
    """Give uvicorn's settings, as keyword arguments of `uvicorn.Config`.

    Raises ConfigError for a variable that cannot be used.
    """
    return {
        "workers": _workers(environ, cores or process.cpu_count()),
        "backlog": BACKLOG,
        "timeout_keep_alive": KEEPALIVE_SECONDS,
        # Only the middleware decides scheme and client; the second one is FORWARDED_ALLOW_IPS.
        "proxy_headers": False,
        "forwarded_allow_ips": "",
        # Its line has the front end's address; the middleware's has the visitor's.
        "access_log": False,
        "server_header": False,
    }


def graceful_seconds(
    environ: Mapping[str, str], argument: int | None = None, *, container: bool = False
) -> int:
    """Give how long running requests get when the server is told to stop.

    In a container that is a second less than what the platform gives.
    """
    if container and argument is None:
        return _graceful_seconds(environ)
    seconds = options.resolve("APPSVC_GRACEFUL_TIMEOUT", argument, environ)
    return GRACEFUL_SECONDS if seconds is None else int(seconds)


def _graceful_seconds(environ: Mapping[str, str]) -> int:
    """Stay a second under the container's own limit, after which the platform kills."""
    seconds = options.resolve("APPSVC_GRACEFUL_TIMEOUT", None, environ)
    if seconds is not None:
        return int(seconds)
    limit = _count(names.STOP_TIME_LIMIT, environ) or names.DEFAULT_STOP_SECONDS
    return max(1, min(limit, names.MAX_STOP_SECONDS) - 1)


def _workers(environ: Mapping[str, str], cores: int) -> int:
    asked = options.resolve("APPSVC_WORKERS", None, environ)
    if not asked and _multiworkers(environ):
        asked = _count(names.CUSTOM_WORKERS, environ) or 2 * cores + 1
    # gunicorn's own variable, which its users know.
    return asked or _count("WEB_CONCURRENCY", environ) or min(cores, MAX_WORKERS)


def _threads(environ: Mapping[str, str], otherwise: int) -> int:
    asked = options.resolve("APPSVC_THREADS", None, environ)
    if not asked and _multiworkers(environ):
        asked = _count(names.CUSTOM_THREADS, environ)
    return asked or otherwise


def _multiworkers(environ: Mapping[str, str]) -> bool:
    """Say whether the platform's numbers count: they do only with this switch."""
    return environ.get(names.ENABLE_MULTIWORKERS, "").strip().lower() == "true"


def _count(name: str, environ: Mapping[str, str]) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        return option_parsers.parse_count(text)
    except ValueError as error:
        raise ConfigError(
            f"The setting {name} cannot be used: {error}.",
            hint="Correct it in the app settings, or take it out.",
        ) from None
