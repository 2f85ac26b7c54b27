"""Prints the messages of a start. Must not know of any server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..azure import ports
from ..system.console import echo

if TYPE_CHECKING:
    from .plan import LaunchPlan

__all__ = ["describe_change", "print_change", "print_ready", "print_serving", "print_warning"]


def print_serving(plan: LaunchPlan, port: int, *, ready: bool = True) -> None:
    """Print the app, the address and the server, and if `ready` how long the start took.

    The address is left out for port 0: the real port is not known yet.
    """
    where = f" on http://{ports.with_port(plan.address, port)}" if port else ""
    took = f", ready{plan.elapsed()}" if ready else ""
    _print(f"Serving {plan.app} ({plan.reason}){where} with {plan.server}{took}.")


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


def _print(line: str, *, err: bool = False) -> None:
    with contextlib.suppress(OSError):  # the log's disk may be full; the site runs anyway
        echo(line, err=err)
