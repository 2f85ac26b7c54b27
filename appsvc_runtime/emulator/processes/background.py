"""Programs without HTTP requests: run until a stop signal, then all ended.

The counterpart of the front end. Knows signals and asyncio. Must not know which programs there are,
and must not print.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

from ...system import signals
from .guard import guarded

__all__ = ["INTERRUPTED", "Background", "cancel", "raise_failure", "run_background", "until"]


# The exit code that a shell reports for a program ended by Ctrl-C.
INTERRUPTED = 130


class Background(Protocol):
    """Worker roles, or WebJobs. `interrupted` is the exit code when a signal ends the work."""

    interrupted: int

    async def work(self) -> int:
        """Run until all work is done; return the exit code."""

    async def close(self) -> None:
        """End everything in order; on cancellation, at once."""

    async def kill(self) -> None:
        """End everything at once."""


def run_background(background: Background) -> int:
    """Run until the work is done or a stop signal comes; return the exit code.

    A second signal kills what has not ended yet.
    """
    with guarded():
        return asyncio.run(_run(background))


async def _run(background: Background) -> int:
    stops: asyncio.Queue[None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stops.put_nowait, None)

    signals.on_stop_signal(stop)
    work = asyncio.create_task(background.work())
    try:
        await until(work, stops)
        return work.result() if work.done() else background.interrupted
    finally:
        await cancel(work)
        ending = asyncio.create_task(background.close())
        await until(ending, stops)
        hurry = not ending.done()
        await cancel(ending)
        if hurry:
            await background.kill()
        raise_failure(ending)


async def until(task: asyncio.Task[Any], stops: asyncio.Queue[None]) -> None:
    """Wait until a task is done or a signal comes."""
    signal = asyncio.create_task(stops.get())
    await asyncio.wait({task, signal}, return_when=asyncio.FIRST_COMPLETED)
    await cancel(signal)


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end, whatever it raises."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


def raise_failure(task: asyncio.Task[Any]) -> None:
    """Raise what a task that is done has raised, unless it was cancelled."""
    if not task.cancelled():
        task.result()
