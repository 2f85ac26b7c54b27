"""The entry point for `gunicorn -c python:appsvc_runtime.gunicorn_conf app:app`.

A gunicorn configuration file: gunicorn imports it and reads its names as settings. They come from a
plan, which `appsvc serve` hands over or which is made here. The user's own configuration file
(`PYTHON_USE_GUNICORN_CONFIG_FROM_PATH`, or `-c` in `GUNICORN_CMD_ARGS`) overrides them, and
`GUNICORN_CMD_ARGS` and the command line, which gunicorn reads itself, override both. Every worker's
app is put behind the middleware.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.sync import SyncWorker

from .apps import faults, kinds, load
from .errors import AppServiceError, ConfigError
from .middleware import drain
from .serving import (
    agents,
    defaults,
    exec_advice,
    handover,
    numbers,
    one_host,
    per_worker,
)
from .serving.gunicorn import ending, older, short_bodies, spawning, user_config
from .serving.gunicorn import worker as gunicorn_worker
from .serving.gunicorn.change import Change
from .serving.gunicorn.logger import StdoutLogger
from .serving.launch import Launch
from .serving.plan import LaunchPlan, make_plan
from .settings import options
from .system import streams
from .wsgi import LazyApplication

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Longer than the time between the imports of one app in two workers.
_FIRST_WORKER_SECONDS = 10.0
# Set by a gunicorn that starts a new gunicorn in its place (SIGUSR2).
_OLDER = "GUNICORN_PID"
# uvicorn's worker and gunicorn's own ASGI worker call their app differently.
_WSGI_WORKERS = (SyncWorker, ThreadWorker, AsyncWorker)


def on_starting(server: Any) -> None:
    """Let no stop signal be lost that comes while a worker starts."""
    spawning.hold_signals(server)
    if _user_starting_hook is not None:
        _user_starting_hook(server)


def post_fork(server: Any, worker: Any) -> None:
    """Let the worker handle the signals that came while it started."""
    spawning.let_signals_in(worker)
    if _user_fork_hook is not None:
        _user_fork_hook(server, worker)


def post_worker_init(worker: Any) -> None:
    """Put the worker's app behind the middleware; if it is `wsgi.application`, load the app first.

    Raises SystemExit for an app that cannot be loaded, with the code by which gunicorn ends.
    """
    try:
        if isinstance(worker, _WSGI_WORKERS):
            _wrap_wsgi(worker)
        else:
            _wrap_other(worker)
    except AppServiceError as error:
        _leave_it_to_the_first(worker)
        # gunicorn would print it, and start workers without an end if the reader has gone.
        with contextlib.suppress(OSError):
            sys.stderr.write(f"Error: {error}\n")
            sys.stderr.flush()
        raise SystemExit(Arbiter.APP_LOAD_ERROR) from None
    if worker.age <= worker.cfg.workers:  # a worker that replaces a dead one reports nothing
        worker.log.info(_plan.ready())
    ending.install(worker)
    drain.limit(numbers.most_drain(worker.cfg.graceful_timeout))
    drain.install()  # for an app that was loaded before the worker started, as with preload_app
    if _user_hook is not None:
        _user_hook(worker)
    ending.expect_requests()


def worker_exit(server: Any, worker: Any) -> None:
    """Let a worker end in time, whatever threads the app has left."""
    try:
        if _user_worker_exit_hook is not None:
            _user_worker_exit_hook(server, worker)
    finally:
        streams.drop_broken()
        ending.finish()


def pre_exec(server: Any) -> None:
    """Hand the plan to the gunicorn that SIGUSR2 starts.

    That process gets the variables that gunicorn copied when it started. On SIGHUP gunicorn copies
    them again, now without the plan, and the new process would detect an app of its own.
    """
    if _handed is not None:
        server.cfg.env_orig.update(handover.write(_handed, {}))
    if _user_exec_hook is not None:
        _user_exec_hook(server)


def on_exit(server: Any) -> None:
    """Start another server in place of the master, if the app needs one."""
    if _user_exit_hook is not None:
        _user_exit_hook(server)
    _change.follow()
    streams.drop_broken()


def _wrap_wsgi(worker: Any) -> None:
    if worker.age == 1:  # the list is empty if `appsvc serve` has printed the warnings
        for sentence in _plan.warnings:
            worker.log.warning(sentence)
    if isinstance(worker.wsgi, LazyApplication):
        try:
            worker.wsgi = worker.wsgi.load(_plan.app or None)
        except kinds.AsgiAppError as error:
            _change.ask(worker, error)
    app = load.check_app(worker.wsgi, worker.app.app_uri)
    _report_per_worker(worker, app)
    worker.wsgi = faults.contain_wsgi(load.wrap(app))
    if isinstance(worker, ThreadWorker) and worker.cfg.threads == 1:
        worker.wsgi = _alone(worker.wsgi)
    older.adapt(worker)
    worker.wsgi = short_bodies.closing(worker.wsgi)  # the outermost: it needs gunicorn's response


def _wrap_other(worker: Any) -> None:
    """Put the app of a worker that is not a WSGI worker behind the ASGI middleware.

    Raises ConfigError for the app of `appsvc serve`. If a sign-in is required, it is also raised
    for an app that cannot be put behind the middleware, which would be open to everyone.
    """
    if isinstance(getattr(worker, "wsgi", getattr(worker, "asgi", None)), LazyApplication):
        raise ConfigError(
            f"`appsvc serve` serves WSGI apps, but {type(worker).__name__} runs ASGI apps.",
            hint="Start an ASGI app with gunicorn itself: "
            f"`gunicorn -k ... {_plan.app or 'module:app'}`.",
        )
    name = "asgi" if hasattr(worker, "asgi") else "wsgi"  # uvicorn's worker calls its app `wsgi`
    app = getattr(worker, name, None)
    if kinds.is_asgi(app):
        _report_per_worker(worker, app)
        app = faults.contain_asgi(load.wrap_any(app)[0])
        setattr(worker, name, one_host.OneHost(ending.at_lifespan(app)))
    elif options.resolve("APPSVC_REQUIRE_LOGIN", None, os.environ):
        raise ConfigError(
            f"APPSVC_REQUIRE_LOGIN is set, and the app of a {type(worker).__name__} cannot be put "
            "behind the middleware.",
            hint="Start it with another worker class, or without -k.",
        )


def _report_per_worker(worker: Any, app: Any) -> None:
    if worker.age == 1 and (notice := per_worker.describe(app, worker.cfg.workers)):
        worker.log.warning(notice)


def _alone(app: WSGIApplication) -> WSGIApplication:
    """Return an app whose environ says that it has one thread, so that no health check holds it."""

    def alone(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.multithread"] = False
        return app(environ, start_response)

    return alone


def _leave_it_to_the_first(worker: Any) -> None:
    """Wait until gunicorn ends this worker, if the first worker fails as well and says why.

    All first workers import the same app. Without the wait each would print the same message, and
    two that end at the same time make gunicorn's master fail with a traceback of its own. Return if
    gunicorn does not end this worker in time: then only this one has failed.
    """
    if 1 < worker.age <= worker.cfg.workers:
        deadline = time.monotonic() + _FIRST_WORKER_SECONDS
        while time.monotonic() < deadline:
            if not worker.alive:
                raise SystemExit(0)
            worker.notify()
            time.sleep(0.05)


def _find_plan(handed: LaunchPlan | None) -> LaunchPlan:
    """Return the plan that was handed over, else a plan for a gunicorn that the user started.

    A setting that cannot be used ends gunicorn with SystemExit, as gunicorn would print a traceback
    for any other error.
    """
    if handed is not None:
        # A gunicorn that an older one starts on SIGUSR2 began long after the plan was made.
        return dataclasses.replace(handed, began=None) if _OLDER in os.environ else handed
    asked = Launch(
        app=None,
        site=os.getcwd(),
        host=None,
        port=None,
        server="gunicorn",
        default_server="gunicorn",
        default_host="0.0.0.0",
        port_sources=("PORT",),
        container=True,
    )
    try:
        agents.put_last()  # may start gunicorn again, which has not taken the port yet
        made = make_plan(asked, os.environ, by_server=True)
    except AppServiceError as error:
        sys.stderr.write(f"Error: {error}\n")
        raise SystemExit(error.exit_code) from None
    warnings = (*made.warnings, *exec_advice.advise())
    return dataclasses.replace(made, began=None, warnings=warnings)


def _user_settings() -> dict[str, Any]:
    if _plan.own.location in ("", f"python:{__name__}"):
        return {}
    return user_config.read_config(_plan.own)


def _take_hook(ours: Callable[..., None]) -> Any:
    """Return the user's hook of this name, which ours calls, or None."""
    hook = _user.pop(ours.__name__, None)
    return None if hook is ours else hook


_user_starting_hook: Any = None
_user_fork_hook: Any = None
_user_hook: Any = None
_user_exec_hook: Any = None
_user_exit_hook: Any = None
_user_worker_exit_hook: Any = None
_handed = handover.take()
_plan = _find_plan(_handed)
_change = Change(_plan)
logger_class = StdoutLogger.made_for(_plan)
worker_class = gunicorn_worker.name()
# gunicorn reads this module's names. Ours are set first: the user's own file may import them.
globals().update(defaults.gunicorn_settings(_plan))
_user = _user_settings()
_user_starting_hook = _take_hook(on_starting)
_user_fork_hook = _take_hook(post_fork)
_user_hook = _take_hook(post_worker_init)
_user_exec_hook = _take_hook(pre_exec)
_user_exit_hook = _take_hook(on_exit)
_user_worker_exit_hook = _take_hook(worker_exit)
globals().update(_user)
