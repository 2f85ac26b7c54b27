"""JSON as Newtonsoft.Json reads it: what is more than JSON, and what is refused.

The expectations are those of its JsonTextReader.cs, read line by line.
"""

from __future__ import annotations

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.azure.newtonsoft import MalformedError, read_json
from tests.support.processor_time import limit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {}),
        ('{"a": 1, "b": [true, false, null]}', {"a": 1, "b": [True, False, None]}),
        # Comments, wherever a token may start.
        ('// a\n{"a": 1} // b', {"a": 1}),
        ("/* * / */{/**/a/**/:1}", None),
        ("/* * / */{/**/a:/**/1/**/,/**/}/**/", {"a": 1}),
        ("{a: 1 // to the end, } \r}", {"a": 1}),
        ("{a:true/**/}", {"a": True}),
        # Commas.
        ("{a: 1,}", {"a": 1}),
        ("[1,]", [1]),
        ("[1,,2]", [1, None, 2]),
        ("{a:,b:1}", {"a": None, "b": 1}),
        ("{a:1,,b:1}", None),
        ("{,}", None),
        ("{a:}", None),
        ("{a:1 b:2}", None),
        ("{a:1;}", None),
        # Names and texts.
        ("{'a': 'b\"c'}", {"a": 'b"c'}),
        ("{$a_1: 1, 2b: 1, \u00e4: 1}", {"$a_1": 1, "2b": 1, "\u00e4": 1}),
        ("{a-b: 1}", None),
        ("{a\u00a0:\u20031}", {"a": 1}),
        ("{a/**/: 1}", None),
        ("{'a' // b\n : 1}", None),
        ('{"a": "b\n\tc"}', {"a": "b\n\tc"}),
        (r'{a: "\b\f\n\r\t\/\\\"\u00e4"}', {"a": '\b\f\n\r\t/\\"\u00e4'}),
        (r"{a: '\''}", {"a": "'"}),
        (r"{a: '\ud83d\ude00\ud83d'}", {"a": "\U0001f600\ufffd"}),
        (r'{a: "\x41"}', None),
        (r'{a: "\u12"}', None),
        (r'{a: "\u+123"}', None),
        ('{a: "\\\n"}', None),
        ('{a: "b}', None),
        ("{a: b}", None),
        ("{a: `b`}", None),
        # Numbers.
        ("[0, -0, 60, -1]", [0, 0, 60, -1]),
        ("[0x3C, 0X3c, 074, 00]", [60, 60, 60, 0]),
        ("[0xffffffffffffffff, 01777777777777777777777]", [-1, -1]),
        ("[0x7fffffffffffffff, 99999999999999999999]", [2**63 - 1, 99999999999999999999]),
        ("[.5, 5., 0.5, 1e3, 1E-1, -.5]", [0.5, 5.0, 0.5, 1000.0, 0.1, -0.5]),
        ("[0x10000000000000000]", None),
        ("[02000000000000000000000]", None),
        ("[08]", None),
        ("[0x]", None),
        ("[-0x1]", None),
        ("[+1]", None),
        ("[1e999]", None),
        (f"[{'9' * 400}]", None),
        ("[1_000]", None),
        ("[1.2.3]", None),
        ("[--1]", None),
        ("[-]", None),
        ("[.]", None),
        ("[60s]", None),
        ("[\u0661]", None),
        # Words.
        ("[undefined, Infinity, -Infinity]", [None, math.inf, -math.inf]),
        ("[True]", None),
        ("[truex]", None),
        ("[nul]", None),
        ("[yes]", None),
        # The end.
        ("", None),
        ("{} {}", None),
        ("{},", None),
        ("{} x", None),
        ("{}\0", {}),
        ("{", None),
        ("{a", None),
        ("[1}", None),
        ("{a:1]", None),
        ("{} /*", None),
        ("# a\n{}", None),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_read(text: str, expected: object) -> None:
    """None stands for what is refused; the empty text has no value."""
    if expected is not None or not text:
        assert read_json(text) == expected
        return
    with pytest.raises(MalformedError):
        read_json(text)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_the_line(end: str) -> None:
    """Lines end as on any system."""
    with pytest.raises(MalformedError) as raised:
        read_json(end.join(["{", "a: 1,", "/*", "*/", "b = 2", "}"]))
    assert raised.value.line == 5


def test_depth() -> None:
    """Sixty-four levels are read, no more, and no number of them is a traceback."""
    assert read_json("[" * 64 + "]" * 64) is not None
    for deep in ("[" * 65 + "]" * 65, "[" * 100_000, "{a:" * 100_000):
        with pytest.raises(MalformedError):
            read_json(deep)


@pytest.mark.parametrize(
    "text", ["{" + "/" * 200_000, "/*" * 100_000, "/" + "* " * 100_000,
             "'" + "\\'" * 100_000, "[" + "1," * 100_000,
             " " * 200_000 + "x", "{" + "a" * 200_000, "1" * 200_000, "1" * 200_000 + "a"],
    ids=lambda text: text[:6] + text[-1],
)  # fmt: skip
def test_long_texts(text: str) -> None:
    """None takes the square of its length."""
    with limit(text), pytest.raises(MalformedError):
        read_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(value=JSON, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_all_json(value: object, ascii_only: bool, indent: int | None) -> None:
    """What is JSON is read as by Python's own reader, but for its lone surrogates."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert repr(read_json(text)) == repr(json.loads(text))


TOKENS = st.lists(st.sampled_from([*"{}[]:,'\"/*\\\n ", "a", "1", "//", "/*", "*/", "true", "0x"]))


@given(tokens=TOKENS)
def test_any_tokens(tokens: list[str]) -> None:
    """Any text is read, or refused without another exception."""
    with contextlib.suppress(MalformedError):
        read_json("".join(tokens))
