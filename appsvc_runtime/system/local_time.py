"""The offset of local time from UTC, the same on every system.

Windows' strftime takes `%z` from the time zone of the process and not from the time, and may write
`-0000` for UTC, which in RFC 3339 means that the offset is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import time

__all__ = ["offset"]


def offset(local: time.struct_time) -> str:
    """Return the offset of a time of `time.localtime`, such as `+0200`."""
    seconds = local.tm_gmtoff
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 and minutes else '+'}{minutes // 60:02d}{minutes % 60:02d}"
