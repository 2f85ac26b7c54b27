"""The door for `gunicorn -c python:appsvc_runtime.gunicorn_conf app:app`.

A gunicorn configuration, read when gunicorn imports it: the settings of `servers`, over them the
user's own configuration file (`PYTHON_USE_GUNICORN_CONFIG_FROM_PATH`, or `-c` in
`GUNICORN_CMD_ARGS`), and over both what gunicorn reads itself: `GUNICORN_CMD_ARGS` and the command
line. Every worker's app is put behind the middleware.
"""

from __future__ import annotations

import importlib
import os
import runpy
import time
from typing import TYPE_CHECKING, Any

from gunicorn.config import Config
from gunicorn.errors import AppImportError
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.sync import SyncWorker

from . import apps, facts, servers
from .errors import AppServiceError, ConfigError
from .gunicorn_log import StdoutLogger
from .wsgi import LazyApplication

if TYPE_CHECKING:
    from collections.abc import Mapping

# Longer than two imports of one app are apart.
_FIRST_WORKER_SECONDS = 10.0
_WSGI_WORKERS = (SyncWorker, ThreadWorker, AsyncWorker)


def post_worker_init(worker: Any) -> None:
    """Put the worker's app behind the middleware; load it first where it is our own door.

    Raises gunicorn's AppImportError, which ends gunicorn with the message and without a traceback
    of its own.
    """
    # uvicorn's worker and gunicorn's own for ASGI speak another protocol.
    if isinstance(worker, _WSGI_WORKERS):
        try:
            if isinstance(worker.wsgi, LazyApplication):
                worker.wsgi = worker.wsgi.load()
            worker.wsgi = apps.wrap_once(worker.wsgi)
        except AppServiceError as error:
            _leave_it_to_the_first(worker)
            raise AppImportError(f"Error: {error}") from None
    if _user_hook is not None:
        _user_hook(worker)


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


def _user_configuration(environ: Mapping[str, str]) -> dict[str, Any]:
    """Read the user's own gunicorn configuration, if the environment names one."""
    parser = Config()
    arguments = parser.parser().parse_args(parser.get_cmd_args_from_env())
    location = arguments.config or environ.get(facts.GUNICORN_CONFIG_PATH, "").strip()
    if not location or location == f"python:{__name__}":
        return {}
    if location.startswith("python:"):
        found = vars(importlib.import_module(location[len("python:") :]))
    else:
        path = location.removeprefix("file:")
        if not os.path.isfile(path):
            raise ConfigError(
                f"The gunicorn configuration {path!r} is not there.",
                hint=f"Correct {facts.GUNICORN_CONFIG_PATH}; it counts from the app's folder.",
            )
        found = runpy.run_path(path)
    return {name: value for name, value in found.items() if name in parser.settings}


logger_class = StdoutLogger
_user = _user_configuration(os.environ)
_user_hook = _user.pop("post_worker_init", None)
# gunicorn reads this module's names.
globals().update(servers.gunicorn_settings(os.environ) | _user)
