"""The choice of Pythons that run a long test, if its result is the same on all of them.

`tox` runs the marker `integration` on three Pythons only. The longest of these tests are shared out
among the three: each runs at least once, and no Python takes much longer than the others.
"""

from __future__ import annotations

import sys

import pytest

__all__ = ["only_on"]

LOWEST, DEFAULT, NEWEST = 10, 12, 14


def only_on(*minors: int) -> pytest.MarkDecorator:
    """Return a mark: the test runs on these of the three Pythons, and on every newer one.

    Any other Python runs the tests of the default one, so that a developer on it runs some of all.
    """
    assert minors
    assert {*minors} <= {LOWEST, DEFAULT, NEWEST}
    minor = sys.version_info[1]
    part = minor if minor >= NEWEST or minor == LOWEST else DEFAULT
    return pytest.mark.skipif(
        part <= NEWEST and part not in minors,
        reason=f"runs on Python {', '.join(f'3.{one}' for one in minors)}: it takes long",
    )
