"""Replaced workers: they end after their last response, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from appsvc_runtime.emulator.http.messages import Answer, Tunnel
from appsvc_runtime.emulator.iis.workers import _Generation


class Platform:
    """A stand-in for HttpPlatformHandler that records the calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def give_up(self) -> None:
        """Record the call."""
        self.calls.append("give up")

    async def close(self) -> None:
        """Record the call, and that it finished."""
        self.calls.append("close")
        await asyncio.sleep(0)
        self.calls.append("closed")


async def stream() -> AsyncIterator[bytes]:
    """Yield a body in pieces."""
    yield b"piece"


def make() -> tuple[_Generation, Platform]:
    """Return a generation with one platform."""
    generation, platform = _Generation(), Platform()
    platforms: dict[Any, Any] = generation.platforms
    platforms["settings"] = platform
    return generation, platform


async def answer(generation: _Generation, body: Any) -> Answer:
    """Return a response with this body, which is then in progress."""

    async def answering() -> Answer | Tunnel:
        return Answer(200, body=body)

    found = await generation.ask(answering())
    assert isinstance(found, Answer)
    return found


def test_a_stream_is_in_hand_until_it_is_closed() -> None:
    """No new process is started meanwhile; afterwards all are closed."""

    async def check() -> None:
        generation, platform = make()
        await answer(generation, b"whole: not in hand any more")
        found: Any = await answer(generation, stream())
        replacing = asyncio.create_task(generation.replace())
        for _ in range(10):
            await asyncio.sleep(0)
        assert platform.calls == ["give up"]
        assert [piece async for piece in found.body] == [b"piece"]
        assert platform.calls == ["give up"]
        await found.body.aclose()
        await found.body.aclose()  # has no effect the second time
        await replacing
        assert platform.calls == ["give up", "close", "closed"]

    asyncio.run(asyncio.wait_for(check(), 10))


def test_when_all_ends_nobody_is_waited_for() -> None:
    """If it is cancelled during a response, it closes its processes all the same."""

    async def check() -> None:
        generation, platform = make()
        await answer(generation, stream())
        replacing = asyncio.create_task(generation.replace())
        await asyncio.sleep(0)
        replacing.cancel()
        await asyncio.wait({replacing})
        assert platform.calls == ["give up", "close", "closed"]

    asyncio.run(asyncio.wait_for(check(), 10))
