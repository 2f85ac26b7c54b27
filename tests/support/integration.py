"""The check that only tests with the marker `integration` start servers, browsers and the like.

The other tests stay quick.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

__all__ = ["needs_integration", "running"]

_items: list[pytest.Item] = []


@contextmanager
def running(item: pytest.Item) -> Iterator[None]:
    """Remember which test is running."""
    _items.append(item)
    try:
        yield
    finally:
        _items.pop()


def needs_integration(what: str) -> None:
    """Raise an error if the running test starts `what` and lacks the marker."""
    if _items and not _items[-1].get_closest_marker("integration"):
        raise AssertionError(
            f"{_items[-1].nodeid} starts {what}: mark it with @pytest.mark.integration"
        )
