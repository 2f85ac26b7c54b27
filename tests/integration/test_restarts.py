"""A restart of the container under load, as `python -m benchmarks.restarts` runs it, in short."""

from __future__ import annotations

import asyncio
import random

import pytest

from benchmarks.restarts import SERVERS, restart
from tests.support.pidspace import needs_pid_namespace

pytestmark = [pytest.mark.integration, needs_pid_namespace()]
# Longer than the platform's, and shorter requests: the machine that runs this may be busy.
LIMIT = 25.0
NEEDS = (0.0, 0.05, 0.5)
IDS = [name.replace(", ", "-").lower() for name in SERVERS]


@pytest.mark.parametrize("row", SERVERS, ids=IDS)
def test_what_was_begun_is_answered(row: str) -> None:
    """With `exec`, process 1 ends by itself once the requests have their responses."""
    server, source = SERVERS[row]
    for number in range(3 if row == "gunicorn" else 1):
        found = asyncio.run(
            restart(
                server, source, replaces=True, chance=random.Random(number), limit=LIMIT,
                needs=NEEDS,
            )
        )  # fmt: skip
        assert found.begun > 0
        assert found.lost == []
        assert not found.killed


def test_without_exec_the_server_is_killed() -> None:
    """The shell that is process 1 keeps SIGTERM to itself: this is what the other side measures."""
    server, source = SERVERS["gunicorn"]
    found = asyncio.run(
        restart(server, source, replaces=False, chance=random.Random(0), limit=2, needs=(0.0, 1.5))
    )
    assert found.killed
    assert found.cut > 0
