"""What a start prints. Must not know of any server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..azure import ports
from ..system.console import echo

if TYPE_CHECKING:
    from .plan import LaunchPlan

__all__ = ["print_ready", "print_serving", "print_warning"]


def print_serving(plan: LaunchPlan, port: int, *, ready: bool = True) -> None:
    """Print what is served where, and how long the start took if the server is `ready`.

    The address is left out for port 0, where the port is not known yet.
    """
    where = f" on http://{ports.with_port(plan.address, port)}" if port else ""
    took = f", ready{plan.elapsed()}" if ready else ""
    _print(f"Serving {plan.app} ({plan.reason}){where} with {plan.server}{took}.")


def print_ready(plan: LaunchPlan) -> None:
    """Print that this worker is ready."""
    _print(plan.ready())


def print_warning(sentence: str) -> None:
    """Print what will not be used, or is not safe."""
    _print(f"Warning: {sentence}", err=True)


def _print(line: str, *, err: bool = False) -> None:
    with contextlib.suppress(OSError):  # the disk behind it may be full; the site runs anyway
        echo(line, err=err)
