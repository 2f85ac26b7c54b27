"""When a triggered WebJob is due: times computed by hand, and what Kudu refuses."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.emulator.webjobs.schedule import read_schedule

# A Thursday.
FROM = "2026-11-26 12:00:00"


def following(text: str, moment: str = FROM) -> str:
    schedule, findings = read_schedule(text, "x")
    assert findings == ()
    assert schedule is not None
    found = schedule.next_after(datetime.fromisoformat(moment))
    assert found is not None
    return found.isoformat(" ")


@pytest.mark.parametrize(
    ("text", "moment", "expected"),
    [
        ("* * * * * *", FROM, "2026-11-26 12:00:01"),
        ("0 * * * * *", FROM, "2026-11-26 12:01:00"),
        ("0 * * * * *", "2026-11-26 11:59:59", "2026-11-26 12:00:00"),
        ("*/10 * * * * *", FROM, "2026-11-26 12:00:10"),
        ("*/10 * * * * *", "2026-11-26 12:00:55", "2026-11-26 12:01:00"),
        ("30 * * * * *", FROM, "2026-11-26 12:00:30"),
        ("0 */15 * * * *", FROM, "2026-11-26 12:15:00"),
        ("0 */15 * * * *", "2026-11-26 12:45:00", "2026-11-26 13:00:00"),
        ("0 5/15 * * * *", FROM, "2026-11-26 12:05:00"),
        ("0 5/15 * * * *", "2026-11-26 12:05:00", "2026-11-26 12:20:00"),
        ("0 10-20/5 * * * *", "2026-11-26 12:20:00", "2026-11-26 13:10:00"),
        ("0 0 * * * *", FROM, "2026-11-26 13:00:00"),
        ("0 0 9-17 * * *", FROM, "2026-11-26 13:00:00"),
        ("0 0 9-17 * * *", "2026-11-26 17:00:00", "2026-11-27 09:00:00"),
        ("0 30 9,13 * * *", FROM, "2026-11-26 13:30:00"),
        ("0 0 6 * * *", FROM, "2026-11-27 06:00:00"),
        ("0 30 9 * * 1-5", "2026-11-27 09:30:00", "2026-11-30 09:30:00"),
        ("0 30 9 * * mon-fri", "2026-11-27 09:30:00", "2026-11-30 09:30:00"),
        ("0 0 0 * * 0", FROM, "2026-11-29 00:00:00"),
        ("0 0 0 * * SUN", FROM, "2026-11-29 00:00:00"),
        ("0 0 0 * * 6", FROM, "2026-11-28 00:00:00"),
        ("0 0 0 1 * *", FROM, "2026-12-01 00:00:00"),
        ("0 0 0 31 * *", FROM, "2026-12-31 00:00:00"),
        ("0 0 0 31 * *", "2027-01-31 00:00:00", "2027-03-31 00:00:00"),
        ("0 0 0 29 2 *", FROM, "2028-02-29 00:00:00"),
        ("0 0 0 1 1 *", FROM, "2027-01-01 00:00:00"),
        ("0 0 0 1 jan *", FROM, "2027-01-01 00:00:00"),
        ("0 0 0 * Jun-Aug *", FROM, "2027-06-01 00:00:00"),
        ("59 59 23 31 12 *", FROM, "2026-12-31 23:59:59"),
        # Both must match: the next Friday that is a 13th.
        ("0 0 0 13 * 5", FROM, "2027-08-13 00:00:00"),
        ("0 0 0 1-7 * 1", FROM, "2026-12-07 00:00:00"),
        ("0 0 12 25 12 *", "2026-12-25 12:00:00", "2027-12-25 12:00:00"),
        ("0  */5 * * * *", FROM, "2026-11-26 12:05:00"),
        ("0 0 9 * * Monday", FROM, "2026-11-30 09:00:00"),
        ("0 0 9 * * Mo", FROM, "2026-11-30 09:00:00"),
        ("0 0 9 1 January *", FROM, "2027-01-01 09:00:00"),
        # A range that runs backwards is reversed: Monday to Friday, 2 to 22 o'clock.
        ("0 0 9 * * fri-mon", "2026-11-27 09:00:00", "2026-11-30 09:00:00"),
        ("0 0 22-2 * * *", "2026-11-26 22:00:00", "2026-11-27 02:00:00"),
        ("0 */60 * * * *", FROM, "2026-11-26 13:00:00"),
        ("0 */0 * * * *", FROM, "2026-11-26 12:01:00"),
        ("0 5/0 * * * *", FROM, "2026-11-26 12:05:00"),
        ("0 5/0 * * * *", "2026-11-26 12:05:00", "2026-11-26 12:06:00"),
    ],
    ids=str,
)
def test_next_time(text: str, moment: str, expected: str) -> None:
    """Seconds come first; a day must match both fields; the moment itself is never returned."""
    assert following(text, moment) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "* * * * *", "* * * * * * *", "@daily", "60 * * * * *", "* 60 * * * *", "* * 24 * * *",
        "* * * 0 * *", "* * * 32 * *", "* * * * 0 *", "* * * * 13 *", "* * * * * 7", "* * * * * 8",
        "* * * L * *", "* * * 15W * *", "* * * * * 5#2", "* * * ? * *", "a * * * * *",
        "-1 * * * * *", "1- * * * * *", "*/ * * * * *", "60-70 * * * * *",
        "1,,2 * * * * *", "1.5 * * * * *", "* * * * foo *", "* * * * mon *", "R * * * * *",
        "0 0 0 30 2 *", "0\t0 0 0 * * *", "H * * * * *", "* " * 500, "\u0661 * * * * *",
    ],
    ids=lambda text: text[:30] or "empty",
)  # fmt: skip
def test_what_kudu_does_not_read(text: str) -> None:
    """One error has a hint; the job then runs only when it is triggered."""
    schedule, findings = read_schedule(text, "triggered/x/settings.job")
    assert schedule is None
    assert [(one.code, one.level, one.where) for one in findings] == [
        ("schedule", "error", "triggered/x/settings.job")
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("*/5 * * * *", "0 */5 * * * *"),
        ("  30 9 * * mon-fri ", "0 30 9 * * mon-fri"),
        ("0 9 * * 7", "0 0 9 * * 0"),
        ("0 0 9 * * 07", "0 0 9 * * 0"),
        ("0\t0 0 * * *", "0 0 0 * * *"),
        ("0 0 9 ? * 1", "0 0 9 * * 1"),
        ("0 0 9 1 * ?", "0 0 9 1 * *"),
        ("@daily", "0 0 0 * * *"),
        ("@Hourly", "0 0 * * * *"),
        ("@weekly", "0 0 0 * * 0"),
        # Not to be guessed.
        ("61 * * * *", ""),
        ("@reboot", ""),
        ("0 0 0 L * *", ""),
        ("0 0 6 * * * 2026", ""),
        ("5", ""),
        ("", ""),
    ],
    ids=str,
)
def test_the_line_to_write(text: str, meant: str) -> None:
    """What cron and others read gets the six fields for Kudu; they mean the same, and are read."""
    _, (finding,) = read_schedule(text, "x")
    if not meant:
        assert "{second} {minute}" in finding.hint
        return
    assert finding.hint == f'Write "schedule": "{meant}".'
    assert read_schedule(meant, "x")[1] == ()


def test_five_fields_are_named() -> None:
    """One sentence says what is wrong, one what to write."""
    _, (finding,) = read_schedule("*/5 * * * *", "x")
    assert str(finding) == (
        "The schedule '*/5 * * * *' has 5 fields, not 6 (seconds come first). "
        'Write "schedule": "0 */5 * * * *".'
    )


FIELD = st.text(st.sampled_from("0123456789*/,-LW#?janmofri"), max_size=6)


@given(fields=st.lists(FIELD, min_size=6, max_size=6))
def test_any_fields(fields: list[str]) -> None:
    """No fields raise an exception; an accepted schedule has a next time."""
    schedule, findings = read_schedule(" ".join(fields), "x")
    if schedule is None:
        assert findings
        return
    moment = datetime.fromisoformat(FROM)
    found = schedule.next_after(moment)
    assert found is not None
    assert found > moment


@given(text=st.text(max_size=40))
def test_any_text(text: str) -> None:
    """No text raises an exception."""
    read_schedule(text, "x")
