"""Texts become typed values: what each kind accepts and refuses, and that errors show no text."""

from __future__ import annotations

import contextlib
import enum
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Dict, List, Literal, NewType, Optional, Tuple  # noqa: UP035

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appsvc_runtime.redaction.secret import Secret
from appsvc_runtime.settings.converters import Json, Reader, Url, fault, reader_for
from tests.support.processor_time import LONG, limit


class Color(enum.Enum):
    """Members with text values."""

    RED = "rouge"
    BLUE = "bleu"


class Level(enum.IntEnum):
    """Members with number values."""

    LOW = 1
    HIGH = 2


UserId = NewType("UserId", int)

READ = [
    pytest.param(str, " x ", " x ", id="str-as-it-stands"),
    pytest.param(int, " -42\n", -42, id="int-blanks"),
    pytest.param(int, "+007", 7, id="int-leading-zeros"),
    pytest.param(int, "9" * 640, int("9" * 640), id="int-long"),
    pytest.param(float, "1e3", 1000.0, id="float-exponent"),
    pytest.param(float, ".5", 0.5, id="float-no-zero"),
    pytest.param(float, "5.", 5.0, id="float-no-fraction"),
    pytest.param(float, "-0.25 ", -0.25, id="float-blank"),
    pytest.param(bool, "On", True, id="bool-on"),
    pytest.param(bool, " 0 ", False, id="bool-zero"),
    pytest.param(timedelta, "30s", timedelta(seconds=30), id="duration-seconds"),
    pytest.param(timedelta, "1h30m", timedelta(minutes=90), id="duration-two-units"),
    pytest.param(timedelta, "1.5 h", timedelta(minutes=90), id="duration-fraction"),
    pytest.param(timedelta, "250ms", timedelta(milliseconds=250), id="duration-ms"),
    pytest.param(timedelta, "5m 3ms", timedelta(minutes=5, milliseconds=3), id="duration-m-ms"),
    pytest.param(timedelta, "00:02:00", timedelta(minutes=2), id="duration-clock"),
    pytest.param(timedelta, "1.02:03:04", timedelta(1, 4, 0, 0, 3, 2), id="duration-days"),
    pytest.param(timedelta, "48:00:00", timedelta(2), id="duration-many-hours"),
    pytest.param(timedelta, "00:00:00.0000001", timedelta(0), id="duration-dotnet-tick"),
    pytest.param(Path, " /a b/c ", Path("/a b/c"), id="path"),
    pytest.param(Url, "HTTPS://h.example:8443/a?b#c", "HTTPS://h.example:8443/a?b#c", id="url"),
    pytest.param(Url, "http://[::1]:80/", "http://[::1]:80/", id="url-v6"),
    pytest.param(Url, "file:///tmp/x", "file:///tmp/x", id="url-file"),
    pytest.param(Url, "memory://", "memory://", id="url-scheme-alone"),
    pytest.param(Url, "https://bücher.example/ä", "https://bücher.example/ä", id="url-idn"),
    pytest.param(Secret, " s ", Secret(" s "), id="secret"),
    pytest.param(Json, '[1, {"a": null}]', [1, {"a": None}], id="json"),
    pytest.param(Any, "1.5", 1.5, id="any"),
    pytest.param(object, '"x"', "x", id="object"),
    pytest.param(dict, '{"a": 1}', {"a": 1}, id="dict"),
    pytest.param(Dict, '{"a": 1}', {"a": 1}, id="typing-dict"),  # noqa: UP006
    pytest.param(dict[str, Any], '{"a": [1]}', {"a": [1]}, id="dict-any"),
    pytest.param(dict[str, int], '{"a": "1", "b": 2}', {"a": 1, "b": 2}, id="dict-int"),
    pytest.param(Mapping[str, str], '{"a": "x"}', {"a": "x"}, id="mapping"),
    pytest.param(dict[str, Optional[int]], '{"a": null}', {"a": None}, id="dict-optional"),  # noqa: UP045
    pytest.param(list, " a, b,,", ["a", "b"], id="list"),
    pytest.param(List, "a", ["a"], id="typing-list"),  # noqa: UP006
    pytest.param(list[str], "[::1],localhost", ["[::1]", "localhost"], id="list-v6-host"),
    pytest.param(list[str], '["a,b", "c"]', ["a,b", "c"], id="list-json"),
    pytest.param(list[int], "1, 2", [1, 2], id="list-int"),
    pytest.param(list[int], '["1", 2]', [1, 2], id="list-int-json"),
    pytest.param(list[bool], "[true, 0]", [True, False], id="list-bool-json"),
    pytest.param(list[Any], '["a", null]', ["a", None], id="list-any"),
    pytest.param(list[dict[str, str]], '[{"ä": "ö"}]', [{"ä": "ö"}], id="list-of-dicts"),
    pytest.param(list[list[int]], "[[1], [2, 3]]", [[1], [2, 3]], id="list-of-lists"),
    pytest.param(tuple, "a,b", ("a", "b"), id="tuple"),
    pytest.param(Tuple, "a,b", ("a", "b"), id="typing-tuple"),  # noqa: UP006
    pytest.param(tuple[int, ...], "1,2", (1, 2), id="tuple-int"),
    pytest.param(Sequence[int], "1,2", (1, 2), id="sequence"),
    pytest.param(set[str], "a,b,a", {"a", "b"}, id="set"),
    pytest.param(frozenset[int], "1,1", frozenset({1}), id="frozenset"),
    pytest.param(Literal["a", "B"], "b", "B", id="literal-in-any-case"),
    pytest.param(Literal[1, 2], "2", 2, id="literal-int"),
    pytest.param(Color, "Rouge", Color.RED, id="enum-value"),
    pytest.param(Color, "blue", Color.BLUE, id="enum-name"),
    pytest.param(Level, "2", Level.HIGH, id="int-enum-value"),
    pytest.param(Level, "low", Level.LOW, id="int-enum-name"),
    pytest.param(int | None, "3", 3, id="optional"),
    pytest.param(Annotated[int, "doc"], "3", 3, id="annotated"),
    pytest.param(UserId, "3", 3, id="newtype"),
]


@pytest.mark.parametrize(("kind", "text", "value"), READ)
def test_texts_are_read(kind: Any, text: str, value: Any) -> None:
    """Each kind returns its own type."""
    found = reader_for(kind).parse(text)
    assert found == value
    assert type(found) is (Url if kind is Url else type(value))


REFUSED = [
    *[(int, text) for text in ("", "1.0", "1_000", "٣", "²", "0x10", "one", "9" * 5000, "+-1")],
    *[(float, text) for text in ("", "nan", "inf", "-Infinity", "1e999", "1_0.0", ".", "1,5")],
    *[(bool, text) for text in ("", "2", "ja", "truefalse")],
    *[(timedelta, text) for text in ("", "30", "-5s", "5 weeks", "1s1s", "1s x", "1s,2m", "::")],
    *[(timedelta, text) for text in ("00:60:00", "1.24:00:00", "0.24:00:00", "1:2:3", "9" * 20)],
    *[(timedelta, text) for text in ("999999999999999d", "1.2.3s", "٣s", "1x", "1m 2min")],
    *[
        (Url, text)
        for text in ("", "example.com", "//h/p", "http:/h", "http:h", "C:/x", "mailto:a")
    ],
    *[
        (Url, text)
        for text in ("http://", "http:///p", "https://:80", "http://h:99999", "http://[x")
    ],
    *[
        (Url, text)
        for text in ("http://h/a b", "http://h/\nb", "http://h\t/", "http://h/\x7f", "1://h")
    ],
    *[(Url, text) for text in ("http://a\u00a0b/", "http://a\u2100b/", "http://a\u200bb/")],
    *[(Json, text) for text in ("", "{", "NaN", "[1e999]", "-Infinity", "{'a': 1}", "[" * 100_000)],
    *[(Json, text) for text in ("1" * 5000, '{"a":' * 100_000, "\ufeff1")],
    *[(dict, text) for text in ("[]", "1", "null")],
    *[(dict[str, int], text) for text in ('{"a": "x"}', '{"a": null}', '{"a": [1]}')],
    *[(list[int], text) for text in ("1,x", "[1", "[1.5]", "[null]", "[[1]]", "{}")],
    *[(list[str], text) for text in ('["a", null]', '["a\\u0000"]', '["\\ud800"]', "[a, b]")],
    *[(set[dict[str, int]], text) for text in ('[{"a": 1}]',)],
    *[(set[Any], text) for text in ("[[1]]",)],
    *[(Literal["a"], text) for text in ("b", "")],
    *[(Color, text) for text in ("vert", "")],
    *[(Path, text) for text in ("~no-such-user-here/x",)],
]


@pytest.mark.parametrize(
    ("kind", "text"),
    [pytest.param(kind, text, id=f"{kind}-{text[:12]!a}") for kind, text in REFUSED],
)
def test_other_texts_are_refused(kind: Any, text: str) -> None:
    """Other texts raise ValueError, and nothing else."""
    with pytest.raises(ValueError):
        reader_for(kind).parse(text)


@pytest.mark.parametrize(
    "kind",
    [
        bytes, complex, int | str, tuple[int, str], tuple[int], dict[int, str], list[bytes], None,
        "int", bytes | None, type, Sequence[Sequence[complex]],
    ],
    ids=str,
)  # fmt: skip
def test_kinds_that_no_setting_can_be(kind: Any) -> None:
    """An impossible kind is an error before any text is read."""
    with pytest.raises(TypeError, match="no way to read a setting"):
        reader_for(kind)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "a whole number"),
        (timedelta, "30s, 1h30m or 00:02:00"),
        (list[float], "each a number"),
        (dict[str, bool], "each value true or false"),
        (Color, "one of rouge, bleu"),
        (Level, "one of LOW, HIGH"),
        (Literal["a", "b", None], "one of a, b"),
        (Url | None, "an absolute URL"),
    ],
    ids=str,
)
def test_what_is_expected_is_said(kind: Any, words: str) -> None:
    """`expected` is a text that fits after the word "expected"."""
    assert words in reader_for(kind).expected


@pytest.mark.parametrize(
    ("kind", "optional"),
    [(int, False), (int | None, True), (Color | None, True), (list[int] | None, True)],
    ids=str,
)
def test_optional_kinds(kind: Any, optional: bool) -> None:
    """A setting that is not set is None only if its kind allows None."""
    assert reader_for(kind).optional is optional


def test_home_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`~` in a path is expanded as by a shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert reader_for(Path).parse("~/x") == tmp_path / "x"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("plain", "", id="plain"),
        pytest.param("mögen 漢字 🎉", "", id="beyond-ascii"),
        pytest.param("", "", id="empty"),
        pytest.param("a\0b", "NUL", id="nul"),
        pytest.param(b"caf\xe9".decode("utf-8", "surrogateescape"), "UTF-8", id="latin-1"),
        pytest.param("\ud83d", "UTF-8", id="half-a-pair"),
    ],
)
def test_texts_that_are_no_setting_at_all(text: str, words: str) -> None:
    """NUL characters and bytes that are not UTF-8 are refused."""
    assert (words in fault(text)) if words else fault(text) == ""


KINDS: list[Any] = [
    str, int, float, bool, timedelta, Path, Url, Secret, Json, Any, dict, dict[str, int], list,
    list[int], list[Any], set[Any], frozenset[dict[str, str]], tuple[float, ...], Color, Level,
    Literal["a"], list[list[dict[str, Url]]], int | None,
]  # fmt: skip
JSON_TEXTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
).map(json.dumps)


@example("~" + "x" * 300, Path)
@example("http://[", Url)
@example("[[1]]", set[Any])
@given(
    st.text() | JSON_TEXTS | st.from_regex(r"[-+~\[\"0-9.:eEmshd /@]{0,20}"),
    st.sampled_from(KINDS),
)
def test_readers_raise_value_errors_only(text: str, kind: Any) -> None:
    """Readers raise only ValueError, for any text."""
    reader: Reader = reader_for(kind)
    with contextlib.suppress(ValueError):
        reader.parse(text)


@given(
    st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.none() | st.integers(0, 999_999)
)
def test_clocks_read_back(hours: int, minutes: int, seconds: int, micro: int | None) -> None:
    """A duration written as hh:mm:ss, with or without a fraction, reads back unchanged."""
    text = f"{hours:02}:{minutes:02}:{seconds:02}" + ("" if micro is None else f".{micro:06}")
    wanted = timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=micro or 0)
    assert reader_for(timedelta).parse(text) == wanted


@given(st.integers())
def test_integers_read_back(number: int) -> None:
    """Integers read back, also in JSON and in lists."""
    assert reader_for(int).parse(str(number)) == number
    assert reader_for(list[int]).parse(f"{number},{number}") == [number, number]
    assert reader_for(list[int]).parse(json.dumps([number])) == [number]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_back(number: float) -> None:
    """Floats read back from their `repr`."""
    assert reader_for(float).parse(repr(number)) == number


@given(JSON_TEXTS)
def test_json_reads_back(text: str) -> None:
    """All JSON reads back; NaN and Infinity are refused."""
    try:
        value = reader_for(Json).parse(text)
    except ValueError:
        assert "NaN" in text or "Infinity" in text
    else:
        assert value == json.loads(text)


LONGEST = {
    "digits": "1" * LONG,
    "digits-then-a-letter": "1" * LONG + "x",
    "units": "1s" * (LONG // 2),
    "blanks": "1" + " " * LONG + "x",
    "brackets": "[" * LONG,
    "dots": "1." * (LONG // 2),
    "colons": "http://[" + ":" * LONG,
    "commas": "," * LONG,
}


@pytest.mark.parametrize("kind", [int, float, timedelta, Url, Json, list[int], Color], ids=str)
def test_no_text_takes_the_square_of_its_length(kind: Any) -> None:
    """No pattern goes over it again and again."""
    for name, text in LONGEST.items():
        with limit(name), contextlib.suppress(ValueError):
            reader_for(kind).parse(text)
