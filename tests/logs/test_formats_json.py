"""Log lines as JSON: one object per line, which the strictest parser accepts."""

from __future__ import annotations

import datetime
import enum
import json
import re
import uuid
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.logs.test_formats import JSON, STAMP, TEXT, Stubborn, anything, error, make
from tests.support.promises import release


def loads(line: str) -> dict[str, Any]:
    """Parse as strictly as any parser: no NaN, no repeated names, no lone surrogates."""

    def refuse(word: str) -> NoReturn:
        raise AssertionError(word)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line, parse_constant=refuse, object_pairs_hook=once)
    json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate would raise
    assert isinstance(found, dict)
    return found


def test_a_line_of_json() -> None:
    """The object has the same parts as text, and `extra`."""
    record = make("Sold %d", 3, instance="0123", request_id="5f0d", client="203.0.113.7", cart=[1])
    found = loads(JSON.format(record))
    assert re.fullmatch(STAMP, found.pop("time"))
    assert found == {
        "level": "INFO",
        "logger": "shop",
        "process": record.process,
        "instance": "0123",
        "request_id": "5f0d",
        "client": "203.0.113.7",
        "message": "Sold 3",
        "cart": [1],
    }
    assert list(loads(JSON.format(make()))) == ["time", "level", "logger", "process", "message"]


@given(
    message=anything, name=anything, request=anything, told=anything,
    extra=st.dictionaries(anything, st.recursive(
        anything | st.floats() | st.integers() | st.none() | st.binary() | st.booleans(),
        lambda inner: st.lists(inner) | st.dictionaries(anything, inner), max_leaves=5,
    ), max_size=4),
)  # fmt: skip
def test_each_line_is_one_json_object(
    message: str, name: str, request: str, told: str, extra: dict[str, Any]
) -> None:
    """Each line is one object, whatever the record contains."""
    taken = set(make().__dict__) | {"message", "asctime", "taskName"}
    given_extra = {k: v for k, v in extra.items() if k not in taken and not k.startswith("_")}
    record = make("%s", message, name=name, request_id=request, exc_info=error(told), **given_extra)
    found = loads(JSON.format(record))
    if all(map(str.isprintable, (message, name))):  # others hold escapes
        assert (found["message"], found["logger"]) == (message, name)
    assert "ValueError" in found["exc_info"]
    for key, value in given_extra.items():
        name = f"extra_{key}" if key in ("time", "level", "logger") else as_in_json(key)
        assert name in found
        if isinstance(value, str) and value.isprintable():
            assert found[name] == value or (not value and name not in found)


def as_in_json(text: str) -> str:
    """Return a text as strict JSON holds it: lone surrogates escaped, pairs joined."""
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return "".join(f"\\u{ord(c):04x}" if 0xD800 <= ord(c) < 0xE000 else c for c in joined)


class Colour(enum.Enum):
    """An enumeration, for `extra`."""

    RED = "red"


EXTRAS = [
    pytest.param(float("nan"), "nan", id="nan"),
    pytest.param([float("inf")], "[inf]", id="infinity-inside"),
    pytest.param(b"\xff", "_w==", id="bytes"),
    pytest.param(datetime.date(2026, 11, 21), "2026-11-21", id="date"),
    pytest.param(uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001", id="uuid"),
    pytest.param(Colour.RED, "red", id="enumeration"),
    pytest.param(ValueError("no"), "ValueError: no", id="exception"),
    pytest.param({(1, 2): 3}, "{(1, 2): 3}", id="keys-that-are-no-text"),
    pytest.param(Stubborn(), "__could_not_encode__", id="cannot-be-shown"),
    pytest.param({Stubborn(): 1}, "<dict>", id="cannot-be-shown-inside"),
    pytest.param({"a": [1, None, True]}, {"a": [1, None, True]}, id="structure"),
]
OWN_WORDS = (bytes, enum.Enum, Exception, Stubborn)


@pytest.mark.parametrize(("value", "shown"), EXTRAS)
def test_extra_of_any_kind(value: object, shown: object) -> None:
    """Values that JSON cannot hold become text; the record is not lost."""
    found = loads(JSON.format(make(thing=value, other=1)))
    if release("python-json-logger") < (3, 1) and isinstance(value, OWN_WORDS):
        shown = found["thing"]  # older releases have other words for these
    assert (found["thing"], found["other"], found["message"]) == (shown, 1, "hello")


def test_extra_that_contains_itself() -> None:
    """A circular value becomes text as well."""
    loop: dict[str, Any] = {}
    loop["self"] = loop
    assert loads(JSON.format(make(loop=loop)))["loop"] == "{'self': {...}}"


def test_no_extra_takes_the_place_of_the_records_own() -> None:
    """`extra` is renamed instead; only the request's names may be set by the caller."""
    record = make(time=1, level="fake", logger="fake", client="ACME", request_id=7, instance=[2])
    found = loads(JSON.format(record))
    assert (found["level"], found["logger"]) == ("INFO", "shop")
    assert [found[f"extra_{name}"] for name in ("time", "level", "logger")] == [1, "fake", "fake"]
    assert (found["client"], found["request_id"], found["instance"]) == ("ACME", 7, [2])


def test_a_message_that_is_a_dict() -> None:
    """It is merged, as by python-json-logger; a client's JSON forges none of the record's names."""
    told = {"message": "m", "cart": 3, "level": "FAKE", "client": "6.6.6.6", "time": 0, 5: 6}
    before = dict(told)
    found = loads(JSON.format(make(told, client="203.0.113.7")))
    assert (found["message"], found["cart"], found["5"]) == ("m", 3, 6)
    assert (found["level"], found["client"]) == ("INFO", "203.0.113.7")
    assert (found["extra_level"], found["extra_client"], found["extra_time"]) == (
        "FAKE", "6.6.6.6", 0,
    )  # fmt: skip
    assert told == before
    assert "'cart': 3" in TEXT.format(make(told))
