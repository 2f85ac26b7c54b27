"""Waiting for granian's awaitables: its own, and on Windows asyncio's futures."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest

from appsvc_runtime.serving.granian.loop import LoopThread, look


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Return an event loop that runs in another thread."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


def test_a_future_of_asyncio_can_be_looked_at_before_it_is_awaited(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """A wait looks first: asyncio takes a future that was awaited before for a mistake."""
    waits = LoopThread(loop, contextlib.nullcontext)
    future = loop.create_future()
    assert look(future) == (False, None)
    assert look(future) == (False, None)
    loop.call_soon_threadsafe(loop.call_later, 0.05, future.set_result, "sent")
    assert waits.wait(future) == "sent"
    assert look(future) == (True, "sent")
    assert waits.wait(future) == "sent"


def test_an_error_of_a_future_is_raised(loop: asyncio.AbstractEventLoop) -> None:
    waits = LoopThread(loop, contextlib.nullcontext)
    for delay in (0.0, 0.05):
        future = loop.create_future()
        loop.call_soon_threadsafe(loop.call_later, delay, future.set_exception, OSError("gone"))
        with pytest.raises(OSError, match="gone"):
            waits.wait(future)
        with pytest.raises(OSError, match="gone"):
            look(future)
