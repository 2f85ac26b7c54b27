"""The `APPSVC_WORKER_*` settings: one table for the launcher, its help and the documentation.

Separate from `options`, which every web process loads. Pure; must not know how the options are
used.
"""

from __future__ import annotations

import math

from ..settings.option_parsers import parse_bool, parse_count, parse_text
from ..settings.options import Option

__all__ = ["WORKER_OPTIONS"]


def parse_duration(text: str) -> float:
    """Parse seconds, 0 or more, such as `2.5`; raise ValueError for anything else."""
    try:
        seconds = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 1e8:
        raise ValueError("expected a number of seconds such as 2.5")
    return seconds


def parse_timeout(text: str) -> float:
    """Parse seconds, more than 0; raise ValueError for anything else."""
    seconds = parse_duration(text)
    if not seconds:
        raise ValueError("expected a number of seconds above 0, such as 2.5")
    return seconds


def parse_mode(text: str) -> str:
    """Parse when a worker is started again; raise ValueError for anything else."""
    word = text.strip().lower()
    if word not in ("always", "on-failure", "never"):
        raise ValueError("expected always, on-failure or never")
    return word


def parse_lease(text: str) -> float:
    """Parse how long a lease lasts, within Azure Storage's limits; raise ValueError for others."""
    seconds = parse_duration(text)
    if not 15 <= seconds <= 60 or seconds != int(seconds):
        raise ValueError("expected a whole number of seconds from 15 to 60")
    return seconds


WORKER_OPTIONS: dict[str, Option] = {
    row.name: row
    for row in (
        Option(
            "APPSVC_WORKER_PYTHON",
            parse_text,
            "",
            "The interpreter that runs the worker. The launcher's own when not set.",
        ),
        Option(
            "APPSVC_WORKER_RESTART",
            parse_mode,
            "always",
            "When a worker that has ended is started again: `always`, `on-failure` or `never`.",
        ),
        Option(
            "APPSVC_WORKER_HEALTHY_AFTER",
            parse_duration,
            10.0,
            "After a run of at least so many seconds, the worker is started again at once.",
        ),
        Option(
            "APPSVC_WORKER_KUDU_TIMING",
            parse_bool,
            False,
            "Start again with the platform's timing for WebJobs: after `WEBJOBS_RESTART_TIME` "
            "(60 s), or at once after a run of 2 minutes.",
        ),
        Option(
            "APPSVC_WORKER_GIVE_UP_AFTER",
            parse_count,
            0,
            "Exit with the worker's own code after so many short failed runs in a row. Never when "
            "not set.",
        ),
        Option(
            "APPSVC_WORKER_GRACE",
            parse_duration,
            None,
            "Seconds that the worker gets to stop. By default a little less than the platform "
            "gives: `stopping_wait_time` of settings.job, else 5.",
        ),
        Option(
            "APPSVC_WORKER_HEARTBEAT_FILE",
            parse_text,
            "",
            "A file that the worker touches (`beat()`) while it is alive.",
        ),
        Option(
            "APPSVC_WORKER_HEALTH_URL",
            parse_text,
            "",
            "A URL of the worker, which responds with a status under 400 while it is alive.",
        ),
        Option(
            "APPSVC_WORKER_LIVENESS_TIMEOUT",
            parse_timeout,
            60.0,
            "After so many seconds without a sign of life, the worker's stack is logged, and the "
            "worker is ended and started again.",
        ),
        Option(
            "APPSVC_WORKER_SINGLETON",
            parse_bool,
            False,
            "Run the worker on one instance at a time, by a lease on a blob in Azure Storage.",
        ),
        Option(
            "APPSVC_WORKER_SINGLETON_NAME",
            parse_text,
            "",
            "The name of the blob. By default made of the names of site or role, and worker.",
        ),
        Option(
            "APPSVC_WORKER_SINGLETON_LEASE",
            parse_lease,
            15.0,
            "How long the lease lasts, from 15 to 60 seconds: if a worker ends without "
            "releasing it, another takes over after that time.",
        ),
        Option(
            "APPSVC_WORKER_SINGLETON_STORAGE",
            parse_text,
            "AzureWebJobsStorage",
            "The name of the setting that holds the storage account's connection string.",
        ),
    )
}
