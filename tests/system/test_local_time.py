"""The offset of local time from UTC."""

from __future__ import annotations

import time

import pytest

from appsvc_runtime.system.local_time import offset


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(0, "+0000", id="utc"),
        pytest.param(7200, "+0200", id="east"),
        pytest.param(20700, "+0545", id="quarters"),
        pytest.param(-12600, "-0330", id="west"),
        pytest.param(-30, "+0000", id="less-than-a-minute"),
        pytest.param(50400, "+1400", id="the-most"),
    ],
)
def test_offset(monkeypatch: pytest.MonkeyPatch, seconds: int, text: str) -> None:
    """It is the time's own: the system's strftime, which Windows lets write -0000, is not asked."""
    monkeypatch.delattr(time, "strftime")
    local = time.struct_time((2026, 11, 30, 12, 0, 0, 0, 334, 0), {"tm_gmtoff": seconds})
    assert offset(local) == text
