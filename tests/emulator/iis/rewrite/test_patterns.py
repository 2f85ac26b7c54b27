"""Expressions of rewrite rules: ECMAScript's meaning, in an engine that can be stopped."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.emulator.iis.rewrite.patterns import (
    MAX_INPUT,
    Captures,
    PatternError,
    TooSlowError,
    compile_pattern,
)


def search(pattern: str, text: str, *, ignore_case: bool = False) -> Captures | None:
    return compile_pattern(pattern, "ECMAScript", ignore_case).search(text, time.monotonic() + 10)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        pytest.param(r"^(\d+)/(\w+)$", "12/ab", ("12/ab", "12", "ab"), id="usual"),
        pytest.param(r"\d", "\u0663", None, id="digits-are-ascii"),
        pytest.param(r"\w", "é", None, id="words-are-ascii"),
        pytest.param(r"\D\W", "\u0663é", ("\u0663é",), id="what-is-none"),
        pytest.param(r"a\b", "aé", ("a",), id="boundary-is-ascii"),
        pytest.param(r"a\B.", "ab aé", ("ab",), id="no-boundary"),
        pytest.param(r"[\w-]+[^\W\d]", "!a-9b", ("a-9b",), id="classes-in-classes"),
        pytest.param(r"^([\w-.]+)$", "a-b.c", ("a-b.c", "a-b.c"), id="hyphen-behind-a-class"),
        pytest.param(r"[\w-z]", "`", None, id="no-range-from-a-class"),
        pytest.param(r"[^\d-x]", "-", None, id="hyphen-before-a-letter"),
        pytest.param(r"[\s-_]+", "- _", ("- _",), id="hyphen-behind-blanks"),
        pytest.param(r"[.-\d]+", "/1-", ("1-",), id="hyphen-before-a-class"),
        pytest.param(r"[\d-a-c]+", "b1-ac", ("1-ac",), id="hyphen-and-a-range-behind"),
        pytest.param(r"[a-c-e]+", "de-b", ("e-b",), id="range-and-a-hyphen-behind"),
        pytest.param(r"[--/]", "/", ("/",), id="range-from-a-hyphen"),
        pytest.param(r"[\w-]+[-\w]", "!a-9", ("a-9",), id="hyphen-at-an-end"),
        pytest.param(r"\u{3}", "uuu", ("uuu",), id="no-code-point"),
        pytest.param(r"[\b]", "\b", ("\b",), id="backspace"),
        pytest.param("a$", "a\n", None, id="end-is-the-very-end"),
        pytest.param("^.$", "\u2028", None, id="dot-is-no-line-end"),
        pytest.param(r"[^]", "\n", ("\n",), id="anything"),
        pytest.param(r"[]", "x", None, id="nothing"),
        pytest.param(r"[[a]", "[", ("[",), id="bracket-in-a-class"),
        pytest.param("[a||b]", "|", ("|",), id="no-set-operations"),
        pytest.param("[+*]+x", "+*x", ("+*x",), id="signs-in-a-class"),
        pytest.param(r"[\1\.]", "\x01", ("\x01",), id="octal-in-a-class"),
        pytest.param("a{2}b{1,}", "aab", ("aab",), id="counts"),
        pytest.param("a{,3}{x}", "a{,3}{x}", ("a{,3}{x}",), id="braces"),
        pytest.param("(?:foo){e<=1}", "fo{e<=1}", None, id="nothing-approximate"),
        pytest.param(r"\/\-\_\ü", "/-_ü", ("/-_ü",), id="needless-escapes"),
        pytest.param(r"\u00e9\x41\cA\0\t", "éA\x01\x00\t", ("éA\x01\x00\t",), id="escapes"),
        pytest.param("(?!www)(.*)", "x", ("x", "x"), id="lookahead"),
        pytest.param("(a|b)?c", "c", ("c", ""), id="group-without-part"),
        pytest.param(r"(.)\1", "abb", ("bb", "b"), id="reference"),
        pytest.param("a+?", "aa", ("a",), id="lazy"),
        # not ECMAScript, but with the intended meaning
        pytest.param(r"(?<n>a)\k<n>", "aa", ("aa", "a"), id="named-group"),
        pytest.param("(?<=x)a", "xa", ("a",), id="lookbehind"),
        pytest.param("a++ab|b", "aab", ("b",), id="possessive"),
        pytest.param("(?>a+)b", "aab", ("aab",), id="atomic"),
        pytest.param(r"\p{L}\p{Lu}", "éÉ", ("éÉ",), id="property"),
        pytest.param(r"\Aa\z", "a", ("a",), id="anchors"),
    ],
)
def test_expressions(pattern: str, text: str, expected: Captures | None) -> None:
    """Expected are the whole match and the groups, or None for no match."""
    assert search(pattern, text) == expected


def test_case() -> None:
    """Case is ignored on request, for letters beyond ASCII as well."""
    assert search("ÉA", "éa") is None
    assert search("ÉA", "éa", ignore_case=True) == ("éa",)


@pytest.mark.parametrize(
    "pattern", ["(", ")", "*a", "[z-a]", "[a", "a\\", "[\\", "a**", r"\1", "(?<n"]
)
def test_what_is_no_expression(pattern: str) -> None:
    """The error describes the mistake in a few words."""
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern, "ECMAScript", True)
    assert 0 < len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("pattern", "readable"),
    [
        pytest.param(".{0,65536}", True, id="at-most"),
        pytest.param("^.{2048}$", True, id="as-long-as-a-query"),
        pytest.param("(?:[^/]{50}/){20}", True, id="counts-in-counts"),
        pytest.param("((a+)+b+)+", True, id="plus-in-plus"),
        pytest.param("a{30000}", False, id="longer-than-any-url"),
        pytest.param("a{" + "9" * 5000 + "}", False, id="longer-than-int-reads"),
        pytest.param("(?:(?:a{1000}){1000}){1000}", False, id="many-counts-in-counts"),
        pytest.param("(" * 20 + "a" + ")+" * 20, False, id="many-plus-in-plus"),
        pytest.param("(?:" * 30 + "a" + "){1,9}" * 30, False, id="many-ranges-in-ranges"),
    ],
)
def test_expressions_that_would_fill_the_memory(pattern: str, readable: bool) -> None:
    """The engine would expand their repetitions, so they are refused before it sees them."""
    if readable:
        compile_pattern(pattern, "ECMAScript", True)
    else:
        with pytest.raises(PatternError, match="pieces"):
            compile_pattern(pattern, "ECMAScript", True)


@pytest.mark.parametrize("syntax", ["ECMAScript", "Wildcard", "ExactMatch"])
def test_an_input_longer_than_any_url(syntax: str) -> None:
    """The input is refused without a search."""
    with pytest.raises(TooSlowError, match="longer"):
        compile_pattern("x", syntax, True).search("x" * (MAX_INPUT + 1), time.monotonic() + 10)


def test_others_run_while_an_expression_does() -> None:
    """A thread whose match does not end does not stop this one."""
    pattern = compile_pattern("(a|aa)+$", "ECMAScript", True)
    given_up = threading.Event()

    def match() -> None:
        try:
            pattern.search("a" * 200 + "!", time.monotonic() + 0.5)
        except TooSlowError:
            given_up.set()

    thread = threading.Thread(target=match)
    thread.start()
    turns = 0
    while not given_up.wait(0.001) and thread.is_alive():
        turns += 1
    thread.join()
    assert given_up.is_set()
    assert turns > 10


@given(
    st.text(max_size=20) | st.text("()[]{}*+?|^$\\.,-:<=!>PkdwsbuxA01a", max_size=14),
    st.text(max_size=10),
)
def test_any_text_is_an_expression_or_is_refused(pattern: str, text: str) -> None:
    """There is no other error, no warning, and the same result twice."""
    for syntax in ("ECMAScript", "Wildcard", "ExactMatch"):
        try:
            compiled = compile_pattern(pattern, syntax, True)
        except PatternError:
            continue
        found = compiled.search(text, time.monotonic() + 10)
        assert found == compiled.search(text, time.monotonic() + 10)
        assert found is None or found[0] in text


@given(st.text(max_size=20))
def test_an_exact_text_matches_itself(text: str) -> None:
    """It matches no other text, except in another case."""
    compiled = compile_pattern(text, "ExactMatch", False)
    assert compiled.search(text, 0) == (text,)
    assert compiled.search(text + "x", 0) is None
