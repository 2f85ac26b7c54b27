"""Which WebJobs are run, and what is reported about them."""

from __future__ import annotations

from pathlib import Path

from appsvc_runtime.emulator.webjobs.plan import WebJobOptions, make_webjob_plan
from tests.support.emulator import make_site

SCHEDULE = '{"schedule": "0 0 6 * * *"}'


def test_schedule_of_a_continuous_job(tmp_path: Path) -> None:
    """Kudu does not use it; that is reported, and not for a triggered job."""
    site = make_site(
        tmp_path / "site",
        {
            f"App_Data/jobs/{kind}/a/{name}": text
            for kind in ("continuous", "triggered")
            for name, text in (("run.py", ""), ("settings.job", SCHEDULE))
        },
    )
    made = make_webjob_plan(WebJobOptions(site, hosting="windows"), {})
    assert [(one.code, one.where) for one in made.findings if one.code == "schedule"] == [
        ("schedule", "continuous/a/settings.job")
    ]
    assert [(job.job.kind, job.schedule is not None) for job in made.jobs] == [
        ("continuous", False),
        ("triggered", True),
    ]
