"""What the log and the client get to see of a FastCGI process."""

from __future__ import annotations

import pytest

from appsvc_runtime.emulator.iis.fastcgi.errors import FastCgiExitError, FastCgiTimeoutError
from appsvc_runtime.emulator.iis.fastcgi.exchange import Response
from appsvc_runtime.emulator.iis.fastcgi.pages import page, pass_on, queue_is_full

WFASTCGI = (
    "Error occurred while reading WSGI handler:\n\nTraceback (most recent call last):\n"
    '  File "wfastcgi.py", line 791, in main\n    env, handler = read()\n'
    "ImportError: no such thing\n\n\nStdOut: printed\n\nStdErr: too\n"
)


@pytest.mark.parametrize(
    ("stderr", "note"),
    [
        pytest.param("", "python-1", id="none"),
        pytest.param(WFASTCGI, "python-1: ImportError: no such thing", id="wfastcgi"),
        pytest.param("one line\n", "python-1: one line", id="one-line"),
        pytest.param("\n \n", "python-1: ", id="blank"),
        pytest.param("x" * 500, "python-1: " + "x" * 200, id="long"),
    ],
)
def test_the_log_has_what_says_most(stderr: str, note: str) -> None:
    """The note has the exception, not the words around it."""
    answer = pass_on(Response(500, "", [], stderr.encode(), stderr), "python-1")
    assert answer.note == note
    assert answer.body == stderr.encode()


def test_pages_say_what_iis_answers() -> None:
    """The status shows the cause, the text has IIS's own error number."""
    ended = page(FastCgiExitError("It ended with 3.", returncode=3, output="last words"), "p")
    assert (ended.status, b"last words" in bytes(ended.body)) == (502, True)  # type: ignore[arg-type]
    slow = page(FastCgiTimeoutError("It said nothing for 30 s."), "p")
    assert (slow.status, b"0x80070102" in bytes(slow.body)) == (500, True)  # type: ignore[arg-type]
    full = page(queue_is_full(7), "")
    assert (full.status, b"queueLength" in bytes(full.body)) == (503, True)  # type: ignore[arg-type]
