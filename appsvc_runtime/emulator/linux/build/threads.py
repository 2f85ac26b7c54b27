"""Work in a thread that is always waited for, even if the waiting task is cancelled.

A thread that outlived its cancelled build would write into the files of the next build.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from .progress import Progress

__all__ = ["in_thread", "with_progress"]

_Result = TypeVar("_Result")


async def in_thread(call: Callable[[], _Result]) -> _Result:
    """Call in a thread; on cancellation, raise only after the call has ended."""
    task = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await _done(task)
        raise


async def with_progress(call: Callable[[Progress], _Result], say: Callable[[str], None]) -> _Result:
    """Call in a thread that reports progress; on cancellation, stop it and wait for its end."""
    loop = asyncio.get_running_loop()
    progress = Progress(lambda text: _tell(loop, say, text))

    task = asyncio.ensure_future(asyncio.to_thread(call, progress))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        progress.stopped = True
        await _done(task)
        raise


def _tell(loop: asyncio.AbstractEventLoop, say: Callable[[str], None], text: str) -> None:
    loop.call_soon_threadsafe(say, text)


async def _done(task: asyncio.Task[_Result]) -> None:
    """Wait for a task, however often the waiting task is cancelled."""
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            continue
    if not task.cancelled():
        task.exception()  # retrieve it, so that asyncio does not report it as never retrieved
