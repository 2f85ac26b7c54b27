"""The formats of log lines, text and JSON, and the attributes that every record gets.

Must not know where lines go. Text is one line per record, whatever it contains: a user who can
choose a part of a message cannot forge a line. JSON is python-json-logger's, which is imported only
if it is used. Neither raises: a record that cannot be formatted is logged with the reason.
"""

from __future__ import annotations

import copy
import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any

from ..system.local_time import offset
from . import request_context

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Clock", "RequestFilter", "TextFormatter", "make_json_formatter", "shown"]

# All line ends, control characters, characters that change the direction of text or are invisible
# (except the joiners, which scripts and emoji need), and lone surrogates, by which Python holds
# bytes that are not text.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_UNSAFE_BUT_LINES = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))
_BLANK = re.compile(r"\s")
_LINE_ENDS = "\r\n"

# The record's own names in JSON: neither `extra` nor a message that is a dict can replace them.
_OF_REQUEST = ("instance", "request_id", "client")
_PROTECTED = frozenset({"time", "level", "logger", "process", *_OF_REQUEST})
# Escapes that json writes: an escaped backslash, a whole surrogate pair, or a lone surrogate.
_JSON_HALVES = re.compile(
    r"\\\\|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|(\\)(?=ud[89a-f][0-9a-f]{2})"
)


class RequestFilter(logging.Filter):
    """Lets every record pass, and sets its `instance`, `request_id` and `client`.

    This is a filter and not part of a formatter, so that it runs in the context of the request. Add
    it to a QueueHandler, whose listener writes in another thread. Values that a record already has,
    from another filter or the caller's `extra`, are kept.
    """

    def __init__(self, instance: str = "") -> None:
        super().__init__()
        self.instance = instance

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes to the record; always return True."""
        has = record.__dict__
        if "request_id" not in has or "client" not in has:
            request = request_context.current()
            has.setdefault("request_id", request.id if request else "")
            has.setdefault("client", request.client if request else "")
        if _is_nothing(has.get("instance")):
            has["instance"] = self.instance
        return True


class TextFormatter(logging.Formatter):
    """One line: time with zone, level, logger, process and instance, request, message.

        2026-11-21T10:34:20.123+0000 INFO shop.views 4711@0a1b2c3d req=… client=203.0.113.7: Sold

    A traceback follows, each of its lines indented by four blanks.
    """

    def __init__(self) -> None:
        super().__init__()
        self._clock = Clock()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without the newline at its end; never raises."""
        has = record.__dict__.get
        instance, request, client = has("instance"), has("request_id"), has("client")
        line = f"{self._clock.time_of(record)} {record.levelname} {record.name} {record.process}"
        # An app's own `extra` may have these names and any type.
        if isinstance(instance, str) and instance:
            line += f"@{instance[:8]}"
        if isinstance(request, str) and request:
            line += f" req={_one_word(request)}"
        if isinstance(client, str) and client:
            line += f" client={_one_word(client)}"
        line = _one_line(f"{line}: {_message(record).rstrip(_LINE_ENDS)}")
        if record.exc_info or record.exc_text or record.stack_info:
            line += self._details(record)
        return line

    def _details(self, record: logging.LogRecord) -> str:
        if record.exc_info and not record.exc_text:
            record.exc_text = _traceback(self, record.exc_info)
        text = "\n".join(str(part) for part in (record.exc_text, record.stack_info) if part)
        shown = _UNSAFE_BUT_LINES.sub(_escape, text)
        return "".join(f"\n    {line}" for line in shown.split("\n"))


def make_json_formatter() -> logging.Formatter:
    """Return the formatter for JSON: one object per line, with all of a record's `extra`.

    Its names: `time`, `level`, `logger`, `process`, `instance`, `request_id`, `client`, `message`,
    and `exc_info` or `stack_info` if there is one. A message that is a dict is merged into the
    object; in it, the first seven names become `extra_time` and so on. In `extra`, `time`, `level`
    and `logger` are renamed too, but a caller may set `instance`, `request_id` and `client`.
    """
    try:
        from pythonjsonlogger.json import JsonFormatter
    except ImportError:  # python-json-logger before 3.1
        from pythonjsonlogger.jsonlogger import JsonFormatter  # type: ignore[attr-defined]

    class Formatter(JsonFormatter):
        """python-json-logger's, with the time in ISO form, no empty values and none forged."""

        _clock = Clock()

        def format(self, record: logging.LogRecord) -> str:
            try:
                return super().format(record)
            except Exception:  # a value of the caller's: write as much as possible
                told = copy.copy(record)
                told.msg, told.args, told.exc_info = _message(record), None, None
                if record.exc_info:
                    told.exc_text = _traceback(self, record.exc_info)
                return super().format(told)

        def add_fields(
            self,
            log_data: dict[str, Any],
            record: logging.LogRecord,
            message_dict: Mapping[str, Any],
        ) -> None:
            given: dict[str, Any] = {}
            super().add_fields(given, record, {})
            log_data["time"] = self._clock.time_of(record)
            log_data["level"] = record.levelname
            log_data["logger"] = record.name
            log_data["process"] = record.process
            for name in _OF_REQUEST:
                value = given.pop(name, None)
                if not _is_nothing(value):
                    log_data[name] = value
            log_data["message"] = given.pop("message")
            for name, value in (*message_dict.items(), *given.items()):
                log_data[f"extra_{name}" if name in _PROTECTED else name] = value

    return Formatter("%(message)s", json_serializer=_dumps)


class Clock:
    """Formats times with their zone, and caches the text of the current second."""

    def __init__(self) -> None:
        self._made = (-1, "", "")

    def time_of(self, record: logging.LogRecord) -> str:
        """Return a record's time."""
        return self.text(int(record.created), int(record.msecs))

    def text(self, second: int, milliseconds: int) -> str:
        """Return the time `milliseconds` after a second of `time.time()`."""
        known, stamp, zone = self._made
        if second != known:
            local = time.localtime(second)
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", local)
            zone = offset(local)
            self._made = (second, stamp, zone)
        return f"{stamp}.{milliseconds:03d}{zone}"


def _message(record: logging.LogRecord) -> str:
    """Return the record's message; if it cannot be formatted, its parts and the error."""
    try:
        return record.getMessage()
    except Exception as error:
        return (
            f"{shown(record.msg)} cannot be formatted with {shown(record.args)}: "
            f"{shown(error)} ({record.pathname}:{record.lineno})"
        )


def _traceback(formatter: logging.Formatter, error: Any) -> str:
    try:
        return formatter.formatException(error)
    except Exception as failure:
        return f"(the traceback cannot be formatted: {shown(failure)})"


def shown(value: object) -> str:
    """Return an object's `repr`, or its type's name if `repr` fails."""
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _is_nothing(value: object) -> bool:
    """Return whether the value is None or "", without comparing it: some objects refuse that."""
    return value is None or (type(value) is str and not value)


def _dumps(data: dict[Any, Any], **options: Any) -> str:
    """Return JSON that every parser takes; values that JSON cannot hold become texts."""
    try:
        text = json.dumps(data, allow_nan=False, **options)
    except Exception:
        text = json.dumps(
            {
                name if isinstance(name, str) else shown(name): _plain(value, options)
                for name, value in data.items()
            },
            **options,
        )
    # Strict parsers refuse a lone surrogate, even if it is escaped.
    return _JSON_HALVES.sub(_escape_half, text) if "\\ud" in text else text


def _plain(value: Any, options: dict[str, Any]) -> Any:
    try:
        json.dumps(value, allow_nan=False, **options)
    except Exception:
        return shown(value)
    return value


def _escape_half(match: re.Match[str]) -> str:
    return "\\\\" if match[1] else match[0]


def _one_line(text: str) -> str:
    return text if text.isprintable() else _UNSAFE.sub(_escape, text)


def _one_word(text: str) -> str:
    return _BLANK.sub(_escape, text) if _BLANK.search(text) else text


def _escape(match: re.Match[str]) -> str:
    return "\\x20" if match[0] == " " else match[0].encode("unicode_escape").decode("ascii")
