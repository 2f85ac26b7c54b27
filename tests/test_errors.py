"""The texts of errors and findings: Windows paths as a user writes them."""

from __future__ import annotations

import pickle

import pytest

from appsvc_runtime.errors import AppLoadError, ConfigError
from appsvc_runtime.findings import Finding

# What an f-string with `!r` makes of a path or another text, and what is shown.
SHOWN = {
    "The site " + repr(r"D:\shop") + " isn't one.": r"The site 'D:\shop' isn't one.",
    repr(r"C:\a\b") + " and " + repr(r"\\server\share"): r"'C:\a\b' and '\\server\share'",
    repr("D:/shop") + " is Jörg's.": "'D:/shop' is Jörg's.",
    # What is escaped stays so.
    "A name " + repr("D:\\a\x1b"): r"A name 'D:\\a\x1b'",
    r"Write it as --map 'D:\data=DIR'.": r"Write it as --map 'D:\data=DIR'.",
    r"The share '\\server\share'": r"The share '\\server\share'",
    r"The pattern a\\b isn't it.": r"The pattern a\\b isn't it.",
    r"The pattern a\\b": r"The pattern a\\b",
}


@pytest.mark.parametrize("text", SHOWN)
def test_paths_of_windows_are_shown_as_written(text: str) -> None:
    r"""`'D:\\shop'` is shown as `'D:\shop'`, in messages and hints, also after pickling."""
    for error in (ConfigError(text, hint=text), ConfigError(str(Finding("x", "error", "", text)))):
        assert error.message == SHOWN[text]
        assert pickle.loads(pickle.dumps(error)).message == SHOWN[text]
    assert ConfigError(text, hint=text).hint == SHOWN[text]
    assert str(Finding("x", "warning", "", text, text)) == f"{SHOWN[text]} {SHOWN[text]}"


def test_a_traceback_stays() -> None:
    """Only our own sentences are changed, not the app's text below them."""
    details = r"File 'D:\\app.py'"
    assert str(AppLoadError("It failed.", details=details)).endswith(details)
