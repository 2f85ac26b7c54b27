"""The encoding of what programs print: UTF-8, and on Windows its own."""

from __future__ import annotations

import pytest

from appsvc_runtime.system import output_text, process
from appsvc_runtime.system.output_text import decode_output

PRINTED = {
    b"J\xc3\xb6rg": ("Jörg", "Jörg"),
    b"J\xf6rg": (r"J\xf6rg", "Jörg"),
    b"\x81 J\xf6rg": (r"\x81 J\xf6rg", r"\x81 J\xf6rg"),  # cp1252 has no 0x81
    b"plain": ("plain", "plain"),
}


@pytest.mark.parametrize("data", PRINTED)
def test_output(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """What is not UTF-8 is read as Windows writes it, there alone."""
    on_linux, on_windows = PRINTED[data]
    monkeypatch.setattr(output_text, "_ANSI", "cp1252")
    monkeypatch.setattr(process, "WINDOWS", False)
    assert decode_output(data) == on_linux
    monkeypatch.setattr(process, "WINDOWS", True)
    assert decode_output(data) == on_windows
