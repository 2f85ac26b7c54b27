"""The format of log lines: one line per record, whatever it contains, as text or any format."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.logs.formats import RequestFilter, TextFormatter, make_json_formatter

TEXT = TextFormatter()
JSON = make_json_formatter()
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}"
# Whatever a str can hold: surrogates too.
anything = st.text(st.characters(exclude_categories=()), max_size=40)
# As str.splitlines counts them, which is all that any reader of lines counts.
LINE_ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


def make(message: object = "hello", *args: object, **attributes: Any) -> logging.LogRecord:
    record = logging.LogRecord("shop", logging.INFO, __file__, 12, message, args, None)
    record.__dict__.update(attributes)
    return record


def error(text: str, cause: str = "") -> Any:
    """Return an exception as `exc_info`, with a cause."""
    try:
        try:
            raise KeyError(cause)
        except KeyError as first:
            raise ValueError(text) from first
    except ValueError:
        return sys.exc_info()


class Stubborn:
    """An object that cannot be shown, compared or tested for truth."""

    def __refuse(self, *_: object) -> NoReturn:
        raise RuntimeError("no")

    __str__ = __repr__ = __eq__ = __bool__ = __len__ = __format__ = __refuse  # type: ignore[assignment]
    __hash__ = object.__hash__


# Text


def test_a_line_of_text() -> None:
    """Time with zone, level, logger, process and instance, request and client, message."""
    record = make(
        "Sold %d", 3, instance="0123456789abcdef", request_id="5f0d", client="203.0.113.7"
    )
    assert re.fullmatch(
        rf"{STAMP} INFO shop {record.process}@01234567 req=5f0d client=203\.0\.113\.7: Sold 3",
        TEXT.format(record),
    )


def test_what_is_not_known_is_left_out() -> None:
    """Unknown parts are omitted: off the platform, outside requests, without the filter."""
    for record in (make(), make(instance="", request_id="", client="")):
        assert TEXT.format(record)[29:] == f"INFO shop {record.process}: hello"


ESCAPED = [
    pytest.param("a\nb", r"a\nb", id="newline"),
    pytest.param("a\r\nb", r"a\r\nb", id="carriage-return"),
    pytest.param("a\x1b[2Jb\x07", r"a\x1b[2Jb\x07", id="terminal-sequence"),
    pytest.param("a\x85b\u2028c\u2029d", r"a\x85b\u2028c\u2029d", id="other-line-ends"),
    pytest.param("\u202etxt.exe", r"\u202etxt.exe", id="reversed"),
    pytest.param("a\u200fb\u061cc", r"a\u200fb\u061cc", id="turned"),
    pytest.param("a\u200bb\ufeffc\U000e0041", r"a\u200bb\ufeffc\U000e0041", id="hidden"),
    pytest.param("\u0645\u06cc\u200c\u0631", "\u0645\u06cc\u200c\u0631", id="joiner"),
    pytest.param("a\udce9b", r"a\udce9b", id="byte-that-is-no-utf-8"),
    pytest.param("a\x00b\x7f", r"a\x00b\x7f", id="nul-and-delete"),
    pytest.param("Grüße, 世界 😀", "Grüße, 世界 😀", id="text-stays"),
    pytest.param("the end\n", "the end", id="newline-at-the-end"),
    pytest.param("", "", id="nothing"),
]


@pytest.mark.parametrize(("message", "shown"), ESCAPED)
def test_what_is_escaped(message: str, shown: str) -> None:
    """All line ends, control characters and direction marks are escaped, and nothing else."""
    assert TEXT.format(make(message)).partition(": ")[2] == shown


@given(
    message=anything, name=anything, level=anything, request=anything, client=anything,
    instance=anything, told=anything, cause=anything, stack=anything,
)  # fmt: skip
def test_one_line_whatever_is_in_it(
    message: str,
    name: str,
    level: str,
    request: str,
    client: str,
    instance: str,
    told: str,
    cause: str,
    stack: str,
) -> None:
    """A record is one line with an indented traceback, and valid UTF-8."""
    record = make(
        "%s", message, name=name, levelname=level, request_id=request, client=client,
        instance=instance,
    )  # fmt: skip
    line = TEXT.format(record)
    assert not set(line) & set(LINE_ENDS)
    line.encode()
    record.exc_info, record.stack_info = error(told, cause), stack
    first, *others = TEXT.format(record).split("\n")
    assert first == line
    assert len(others) >= 5
    for other in others:
        assert other.startswith("    ")
        assert not set(other) & set(LINE_ENDS)
        other.encode()


@given(request=anything, client=anything)
def test_a_request_id_is_one_word(request: str, client: str) -> None:
    """A client may choose it (X-Request-ID), but cannot forge a client or a message with it."""
    line = TEXT.format(make("hello", request_id=request, client=client))
    words = line[29:].removesuffix(": hello").split()
    assert [word.partition("=")[0] for word in words[3:]] == [
        name for name, value in (("req", request), ("client", client)) if value
    ]


def test_a_traceback_is_indented() -> None:
    """All lines are indented, and the causes are included."""
    text = TEXT.format(make("Failed", exc_info=error("one\ntwo", "why")))
    first, *lines = text.split("\n")
    assert first.endswith(": Failed")
    assert lines[0] == "    Traceback (most recent call last):"
    assert "    KeyError: 'why'" in lines
    assert lines[-2:] == ["    ValueError: one", "    two"]


def test_a_traceback_is_made_once() -> None:
    """It is kept on the record for other handlers, as in the standard library."""
    record = make("Failed", exc_info=error("one"))
    shown = TEXT.format(record)
    assert record.exc_text == logging.Formatter().formatException(record.exc_info)  # type: ignore[arg-type]
    assert TEXT.format(record) == shown


def test_very_long_lines_are_whole() -> None:
    """A megabyte is one line."""
    text = TEXT.format(make("x" * 1_000_000 + "\n" + "y" * 1000 + "."))
    assert text.endswith("x\\n" + "y" * 1000 + ".")
    assert len(text) > 1_001_000
    assert len(json.loads(JSON.format(make("\udcff" * 1_000_000)))["message"]) == 6_000_000


# Both


@pytest.mark.parametrize("formatter", [TEXT, JSON], ids=["text", "json"])
@pytest.mark.parametrize(
    ("message", "args", "told"),
    [
        pytest.param("%d of %s", ("x", 2), ["'%d of %s'", "('x', 2)", "TypeError"], id="kind"),
        pytest.param("%s %s", (1,), ["'%s %s'", "(1,)", "not enough"], id="too-few"),
        pytest.param("a", (1,), ["'a'", "(1,)", "not all"], id="too-many"),
        pytest.param("%s", (Stubborn(),), ["'%s'", "<tuple>", "RuntimeError"], id="stubborn"),
        pytest.param(Stubborn(), (), ["<Stubborn>", "RuntimeError"], id="stubborn-message"),
    ],
)
def test_a_message_that_cannot_be_formatted(
    formatter: logging.Formatter, message: object, args: tuple[object, ...], told: list[str]
) -> None:
    """The line has the parts of the message, the error, and the place in the code."""
    record = make(message, exc_info=error("the cause"), thing=1)
    record.args = args
    text = formatter.format(record)
    for part in (*told, "cannot be formatted", f"{__file__}:12", "the cause"):
        assert part in text
    assert record.msg is message


@pytest.mark.parametrize("formatter", [TEXT, JSON], ids=["text", "json"])
@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(
            {"instance": Stubborn(), "request_id": Stubborn(), "client": Stubborn()}, id="stubborn"
        ),
        pytest.param({"instance": 5, "request_id": 6, "client": 7}, id="numbers"),
        pytest.param({"instance": None, "request_id": None, "client": None}, id="none"),
        pytest.param({"exc_info": (None, None, None)}, id="no-exception"),
        pytest.param({"exc_info": ("a", "b", "c")}, id="no-exc-info-at-all"),
        pytest.param({"exc_text": "kept", "stack_info": "stack"}, id="text-only"),
    ],
)
def test_odd_records(formatter: logging.Formatter, attributes: dict[str, Any]) -> None:
    """Attributes that apps name like ours, and those that other handlers leave behind."""
    record = make(**attributes)
    assert RequestFilter("0123").filter(record)
    assert "hello" in formatter.format(record)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def put(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield put
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("name", "stamp"),
    [
        pytest.param("UTC", "2026-07-01T12:00:00.250+0000", id="utc"),
        pytest.param("CET-1CEST,M3.5.0,M10.5.0/3", "2026-07-01T14:00:00.250+0200", id="summer"),
        pytest.param("IST-5:30", "2026-07-01T17:30:00.250+0530", id="half-hours"),
        pytest.param("EST5", "2026-07-01T07:00:00.250-0500", id="west"),
    ],
)
def test_the_time_has_its_zone(zone: Any, name: str, stamp: str) -> None:
    """The zone is that of the process, even if the second before had another."""
    zone(name)
    record = make(created=1_782_907_200.25, msecs=250.0)
    assert TextFormatter().format(record).startswith(f"{stamp} ")
    # Ours is one for all: another second in between makes it look again.
    JSON.format(make())
    assert json.loads(JSON.format(record))["time"] == stamp


def test_seconds_are_not_mixed_up() -> None:
    """The text of the last second is cached, and used only for that second."""
    shown = [TEXT.format(make(created=float(n), msecs=n % 1000))[:23] for n in (5, 5, 6, 5, 1006)]
    assert [text[17:] for text in shown] == ["05.005", "05.005", "06.006", "05.005", "46.006"]


def test_what_a_record_has_is_left() -> None:
    """Values of an earlier filter or of `extra` are kept; only empty ones are set."""
    record = make(client="ACME")
    assert RequestFilter("").filter(record)
    assert (record.client, record.request_id, record.instance) == ("ACME", "", "")  # type: ignore[attr-defined]
    assert RequestFilter("0123").filter(record)
    assert record.instance == "0123"  # type: ignore[attr-defined]
    assert RequestFilter("4567").filter(record)
    assert record.instance == "0123"  # type: ignore[attr-defined]


def test_lines_of_many_records() -> None:
    """There are as many lines as records."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.Logger("alone")
    logger.addHandler(handler)
    for formatter in (TEXT, JSON):
        handler.setFormatter(formatter)
        stream.seek(stream.truncate(0))
        for number in range(50):
            logger.warning("%d\n\r\u2028\udc80", number, extra={"n": number})
        lines = stream.getvalue().splitlines()
        assert [re.findall(r"(\d+)\\n", line) for line in lines] == [[str(n)] for n in range(50)]
