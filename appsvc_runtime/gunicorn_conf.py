"""The entry point for `gunicorn -c python:appsvc_runtime.gunicorn_conf app:app`.

A gunicorn configuration, read when gunicorn imports it: the settings of a plan, which `appsvc
serve` hands over and which is made here otherwise; over them the user's own configuration file
(`PYTHON_USE_GUNICORN_CONFIG_FROM_PATH`, or `-c` in `GUNICORN_CMD_ARGS`), and over both what
gunicorn reads itself: `GUNICORN_CMD_ARGS` and the command line. Every worker's app is put behind
the middleware.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from gunicorn.errors import AppImportError
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.sync import SyncWorker

from .apps import kinds, load
from .errors import AppServiceError, ConfigError
from .middleware import drain
from .serving import defaults, handover, one_host
from .serving.gunicorn import older, user_config
from .serving.gunicorn import worker as gunicorn_worker
from .serving.gunicorn.logger import StdoutLogger
from .serving.launch import Launch
from .serving.plan import LaunchPlan, make_plan
from .settings import options
from .wsgi import LazyApplication

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Longer than two imports of one app are apart.
_FIRST_WORKER_SECONDS = 10.0
# Set by a gunicorn that starts itself again.
_OLDER = "GUNICORN_PID"
# uvicorn's worker and gunicorn's own for ASGI speak another protocol.
_WSGI_WORKERS = (SyncWorker, ThreadWorker, AsyncWorker)


def post_worker_init(worker: Any) -> None:
    """Put the worker's app behind the middleware; load it first where it is `wsgi.application`.

    Raises gunicorn's AppImportError, which ends gunicorn with the message and without a traceback
    of its own.
    """
    try:
        if isinstance(worker, _WSGI_WORKERS):
            _wrap_wsgi(worker)
        else:
            _wrap_other(worker)
    except AppServiceError as error:
        _leave_it_to_the_first(worker)
        raise AppImportError(f"Error: {error}") from None
    if worker.age <= worker.cfg.workers:  # those that take a dead one's place report nothing
        worker.log.info(_plan.ready())
    drain.install()  # of an app that was loaded before the worker was, as with preload_app
    if _user_hook is not None:
        _user_hook(worker)


def pre_exec(server: Any) -> None:
    """Hand the plan on to the gunicorn that SIGUSR2 starts.

    It gets the variables that this one was started with; after a SIGHUP those of that time, which
    have the plan no more. It would then look for an app of its own accord.
    """
    if _handed is not None:
        server.cfg.env_orig.update(handover.write(_handed, {}))
    if _user_exec_hook is not None:
        _user_exec_hook(server)


def _wrap_wsgi(worker: Any) -> None:
    if worker.age == 1:  # none of these where `appsvc serve` has printed them
        for sentence in _plan.warnings:
            worker.log.warning(sentence)
    if isinstance(worker.wsgi, LazyApplication):
        worker.wsgi = worker.wsgi.load(_plan.app or None)
    worker.wsgi = load.wrap(load.check_app(worker.wsgi, worker.app.app_uri))
    if isinstance(worker, ThreadWorker) and worker.cfg.threads == 1:
        worker.wsgi = _alone(worker.wsgi)
    older.adapt(worker)


def _wrap_other(worker: Any) -> None:
    """Put the app of a worker for ASGI behind the middleware for that.

    Raises ConfigError for the app of `appsvc serve`, and for one that cannot be put there where a
    sign-in is required: it would be open to all.
    """
    if isinstance(getattr(worker, "wsgi", getattr(worker, "asgi", None)), LazyApplication):
        raise ConfigError(
            f"`appsvc serve` serves WSGI apps, and {type(worker).__name__} runs ASGI ones.",
            hint="Start an ASGI app with gunicorn itself: "
            f"`gunicorn -k ... {_plan.app or 'module:app'}`.",
        )
    name = "asgi" if hasattr(worker, "asgi") else "wsgi"  # uvicorn's worker has it as the latter
    app = getattr(worker, name, None)
    if kinds.is_asgi(app):
        setattr(worker, name, one_host.OneHost(load.wrap_any(app)[0]))
    elif options.resolve("APPSVC_REQUIRE_LOGIN", None, os.environ):
        raise ConfigError(
            f"APPSVC_REQUIRE_LOGIN is set, and the app of a {type(worker).__name__} cannot be put "
            "behind the middleware.",
            hint="Start it with another worker class, or without -k.",
        )


def _alone(app: WSGIApplication) -> WSGIApplication:
    """Return an app that is told of its only thread, which a check of health must not keep."""

    def alone(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.multithread"] = False
        return app(environ, start_response)

    return alone


def _leave_it_to_the_first(worker: Any) -> None:
    """Wait until gunicorn ends this worker, where the first one fails as well and says why.

    All first workers import the same app. Without this each would print the same message, and two
    that end at a time make gunicorn's master fail with a traceback of its own. Comes back when
    nothing has ended it in time: then it failed alone.
    """
    if 1 < worker.age <= worker.cfg.workers:
        deadline = time.monotonic() + _FIRST_WORKER_SECONDS
        while time.monotonic() < deadline:
            if not worker.alive:
                raise SystemExit(0)
            worker.notify()
            time.sleep(0.05)


def _find_plan(handed: LaunchPlan | None) -> LaunchPlan:
    """Return the plan that was handed over, else one for a gunicorn that its user has started.

    A setting that cannot be used ends gunicorn, which would make a traceback of an error.
    """
    if handed is not None:
        # One that an older gunicorn starts on SIGUSR2 began long after that.
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
        made = make_plan(asked, os.environ, by_server=True)
    except AppServiceError as error:
        sys.stderr.write(f"Error: {error}\n")
        raise SystemExit(error.exit_code) from None
    return dataclasses.replace(made, began=None)


def _user_settings() -> dict[str, Any]:
    if _plan.own.location in ("", f"python:{__name__}"):
        return {}
    return user_config.read_config(_plan.own)


_user_hook: Any = None
_user_exec_hook: Any = None
_handed = handover.take()
_plan = _find_plan(_handed)
logger_class = StdoutLogger.made_for(_plan)
worker_class = gunicorn_worker.name()
# gunicorn reads this module's names. Ours first: the user's own file may import them.
globals().update(defaults.gunicorn_settings(_plan))
_user = _user_settings()
_hook = _user.pop("post_worker_init", None)
_user_hook = None if _hook is post_worker_init else _hook
_hook = _user.pop("pre_exec", None)
_user_exec_hook = None if _hook is pre_exec else _hook
globals().update(_user)
