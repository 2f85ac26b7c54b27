"""The event loop of a worker."""

from __future__ import annotations

import asyncio
import sys

import pytest

pytest.importorskip("uvicorn")

from appsvc_runtime.serving.uvicorn.run import _Config


def wrong_loop() -> asyncio.AbstractEventLoop:
    raise AssertionError("the loop by completion ports")


@pytest.mark.skipif(
    not hasattr(_Config, "get_loop_factory"), reason="uvicorn before 0.36 makes no loop by itself"
)
def test_a_loop_can_accept_on_a_socket_of_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows that excludes uvicorn's loop for a single process: a worker may be replaced."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(asyncio, "ProactorEventLoop", wrong_loop, raising=False)
    for workers in (1, 2):
        config = _Config("app:app", loop="asyncio", workers=workers)
        loop = config.get_loop_factory()()
        loop.close()
