"""The number of workers and threads of a start, and the seconds that a stop may take.

Pure: takes a row of the table, resolved options and a Mapping. A number that the platform or the
user sets is used; the reasons for our defaults are in `defaults`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..azure import booleans, names
from ..errors import ConfigError
from ..settings import option_parsers
from ..system import process
from . import defaults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .servers import Server

__all__ = ["Numbers", "choose", "forced_end", "kill_after", "most_drain"]

# Of a container's stop: the second between the end of the graceful time and the platform's limit.
_MARGIN_SECONDS = 1
# Of that second: what is left when all requests have ended or are cut, such as the end of an app's
# lifespan; then handlers of `atexit` and the logs. A worker that is still there is killed by its
# parent a moment later. The rest is for the end of the processes themselves.
_LEFTOVER_SECONDS = 0.3
_LAST_SECONDS = 0.3
_KILL_SECONDS = 0.1


class Numbers(NamedTuple):
    """Processes that serve, threads for the app in each, seconds that a stop may take.

    `graceful_seconds` begin with the signal: a health's time to drain is the first part of them.
    Running requests get the rest.
    """

    workers: int
    threads: int
    graceful_seconds: int


def choose(
    row: Server,
    values: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    container: bool,
    cores: int | None = None,
) -> Numbers:
    """Return the numbers of a start with the server `row`.

    `values` are the `APPSVC_*` options, resolved, by name; `environ` holds the platform's and
    gunicorn's own variables. `cores` is by default the number of this machine's. Raises ConfigError
    for a variable that cannot be used.
    """
    return Numbers(
        1 if row.one_process() else _workers(values, environ, cores or process.cpu_count()),
        _threads(row, values, environ),
        _graceful_seconds(values, environ, container=container),
    )


def most_drain(graceful_seconds: float) -> float:
    """Return how long a stop may drain: half of its time, so that requests can finish after it."""
    return graceful_seconds / 2


def forced_end(graceful_seconds: float, *, cuts: bool) -> tuple[float, float]:
    """Return the seconds after which a stop is forced, and those for `atexit` and the logs then.

    `cuts`: the server itself ends requests after the graceful time, so that the rest is short.
    """
    return graceful_seconds + (_LEFTOVER_SECONDS if cuts else 0.0), _LAST_SECONDS


def kill_after(graceful_seconds: float) -> float:
    """Return the seconds after the stop signal at which a worker that is still there is killed."""
    return graceful_seconds + _LEFTOVER_SECONDS + _LAST_SECONDS + _KILL_SECONDS


def _workers(values: Mapping[str, Any], environ: Mapping[str, str], cores: int) -> int:
    asked = values["APPSVC_WORKERS"]
    if not asked and _multiworkers(environ):
        asked = _count(names.CUSTOM_WORKERS, environ) or 2 * cores + 1
    # gunicorn's own variable, which its users know.
    return asked or _count("WEB_CONCURRENCY", environ) or min(cores, defaults.MAX_WORKERS)


def _threads(row: Server, values: Mapping[str, Any], environ: Mapping[str, str]) -> int:
    if not row.threads:
        return 0
    asked = values["APPSVC_THREADS"]
    if not asked and names.CUSTOM_THREADS in row.reads and _multiworkers(environ):
        asked = _count(names.CUSTOM_THREADS, environ)
    return asked or row.threads


def _graceful_seconds(
    values: Mapping[str, Any], environ: Mapping[str, str], *, container: bool
) -> int:
    """Return the seconds that a stop may take.

    In a container the default is one second less than the limit after which the platform kills it.
    """
    seconds: int | None = values["APPSVC_GRACEFUL_TIMEOUT"]
    if seconds is not None:
        return seconds
    if not container:
        return defaults.GRACEFUL_SECONDS
    limit = _count(names.STOP_TIME_LIMIT, environ) or names.DEFAULT_STOP_SECONDS
    return max(1, min(limit, names.MAX_STOP_SECONDS) - _MARGIN_SECONDS)


def _multiworkers(environ: Mapping[str, str]) -> bool:
    """Return whether the setting is on that makes the platform's numbers count."""
    return booleans.parse_go(environ.get(names.ENABLE_MULTIWORKERS, "")) is True


def _count(name: str, environ: Mapping[str, str]) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        return option_parsers.parse_count(text)
    except ValueError as error:
        raise ConfigError(
            f"The setting {name} cannot be used: {error}.",
            hint="Correct it in the app settings, or remove it.",
        ) from None
