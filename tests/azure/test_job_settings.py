"""settings.job: its values and its faults."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.azure.job_settings import JobSettings, read_job_settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", JobSettings()),
        ('{"is_singleton": true}', JobSettings(is_singleton=True)),
        ('{"is_singleton": false}', JobSettings(is_singleton=False)),
        ('{"is_singleton": null}', JobSettings()),
        ('{"stopping_wait_time": 30}', JobSettings(stopping_wait_time=30)),
        ('{"stopping_wait_time": 0}', JobSettings(stopping_wait_time=0)),
        ('{"is_in_place": true}', JobSettings(is_in_place=True)),
        ('{"schedule": "0 0 * * * *"}', JobSettings(schedule="0 0 * * * *")),
        ('{"other": [1], "nested": {"a": 1}}', JobSettings()),
        ('{"stopping_wait_time": 1, "stopping_wait_time": 2}', JobSettings(stopping_wait_time=2)),
        ('\ufeff{"is_singleton": true}', JobSettings(is_singleton=True)),
        ('{"stopping_wait_time": 172800}', JobSettings(stopping_wait_time=172800)),
        ('{"stopping_wait_time": 2147483}', JobSettings(stopping_wait_time=2147483)),
        ('{"stopping_wait_time": 0x3C}', JobSettings(stopping_wait_time=60)),
        (
            "{is_singleton: true, 'schedule': '0 0 * * * *',}",
            JobSettings(True, schedule="0 0 * * * *"),
        ),
        ("// none\n{/* yet */}", JobSettings()),
        ("", JobSettings()),
        ("null", JobSettings()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_said(text: str, expected: JobSettings) -> None:
    """Values are read without findings."""
    assert read_job_settings(text.encode(), "settings.job") == (expected, ())


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (b"{", "malformed", "It is not JSON in line 1"),
        (b'{\n"a": 1,\n"b"}', "malformed", "It is not JSON in line 3"),
        (b"[1]", "malformed", "It is not a JSON object"),
        (b'"text"', "malformed", "It is not a JSON object"),
        (b"\xff\xfe{}", "malformed", "It is not JSON in line 1"),
        (b'{"is_singleton": true\n"schedule": "x"}', "malformed", "It is not JSON in line 2"),
        (b'{"Is_Singleton": true}', "wrong-name", "'Is_Singleton' is not is_singleton"),
        (b'{"stoppingWaitTime": 60}', "wrong-name", "is not stopping_wait_time"),
        (b'{"is-in-place": true}', "wrong-name", "'is-in-place' is not is_in_place"),
        (b'{"is_singleton": "true"}', "wrong-type", "is_singleton is not true or false"),
        (b'{"is_singleton": 1}', "wrong-type", "is_singleton is not true or false"),
        (b'{"stopping_wait_time": "60"}', "wrong-type", "is not a whole number"),
        (b'{"is_singleton": "yes"}', "wrong-type", "is_singleton is not true or false"),
        (b'{"is_singleton": [true]}', "wrong-type", "is_singleton is not true or false"),
        (b'{"is_in_place": {}}', "wrong-type", "is_in_place is not true or false"),
        (b'{"stopping_wait_time": "soon"}', "wrong-type", "is not a whole number"),
        (b'{"stopping_wait_time": 2.5}', "wrong-type", "is not a whole number"),
        (b'{"stopping_wait_time": true}', "wrong-type", "is not a whole number"),
        (b'{"stopping_wait_time": -1}', "wrong-type", "is not a whole number"),
        (b'{"stopping_wait_time": NaN}', "wrong-type", "is not a whole number"),
        (b'{"stopping_wait_time": 1e3}', "wrong-type", "is not a whole number"),
        (b'{"stopping_wait_time": 1e999}', "malformed", "It is not JSON in line 1"),
        (b'{"stopping_wait_time": 2147484}', "wrong-type", "from 0 to 2147483"),
        (b'{"stopping_wait_time": "Infinity"}', "wrong-type", "is not a whole number"),
        (
            b'{"stopping_wait_time": %s}' % (b"9" * 300),
            "wrong-type",
            "is not a whole number",
        ),
        (b'{"schedule": 5}', "wrong-type", "schedule is not a text"),
    ],
    ids=lambda value: value.decode("latin-1")[:40] if isinstance(value, bytes) else "",
)
def test_what_is_wrong(data: bytes, code: str, said: str) -> None:
    """A fault is reported, and the default is used."""
    settings, findings = read_job_settings(data, "jobs/settings.job")
    assert settings == JobSettings()
    assert [(one.code, one.level, one.where) for one in findings] == [
        (code, "warning", "jobs/settings.job")
    ]
    assert said in findings[0].message
    assert "used" in findings[0].message


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_encodings(codec: str) -> None:
    """A byte-order mark tells the encoding, as PowerShell's `>` and Notepad write it."""
    data = '{"schedule": "0 0 6 * * *"} // täglich'.encode(codec)
    assert read_job_settings(data, "x") == (JobSettings(schedule="0 0 6 * * *"), ())


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-be"])
def test_encodings_of_the_other_order(codec: str) -> None:
    """Both orders of bytes have a mark."""
    data = '\ufeff{"is_singleton": true}'.encode(codec)
    assert read_job_settings(data, "x") == (JobSettings(is_singleton=True), ())


def test_one_mistake_does_not_hide_the_rest() -> None:
    """Each value is read independently."""
    settings, findings = read_job_settings(
        b'{"is_singleton": "?", "stopping_wait_time": 7, "schedule": []}', "x"
    )
    assert settings == JobSettings(stopping_wait_time=7)
    assert len(findings) == 2


def test_deep_nesting() -> None:
    """Deep nesting is a finding, and not a traceback."""
    settings, findings = read_job_settings(b"[" * 200_000, "x")
    assert settings == JobSettings()
    assert findings[0].code == "malformed"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)
NAMES = st.sampled_from(["is_singleton", "stopping_wait_time", "is_in_place", "schedule", "x"])


@given(values=st.dictionaries(NAMES, JSON))
def test_any_values(values: dict[str, object]) -> None:
    """Any values give settings of the right types, and never an exception."""
    settings, _ = read_job_settings(json.dumps(values).encode(), "x")
    assert settings.is_singleton in (None, True, False)
    assert settings.stopping_wait_time is None or 0 <= settings.stopping_wait_time <= 2147483
    assert isinstance(settings.schedule, str)


@given(data=st.binary(max_size=100))
def test_any_bytes(data: bytes) -> None:
    """Any bytes give settings, and never an exception."""
    read_job_settings(data, "x")
