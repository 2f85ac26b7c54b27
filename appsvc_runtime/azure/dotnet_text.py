"""Text as .NET's StreamReader decodes it, which Kudu and PowerShell use for files.

Takes bytes, returns text, never raises. Must not know what is in the text.
"""

from __future__ import annotations

__all__ = ["decode"]

# Byte-order marks; that of UTF-32 begins as that of UTF-16 does, and comes first.
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


def decode(data: bytes) -> str:
    """Return the text by its byte-order mark, else as UTF-8; invalid bytes become U+FFFD."""
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(codec, "replace")
    return data.decode("utf-8", "replace")
