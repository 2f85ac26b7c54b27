"""The pace of a client, and when it is too slow."""

from __future__ import annotations

import pytest

from appsvc_runtime.serving import defaults
from appsvc_runtime.serving.pace import Pace


@pytest.mark.parametrize("chunk", [1, 100, 1024, 60 * 1024])
def test_a_client_that_moves_1_kb_a_second_is_never_too_slow(chunk: int) -> None:
    """However it spreads the bytes, up to the longest pause that its pace explains."""
    pace = Pace()
    for _ in range(3 * 60 * 1024 // chunk):
        seconds = min(chunk / 1024, defaults.STALL_SECONDS - 1)
        pace.add(chunk, seconds)
        assert pace.seconds_left() > 0


def test_a_client_that_moves_little_is_too_slow() -> None:
    """A byte now and then does not start the time again; what the app does meanwhile is free."""
    pace = Pace()
    for _ in range(10):
        pace.add(1, defaults.STALL_SECONDS / 11)
    assert 0 < pace.seconds_left() < defaults.STALL_SECONDS / 10
    pace.add(1, defaults.STALL_SECONDS)
    assert pace.seconds_left() == 0
    pace.add(defaults.STALL_BYTES, 0)
    assert pace.seconds_left() == defaults.STALL_SECONDS
