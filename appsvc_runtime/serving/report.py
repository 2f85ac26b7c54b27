"""Prints the messages of a start. Must not know of any server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ..azure import ports
from ..system.console import echo
from . import per_worker, servers

if TYPE_CHECKING:
    from .plan import LaunchPlan

__all__ = [
    "describe_change",
    "print_change",
    "print_line",
    "print_per_worker",
    "print_ready",
    "print_serving",
    "print_warning",
]


def print_serving(plan: LaunchPlan, port: int, *, ready: bool = True) -> None:
    """Print the app, the address, server and workers, and if `ready` how long the start took.

    The address is left out for port 0: the real port is not known yet.
    """
    one_process = servers.SERVERS[plan.server].one_process()
    known = f", {_count(plan.workers)}" if plan.sets_workers and not one_process else ""
    where = f" on http://{ports.with_port(plan.address, port)}" if port else ""
    took = f", ready{plan.elapsed()}" if ready else ""
    _print(f"Serving {plan.app} ({plan.reason}){where} with {plan.server}{known}{took}.")


def _count(workers: int) -> str:
    return f"{workers} worker{'s' if workers > 1 else ''}"


def describe_change(plan: LaunchPlan, server: str) -> str:
    """Return the sentence for an app that needs another server than the plan's."""
    return f"The app {plan.app!r} is an ASGI app: {server} runs it in place of {plan.server}."


def print_change(plan: LaunchPlan, server: str) -> None:
    """Print that the app needs another server than the plan's."""
    _print(describe_change(plan, server))


def print_ready(plan: LaunchPlan) -> None:
    """Print that this worker is ready."""
    _print(plan.ready())


def print_warning(sentence: str) -> None:
    """Print a warning about a setting that is not used, or about a security hole."""
    _print(f"Warning: {sentence}", err=True)


def print_per_worker(plan: LaunchPlan, app: Any) -> None:
    """Print what several workers mean for the loaded `app`; call this in one worker."""
    if notice := per_worker.describe(app, plan.workers):
        print_warning(notice)


def print_line(line: str) -> None:
    """Print a line about what the start has done."""
    _print(line)


def _print(line: str, *, err: bool = False) -> None:
    with contextlib.suppress(OSError):  # the log's disk may be full; the site runs anyway
        echo(line, err=err)
