"""A restart loses no request: the short form of `python -m benchmarks.restart_loss`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks._apps import write_pair
from benchmarks.restart_loss import measure, sides

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("row", ["waitress", "granian", "granian-asgi", "gunicorn", "uvicorn"])
def test_a_restart_loses_no_request(row: str, tmp_path: Path) -> None:
    """Each request has a connection of its own; the plain servers lose seven to twenty a stop.

    One for each stop is allowed: between the last look at a queue and its end a connection can
    come, if the system does not run the process just then.
    """
    found = measure(sides(row)[1], write_pair(tmp_path, "fast"), 2, 12, 100, patience=60)
    assert found["lost"] <= 2, found
    assert found["answered"] >= 200
    assert found["refused"] > 0, "the server was never down"
