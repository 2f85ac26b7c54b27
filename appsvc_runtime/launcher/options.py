"""The `APPSVC_WORKER_*` settings: one table that the launcher, its help and the README share.

Apart from `options`, which every web process loads. Pure; must not know what the options are for.
"""

from __future__ import annotations

import math

from ..settings.option_parsers import parse_bool, parse_count, parse_text
from ..settings.options import Option

__all__ = ["WORKER_OPTIONS"]


def parse_duration(text: str) -> float:
    """Read seconds, 0 or more, such as `2.5`; ValueError for anything else."""
    try:
        seconds = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 1e8:
        raise ValueError("expected a number of seconds such as 2.5")
    return seconds


def parse_timeout(text: str) -> float:
    """Read seconds, more than 0; ValueError for anything else."""
    seconds = parse_duration(text)
    if not seconds:
        raise ValueError("expected a number of seconds above 0, such as 2.5")
    return seconds


def parse_mode(text: str) -> str:
    """Read when a worker is started again; ValueError for anything else."""
    word = text.strip().lower()
    if word not in ("always", "on-failure", "never"):
        raise ValueError("expected always, on-failure or never")
    return word


def parse_lease(text: str) -> float:
    """Read how long a lease lasts: what Azure Storage allows; ValueError for anything else."""
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
            "A run of so many seconds was a good one: the next one follows at once.",
        ),
        Option(
            "APPSVC_WORKER_KUDU_TIMING",
            parse_bool,
            False,
            "Start again as the platform does WebJobs: after `WEBJOBS_RESTART_TIME` (60 s), at "
            "once after 2 minutes.",
        ),
        Option(
            "APPSVC_WORKER_GIVE_UP_AFTER",
            parse_count,
            0,
            "End, with the worker's own code, after so many short runs in a row that failed. Never "
            "when not set.",
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
            "The worker's own address, which answers with a status under 400 while it is alive.",
        ),
        Option(
            "APPSVC_WORKER_LIVENESS_TIMEOUT",
            parse_timeout,
            60.0,
            "After so many seconds without a sign of life the worker is ended, its stack logged, "
            "and started again.",
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
            "What the blob is called. By default after the site or role, and the worker.",
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
