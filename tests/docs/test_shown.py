"""Which output matches what a page shows."""

from __future__ import annotations

import pytest

from tests.docs.shown import is_shown, mismatch


@pytest.mark.parametrize(
    ("shown", "printed", "whole", "prefix"),
    [
        ("", "", True, True),
        ("a\nb\n", "a\nb", True, True),
        ("a  \nb", "a\nb   \n\n", True, True),
        ("a", "a\nb", False, True),
        ("a\nb", "a", False, False),
        ("a … c", "a b c", True, True),
        ("a … c", "a b\nc", False, False),
        ("…", "", True, True),
        ("…", "a\nb", True, True),
        ("a\n…\nd", "a\nb\nc\nd", True, True),
        ("a\n…\nd", "a\nd", True, True),
        ("a\n…\nd", "a\nd\nd", True, True),
        ("a\n…\nd", "a\nd\ne", False, True),
        ("a\n…", "a\nb", True, True),
        ("…\nb\n…\nd\n", "a\nb\nc\nb\nd", True, True),
        ("1.5 (x)*", "1.5 (x)*", True, True),
        ("1.5", "1x5", False, False),
    ],
)
def test_what_is_shown(shown: str, printed: str, whole: bool, prefix: bool) -> None:
    """The output must match to the end, or at the beginning with `prefix`."""
    assert is_shown(shown, printed) is whole
    assert is_shown(shown, printed, prefix=True) is prefix


def test_the_first_line_that_differs() -> None:
    """The failure shows it beside the printed line."""
    assert mismatch("a\nb\nc", "a\nX\nc").startswith("shown:   b\nprinted: X\n")
    assert mismatch("a", "a\nb").startswith("shown:   (nothing more)\nprinted: b\n")
    assert mismatch("a\nb", "a").startswith("shown:   b\nprinted: (nothing more)\n")
