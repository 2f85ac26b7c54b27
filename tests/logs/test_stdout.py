"""Lines to standard output are whole, and the app continues, whatever happens to the stream."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest

from appsvc_runtime.logs.formats import TextFormatter, make_json_formatter
from appsvc_runtime.logs.stdout import StdoutHandler
from tests.support.servers import ROOT, clean_environ, run

CONFIGURE = (
    "import sys, logging; from appsvc_runtime import configure_logging\n"
    "configure_logging(); log = logging.getLogger('shop')\n"
)


@pytest.fixture
def handler() -> Iterator[StdoutHandler]:
    made = StdoutHandler()
    made.setFormatter(TextFormatter())
    yield made
    made.lost = 0  # or it would tell
    made.close()


def say(handler: logging.Handler, message: object, *args: object) -> None:
    handler.handle(logging.LogRecord("shop", logging.INFO, __file__, 1, message, args, None))


class Disk(io.RawIOBase):
    """A raw stream that is full at times."""

    def __init__(self) -> None:
        self.full = False
        self.data = b""

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Take the bytes, unless full."""
        if self.full:
            raise OSError(28, "No space left on device")
        self.data += bytes(data)
        return len(data)

    def messages(self) -> list[str]:
        """Return the messages of the lines."""
        return [line.partition(": ")[2] for line in self.data.decode().splitlines()]


def test_each_line_goes_to_what_standard_output_is_then(handler: StdoutHandler) -> None:
    """wfastcgi has another stream for every request, and keeps none."""
    for number in range(3):
        with redirect_stdout(io.StringIO()) as out:
            say(handler, "line %d", number)
        assert out.getvalue().endswith(f"shop {os.getpid()}: line {number}\n")
        assert out.getvalue().count("\n") == 1
        out.close()
    assert handler.lost == 0


LOSING: list[Any] = [
    pytest.param(lambda: None, id="none"),
    pytest.param(lambda: _closed(), id="closed"),
    pytest.param(lambda: object(), id="no-stream"),
    pytest.param(lambda: io.BytesIO(), id="takes-bytes"),
]


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", LOSING)
def test_lines_that_are_lost_are_counted(stream: Any, handler: StdoutHandler) -> None:
    """The count is written when there is a standard output again; nothing is raised."""
    with redirect_stdout(stream()), redirect_stderr(io.StringIO()) as err:
        for _ in range(3):
            say(handler, "lost")
    assert (handler.lost, handler.written, err.getvalue()) == (3, 0, "")
    with redirect_stdout(io.StringIO()) as out:
        say(handler, "there")
        say(handler, "again")
    assert [line.partition(": ")[2] for line in out.getvalue().splitlines()] == [
        "3 log lines could not be written to standard output.", "there", "again",
    ]  # fmt: skip
    assert handler.written


@pytest.mark.parametrize("size", [10, 100_000], ids=["short", "long"])
@pytest.mark.parametrize("unbuffered", [False, True], ids=["buffered", "unbuffered"])
def test_a_disk_that_is_full_for_a_while(
    unbuffered: bool, size: int, handler: StdoutHandler
) -> None:
    """Each line is written once or counted, also lines in the stream's own buffer."""
    disk = Disk()
    raw: Any = disk if unbuffered else io.BufferedWriter(disk)
    with redirect_stdout(io.TextIOWrapper(raw, "utf-8", write_through=unbuffered)) as stream:
        say(handler, "first")
        disk.full = True
        for number in range(5):
            say(handler, "%d%s", number, "x" * size)
        disk.full = False
        say(handler, "last")
        found = disk.messages()
        stream.detach()  # type: ignore[attr-defined]
    held = [line for line in found if line.startswith("0x")]
    assert held in ([], ["0" + "x" * size])
    counted = f"{5 - len(held)} log lines could not be written to standard output."
    assert found == ["first", *held, counted, "last"]


def test_the_count_is_json_where_lines_are(handler: StdoutHandler) -> None:
    """A reader of JSON gets the count as JSON."""
    handler.setFormatter(make_json_formatter())
    handler.lost = 7
    with redirect_stdout(io.StringIO()) as out:
        say(handler, "there")
    found = [json.loads(line)["message"] for line in out.getvalue().splitlines()]
    assert found == ["7 log lines could not be written to standard output.", "there"]


def test_what_never_got_out_is_told_at_the_end() -> None:
    """The count goes to standard error when the handler is closed."""
    handler = StdoutHandler()
    with redirect_stdout(None), redirect_stderr(io.StringIO()) as err:
        say(handler, "lost")
        handler.close()
    assert err.getvalue() == "1 log lines could not be written to standard output.\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_characters_that_the_stream_lacks(encoding: str, handler: StdoutHandler) -> None:
    """Characters that its encoding lacks are escaped; the line is whole."""
    raw = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(raw, encoding, newline="\n")) as stream:
        say(handler, "é 世界 \udc80")
        shown = raw.getvalue().decode(encoding)
        stream.detach()  # type: ignore[attr-defined]
    escaped = "é 世界 \\udc80".encode(encoding, "backslashreplace").decode(encoding)
    assert shown.endswith(f": {escaped}\n")


def test_a_stream_that_logs_what_is_written(handler: StdoutHandler) -> None:
    """A common recipe: there is no endless loop, and the line is written."""

    class ToLog(io.TextIOBase):
        def write(self, text: str) -> int:
            if text.strip():
                say(handler, "again %s", text.rstrip())
            return len(text)

    real = io.StringIO()
    before, sys.__stdout__ = sys.__stdout__, real  # type: ignore[misc]
    try:
        with redirect_stdout(ToLog()):
            say(handler, "hello")
            say(handler, "hello")
    finally:
        sys.__stdout__ = before  # type: ignore[misc]
    assert real.getvalue().count("hello\n") == 2
    assert handler.lost == 0


@pytest.mark.parametrize("stderr", [None, _closed()], ids=["none", "closed"])
def test_a_formatter_of_the_users_that_fails(stderr: Any, handler: StdoutHandler) -> None:
    """The error goes to standard error, if there is one, as in the standard library."""
    handler.setFormatter(logging.Formatter("%(missing)s"))
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(stderr):
        say(handler, "hello")
    with redirect_stderr(io.StringIO()) as err:
        say(handler, "hello")
    assert "missing" in err.getvalue()
    assert out.getvalue() == ""


# In real processes


def test_a_megabyte_is_one_line() -> None:
    """It goes through a pipe, with bytes that are not text in it."""
    code = "log.warning('a' * 500_000 + '\\n\\udc80' + 'b' * 500_000 + '.')"
    result = run("-c", CONFIGURE + code)
    assert (result.returncode, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    assert line.endswith("a\\n\\udc80" + "b" * 500_000 + ".")


@pytest.mark.parametrize(
    ("message", "args"),
    [
        pytest.param("%d", ("x",), id="kind"),
        pytest.param("%s %s", (1,), id="too-few"),
        pytest.param("x", (1,), id="too-many"),
    ],
)
def test_a_record_that_cannot_be_formatted(message: str, args: tuple[object, ...]) -> None:
    """It is logged with its place in the code; standard error has nothing."""
    code = f"log.warning({message!r}, *{args!r})\nlog.warning('on')"
    result = run("-c", CONFIGURE + code)
    first, second = result.stdout.splitlines()
    assert f"{message!r} cannot be formatted with {args!r}" in first
    assert first.endswith("(<string>:3)")
    assert second.endswith(": on")
    assert (result.returncode, result.stderr) == (0, "")


FAULTS = [
    pytest.param("sys.stdout.close()", id="closed"),
    pytest.param("sys.stdout = None", id="none"),
    pytest.param("import os; os.close(1)", id="descriptor-closed"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_app_goes_on(fault: str) -> None:
    """The app continues, whatever has become of standard output."""
    code = f"{fault}\nfor n in range(1000): log.warning('line %d', n)\nsys.stderr.write('on')\n"
    result = run("-c", CONFIGURE + code)
    assert result.stderr.startswith("on")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("target", ["broken pipe", "/dev/full"])
def test_the_app_goes_on_with_a_real(target: str, unbuffered: str) -> None:
    """With a closed pipe or a full disk the app continues; the loss is reported at the end."""
    if target == "/dev/full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, descriptor = os.pipe()
        os.close(reader)
    code = "for n in range(1000): log.warning('line %d', n)\nsys.stderr.write('on\\n')\n"
    try:
        result = subprocess.run(
            [sys.executable, "-c", CONFIGURE + code],
            env={**clean_environ(), "PYTHONUNBUFFERED": unbuffered}, cwd=ROOT, stdout=descriptor,
            stderr=subprocess.PIPE, text=True, timeout=30, check=False,
        )  # fmt: skip
    finally:
        os.close(descriptor)
    on, told, *_ = result.stderr.splitlines()
    assert on == "on"
    assert told.endswith("1000 log lines could not be written to standard output.")
