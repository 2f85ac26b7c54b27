"""The limit on processor time ends what takes too long, and nothing else."""

from __future__ import annotations

import re
import signal
import sys
import time

import pytest

from tests.support.processor_time import LONG, limit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no such clock")


def test_a_pattern_that_takes_the_square_fails() -> None:
    """Also where the interpreter gets no turn until the pattern is through."""
    with (
        pytest.raises(AssertionError, match=r"'aaa.*' takes more than 0\.05 s"),
        limit("aaa", 0.05),
    ):
        re.search("a*b", "a" * (LONG // 2))


def test_what_waits_takes_none() -> None:
    """A busy machine's other processes do not count; the signal is as it was afterwards."""
    before = signal.getsignal(signal.SIGPROF)
    started = time.monotonic()
    with limit("nothing", 0.05):
        time.sleep(0.1)
    assert time.monotonic() - started > 0.05
    assert signal.getsignal(signal.SIGPROF) == before
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
