"""Work in a thread that is waited for, also where the one who waits is cancelled.

A thread that went on after its build was given up would write into what the next one makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from .progress import Progress

__all__ = ["in_thread", "with_progress"]

_Result = TypeVar("_Result")


async def in_thread(call: Callable[[], _Result]) -> _Result:
    """Call in a thread; cancelled, raise no sooner than it is done."""
    task = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await _done(task)
        raise


async def with_progress(call: Callable[[Progress], _Result], say: Callable[[str], None]) -> _Result:
    """Call in a thread that tells its progress; cancelled, have it stop and wait until it has."""
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
    """Wait for a task however often this one is cancelled."""
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            continue
    if not task.cancelled():
        task.exception()  # taken, so that nobody reports it as lost
