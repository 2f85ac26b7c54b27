"""Values of headers: what RFC 9110 allows, what it does not, and what could break a parser."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.emulator.http import header_values

TIME = datetime(1994, 11, 6, 8, 49, 37, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", TIME),
        ("Sunday, 06-Nov-94 08:49:37 GMT", TIME),
        ("Sun Nov  6 08:49:37 1994", TIME),
        ("Sun, 06 Nov 1994 09:49:37 +0100", TIME),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +99999999999999999999", None),
        (f"Sun, 06 Nov {'9' * 5000} 08:49:37 GMT", None),
    ],
)
def test_dates(text: str | None, expected: datetime | None) -> None:
    """All three formats are read; other text is not a date, and not an error."""
    assert header_values.read_date(text) == expected


def test_dates_are_written_in_the_first_form() -> None:
    """They are in GMT, whatever time zone the time is in."""
    assert header_values.format_date(TIME) == "Sun, 06 Nov 1994 08:49:37 GMT"
    there = TIME.astimezone(timezone(timedelta(hours=5)))
    assert header_values.format_date(there) == "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("text", "strong", "weak"),
    [
        ('"a"', True, True),
        ('W/"a"', False, True),
        ('"b", "a"', True, True),
        ('"b",W/"a" , "c"', False, True),
        ('"x,a"', False, False),
        ("a", True, True),
        ("*", True, True),
        (" * ", True, True),
        ('"*"', False, False),
        ("", False, False),
        ('"', False, False),
        (",,", False, False),
    ],
)
def test_entity_tags(text: str, strong: bool, weak: bool) -> None:
    """Weak ones match only weakly; a comma inside quotes is part of a tag."""
    tags = header_values.read_tags(text)
    assert tags.match_strongly("a") is strong
    assert tags.match_weakly("a") is weak


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-3", [(0, 4)]),
        ("Bytes = 0-3 , 5-", [(0, 4), (5, None)]),
        ("bytes=-5", [(-5, None)]),
        (None, None),
        ("", None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=-0", None),
        ("bytes=3-2", None),
        ("bytes=5-6,0-1", None),
        ("bytes=5-,7-8", None),
        ("bytes=-5,1-2", None),
        ("bytes=+1-2", None),
        ("bytes=1_0-20", None),
        ("bytes=\u0661-2", None),
        (f"bytes=0-{'9' * 5000}", None),
        ("items=0-3", None),
    ],
)
def test_ranges(text: str | None, expected: list[tuple[int, int | None]] | None) -> None:
    """If a range does not ascend or is not in ASCII digits, the whole header is ignored."""
    assert header_values.read_ranges(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text/html", [("text/html", 1.0)]),
        ("Text/HTML;level=1; Q=0.5, */*;q=0", [("text/html", 0.5), ("*/*", 0.0)]),
        ("text/html;q=high, a/b", [("a/b", 1.0)]),
        ("text/html;q=-1, text/plain;q=1e9", []),
        ("", []),
        (",;,", []),
    ],
)
def test_accept(text: str, expected: list[tuple[str, float]]) -> None:
    """Case does not matter; a range with an invalid weight is ignored."""
    assert header_values.read_accept(text) == expected


@given(st.text(max_size=60))
def test_no_text_is_an_error(text: str) -> None:
    """Clients can send any value."""
    header_values.read_date(text)
    header_values.read_tags(text)
    header_values.read_ranges(f"bytes={text}")
    header_values.read_accept(text)
