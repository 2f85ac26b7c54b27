"""The limit on processor time ends code that takes too long, and no other code."""

from __future__ import annotations

import re
import signal
import sys
import time

import pytest

from tests.support.processor_time import LONG, limit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no such clock")


def test_a_pattern_that_takes_the_square_fails() -> None:
    """The limit also works if the pattern does not let the interpreter run before its end."""
    with (
        pytest.raises(AssertionError, match=r"'aaa.*' takes more than 0\.05 s"),
        limit("aaa", 0.05),
    ):
        re.search("a*b", "a" * (LONG // 2))


def test_what_waits_takes_none() -> None:
    """Time of waiting does not count; the handler of the signal is restored afterwards."""
    before = signal.getsignal(signal.SIGPROF)
    started = time.monotonic()
    with limit("nothing", 0.05):
        time.sleep(0.1)
    assert time.monotonic() - started > 0.05
    assert signal.getsignal(signal.SIGPROF) == before
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
