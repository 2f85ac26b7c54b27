"""Parts of an app that each worker has for itself, and what that means with several workers.

Finds them by the modules that are loaded and, where a module alone does not show it, by the app's
own objects. Imports none of these packages. Must not know of any server.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["PARTS", "Part", "describe"]

_DJANGO_SESSIONS = "django.contrib.sessions.backends.cache"
_MEMORY_CACHES = ("LocMemCache", "DummyCache")


def _always(_app: Any) -> bool:
    return True


class Part(NamedTuple):
    """A package whose module `module` is loaded, and the `effect` of `{n}` workers.

    `in_memory` returns whether an app keeps its data in the worker.
    """

    module: str
    effect: str
    in_memory: Callable[[Any], bool] = _always


def _runs_jobs(_app: Any) -> bool:
    return hasattr(sys.modules["schedule"], "run_pending")  # else a module of the site's own


def _names(values: Any) -> set[str]:
    return {type(value).__name__ for value in values}


def _extension(app: Any, name: str) -> Any:
    """Return what a Flask extension has stored in its app, or an empty tuple."""
    return getattr(app, "extensions", {}).get(name) or ()


def _limits_in_flask(app: Any) -> bool:
    found = _extension(app, "limiter")  # a set of them from flask-limiter 2 on
    limiters = found if isinstance(found, set) else [found]
    return "MemoryStorage" in _names(getattr(one, "_storage", None) for one in limiters)


def _limits_in_starlette(app: Any) -> bool:
    limiter = getattr(getattr(app, "state", None), "limiter", None)
    return "MemoryStorage" in _names([getattr(limiter, "_storage", None)])


def _caches_in_flask(app: Any) -> bool:
    return "SimpleCache" in _names(dict(_extension(app, "cache")).values())


def _sessions_in_django(_app: Any) -> bool:
    settings = sys.modules["django.conf"].settings
    if not settings.configured or settings.SESSION_ENGINE != _DJANGO_SESSIONS:
        return False
    cache = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {})
    return str(cache.get("BACKEND", "")).rpartition(".")[2] in _MEMORY_CACHES


_JOBS = "each worker runs the jobs that the app schedules, so a job runs {n} times"
_COUNTS = "each worker counts for itself, so {n} times the limit gets through"
PARTS = (
    Part("apscheduler", _JOBS),
    Part("schedule", _JOBS, _runs_jobs),
    Part("rocketry", _JOBS),
    Part("aiocron", _JOBS),
    Part("fastapi_utils.tasks", _JOBS),
    Part(
        "socketio",
        "each worker knows its own clients only, and the requests of one client reach all workers",
    ),
    Part("nicegui", "each worker has its own pages, and the requests of one client reach them all"),
    Part("flask_limiter", _COUNTS, _limits_in_flask),
    Part("slowapi", _COUNTS, _limits_in_starlette),
    Part("flask_caching", "each worker has a SimpleCache of its own", _caches_in_flask),
    Part(
        "django.contrib.sessions",
        "sessions are in a cache in the memory of one worker, so users lose them",
        _sessions_in_django,
    ),
)


def describe(app: Any, workers: int) -> str:
    """Return a sentence about what `workers` workers mean for a loaded app, "" for nothing.

    `app` is the app itself or one behind our middleware.
    """
    if workers < 2:
        return ""
    while hasattr(app, "app") and type(app).__module__.startswith("appsvc_runtime."):
        app = app.app
    found: dict[str, list[str]] = {}
    for part in PARTS:
        if part.module in sys.modules and _is_in_memory(part, app):
            found.setdefault(part.effect.format(n=workers), []).append(_package(part.module))
    if not found:
        return ""
    effects = "; ".join(f"{' and '.join(names)}: {effect}" for effect, names in found.items())
    return f"{workers} workers run, and the app uses {effects}. APPSVC_WORKERS=1 runs one worker."


def _is_in_memory(part: Part, app: Any) -> bool:
    try:
        return part.in_memory(app)
    except Exception:  # another release keeps it elsewhere: a notice must not end a start
        return False


def _package(module: str) -> str:
    return module if module.startswith("django") else module.partition(".")[0]
