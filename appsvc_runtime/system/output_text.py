"""What programs print, as text."""

from __future__ import annotations

from . import process

__all__ = ["decode_output"]

_ANSI = "mbcs"  # Windows' own encoding, such as cp1252: Python writes it to a pipe


def decode_output(data: bytes) -> str:
    r"""Return output as text: it is UTF-8, or on Windows in that system's own encoding.

    Bytes that are neither are shown as `\xNN`.
    """
    if process.WINDOWS:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            try:
                return data.decode(_ANSI)
            except UnicodeDecodeError:
                pass
    return data.decode("utf-8", "backslashreplace")
