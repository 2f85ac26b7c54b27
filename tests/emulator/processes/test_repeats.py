"""Equal output of several tries is shown once."""

from __future__ import annotations

import pytest

from appsvc_runtime.emulator.processes.repeats import Repeats

SAME = "(It printed the same again.)"
CASES = [
    pytest.param([["a", "b"], ["a", "b"], ["a", "b"]], ["a", "b", SAME, SAME], id="the-same"),
    pytest.param([["a", "b"], ["a", "c"]], ["a", "b", "a", "c"], id="another-end"),
    pytest.param([["a", "b"], ["a"]], ["a", "b", "a"], id="less"),
    pytest.param([["a"], ["a", "b"]], ["a", "a", "b"], id="more"),
    pytest.param([[], ["a"], []], ["a"], id="silence"),
    pytest.param([["a"], ["b"], ["a"]], ["a", "b", "a"], id="only-the-last-counts"),
    pytest.param([["x"] * 300, ["x"] * 300], ["x"] * 600, id="too-long-to-compare"),
]


@pytest.mark.parametrize(("tries", "expected"), CASES)
def test_tries(tries: list[list[str]], expected: list[str]) -> None:
    """No new line is lost, and equal output is shown once."""
    said: list[str] = []
    repeats = Repeats(lambda label, text: said.append(text))
    for lines in tries:
        repeats.begin()
        for line in lines:
            repeats("python-1", line)
        repeats.end()
    assert said == expected


def test_a_process_that_goes_on_is_heard_at_once() -> None:
    """Once a process is ready, its output is shown as it comes."""
    said: list[tuple[str, str]] = []
    repeats = Repeats(lambda label, text: said.append((label, text)))
    repeats("p", "Serving")
    repeats.end()
    repeats.begin()
    repeats("p", "Serving")
    assert said == [("p", "Serving")]
    repeats.release()
    assert said == [("p", "Serving")] * 2
    repeats("p", "more")
    assert said[-1] == ("p", "more")
