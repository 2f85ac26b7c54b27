"""Which Pythons a test is run by, where it takes long and what it shows depends on none of them.

`tox` runs the marker `integration` on three Pythons only. The longest of these tests are shared
out among the three, so that each is run once at least and no Python takes much longer.
"""

from __future__ import annotations

import sys

import pytest

__all__ = ["only_on"]

LOWEST, DEFAULT, NEWEST = 10, 12, 14


def only_on(*minors: int) -> pytest.MarkDecorator:
    """Return the mark of a test that these of the three Pythons run, and every newer one.

    Any other Python does what the default does, so that whoever develops with it runs some of all.
    """
    assert minors
    assert {*minors} <= {LOWEST, DEFAULT, NEWEST}
    minor = sys.version_info[1]
    part = minor if minor >= NEWEST or minor == LOWEST else DEFAULT
    return pytest.mark.skipif(
        part <= NEWEST and part not in minors,
        reason=f"runs on Python {', '.join(f'3.{one}' for one in minors)}: it takes long",
    )
