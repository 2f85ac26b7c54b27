"""Properties of all connection strings: nothing is lost, and nothing is shown."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from functools import partial
from typing import TypeVar, get_args

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from appsvc_runtime.connections.syntax import Form, Pairs, parse, write
from appsvc_runtime.connections.url import parse_url, split_places
from tests.support.processor_time import limit

T = TypeVar("T")
FORMS: tuple[Form, ...] = get_args(Form)
MARKER = "S3CR3T"


def attempt(make: Callable[[], T]) -> tuple[T | None, ValueError | None]:
    """Return a function's result, or the ValueError that it raises; other errors pass through."""
    try:
        return make(), None
    except ValueError as error:
        return None, error


# Pieces of what strings are made of find more than noise does.
PIECES = st.sampled_from([*"=;,{}'\"\\ \t\n:@/?#%[]", "==", "}}", "''", '""', "a", "é", "\u2003"])
TEXT = st.lists(PIECES | st.text(string.printable, max_size=3), max_size=12).map("".join)
NAMES = st.lists(
    st.text(string.ascii_letters + " _=-", min_size=1, max_size=8) | TEXT, max_size=5,
    unique_by=str.lower,
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@given(names=NAMES, values=st.lists(TEXT, min_size=5, max_size=5))
def test_what_is_written_is_read(form: Form, names: list[str], values: list[str]) -> None:
    """Writing fails, or every name and value reads back unchanged."""
    pairs = list(zip(names, values, strict=False))
    if form == "adonet":
        pairs = [(name, value) for name, value in pairs if value]
    written, _ = attempt(lambda: write(form, pairs))
    assert written is None or parse(form, written) == pairs


@pytest.mark.parametrize("form", ["adonet", "odbc", "libpq"])
@given(value=st.text().filter(lambda text: text and "\0" not in text))
def test_the_forms_that_quote_can_write_every_value(form: Form, value: str) -> None:
    """The forms with quoting can write every value except one with a NUL."""
    assert parse(form, write(form, [("Password", value), ("x", "1")])) == [
        ("Password", value),
        ("x", "1"),
    ]


@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_libpq_reads_what_is_written(value: str) -> None:
    """libpq itself reads the written string."""
    assert conninfo_to_dict(write("libpq", [("password", value), ("host", "h")])) == {
        "password": value,
        "host": "h",
    }


@given(text=TEXT)
def test_what_is_read_as_libpq_is_what_libpq_reads(text: str) -> None:
    """A string that libpq accepts is read as by libpq or refused; one it refuses is refused."""
    text = f"host=a password={text}"
    ours, _ = attempt(lambda: dict(parse("libpq", text)))
    try:
        theirs = conninfo_to_dict(text)
    except psycopg.ProgrammingError as error:
        unknown_name = "invalid connection option" in str(error)
        assert ours is None or unknown_name
    else:
        assert ours is None or ours == theirs


# One pair as .NET has it, from the pattern in its DbConnectionOptions.
DOTNET = re.compile(
    r"""[\s;]*(?![\s;])
    (?P<name>(?:[^=\s\x00-\x1f\x7f-\x9f]|\s+[^=\s\x00-\x1f\x7f-\x9f]|\s+==|==)+)\s*=(?!=)\s*
    (?:"(?P<double>(?:[^"\0]|"")*)"|'(?P<single>(?:[^'\0]|'')*)'|
    (?!["'\s])(?P<bare>(?:[^;\s\x00-\x1f\x7f-\x9f]|\s+[^;\s\x00-\x1f\x7f-\x9f])*)(?<!["']))
    \s*(?:;|$)""",
    re.VERBOSE,
)


def dotnet(text: str) -> Pairs | None:
    """Return the result of .NET's parser, or None if it refuses the string."""
    found: dict[str, tuple[str, str]] = {}
    at = 0
    while text[at:].strip(" \t\n;"):
        match = DOTNET.match(text, at)
        if match is None:
            return None
        name = match["name"].replace("==", "=")
        double, single = (match["double"] or ""), (match["single"] or "")
        value = match["bare"] or double.replace('""', '"') or single.replace("''", "'")
        found.pop(name.lower(), None)
        found[name.lower()] = (name, value)
        at = match.end()
    return list(found.values())


DOTNET_TEXT = st.lists(
    st.sampled_from([*"=;'\"\\ \n@é", "==", "''", '""', "a", "b", "a=", ";b='", ';a="']),
    max_size=12,
).map("".join)


@given(text=DOTNET_TEXT)
def test_what_is_read_as_adonet_is_what_dotnet_reads(text: str) -> None:
    """Without braces, strings are read as by .NET; only names with semicolons are refused."""
    ours, _ = attempt(lambda: parse("adonet", text))
    theirs = dotnet(text)
    if theirs is not None and not any(";" in name for name, _ in theirs):
        assert ours == [(name, value) for name, value in theirs if value]


@pytest.mark.parametrize("form", FORMS)
@given(text=TEXT | st.text())
def test_reading_raises_nothing_but_value_errors(form: Form, text: str) -> None:
    """Any text gives names, or a ValueError with the position of the fault."""
    pairs, error = attempt(lambda: parse(form, text))
    assert "character" in str(error) if pairs is None else all(name for name, _ in pairs)


@pytest.mark.parametrize("form", FORMS)
@given(before=TEXT, after=TEXT)
def test_errors_hold_nothing_of_the_text(form: Form, before: str, after: str) -> None:
    """Errors name the position, and never the text."""
    _, error = attempt(lambda: parse(form, before + MARKER + after))
    assert MARKER not in str(error)
    assert error is None or error.__cause__ is error.__context__ is None


# The longest texts of their kind.
LONGEST = [
    "a={;" * 25_000, "a={}};" * 16_666, "a={}};" * 16_000 + "b}c", "=" * 100_000,
    "a" + "==" * 40_000, "a==" * 33_333, ";" * 100_000, " " * 100_000, "a=" * 50_000,
    "a=';" * 25_000, "a='" + "''" * 49_000, 'a="' + '""' * 49_000 + '"', "a='\\" * 25_000,
    "a=b " * 25_000, "a=b;" * 25_000, "a=b," * 25_000, "a," * 50_000, "a = " * 25_000,
    "a={" + "}" * 99_000,
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_no_text_takes_the_square_of_its_length(form: Form) -> None:
    """The longest are read, or refused, at once."""
    for text in LONGEST:
        with limit(text):
            attempt(partial(parse, form, text))


@given(before=TEXT | st.text(), after=TEXT | st.text())
def test_urls_of_any_text(before: str, after: str) -> None:
    """Any text gives the pieces of a URL, or a ValueError without the text."""
    text = before + MARKER + after
    url, error = attempt(lambda: parse_url("x://" + text))
    assert MARKER not in str(error)
    assert not isinstance(error, UnicodeError)
    places, error = attempt(lambda: split_places(url.place if url else text))
    assert MARKER not in str(error)
    assert places is None or places[1].count(",") in (0, places[0].count(","))
