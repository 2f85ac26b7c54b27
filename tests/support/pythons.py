"""Which Pythons a test is run by, where it takes long and what it shows depends on none of them.

All tests of one Python shall be done within ten minutes, and each is run by one at least.
"""

from __future__ import annotations

import sys

import pytest

__all__ = ["only_on"]

_LAST = 14  # newer ones run everything


def only_on(*minors: int) -> pytest.MarkDecorator:
    """Give the mark of a test that these of 3.10 to 3.14 run, and every newer Python."""
    minor = sys.version_info[1]
    return pytest.mark.skipif(
        minor <= _LAST and minor not in minors,
        reason=f"runs on Python {', '.join(f'3.{one}' for one in minors)}: it takes long",
    )
