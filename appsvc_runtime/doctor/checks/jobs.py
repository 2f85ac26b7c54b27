"""JOB: WebJobs in App_Data/jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...azure.job_settings import read_job_settings
from ..check import Found, check
from ..requirements import normal
from ..site import Site

_JOB = re.compile(r"(.*?App_Data/jobs/(continuous|triggered)/([^/]+))/", re.I)
_KUDU = "projectkudu/kudu, Kudu.Core/Jobs; AD:webjobs-execution"
_RUN = ("cmd", "bat", "exe", "ps1", "sh", "py", "php", "js", "fsx")


def _jobs(site: Site) -> dict[str, tuple[str, list[str]]]:
    """Return for each job's folder its type, and the names of the files directly in it."""
    found: dict[str, tuple[str, list[str]]] = {}
    for name in site.tree.files:
        job = _JOB.match(name)
        if job:
            _, files = found.setdefault(job[1], (job[2].lower(), []))
            if "/" not in name[job.end() :]:
                files.append(name[job.end() :])
    return dict(sorted(found.items()))


@check("JOB-01", "A job has nothing that Linux can run", "error", host="webjob", source=_KUDU)
def job_01(site: Site) -> Iterator[Found]:
    """Report jobs without `run.sh` or `run.py`, and scripts that a shell cannot read.

    `run.cmd`, `.bat`, `.exe` and `.ps1` are for Windows.
    """
    for folder, (_, files) in _jobs(site).items():
        kinds = [kind for kind in _RUN if f"run.{kind}" in files]
        if not kinds and not any(name.endswith((".sh", ".py")) for name in files):
            yield Found("The job has no run.sh and no run.py.", "Write one.", folder)
        elif kinds and not {"sh", "py"} & set(kinds) and "iis" not in site.hosts:
            yield Found(
                f"run.{kinds[0]} is for Windows: on Linux the job has nothing to run.",
                "Add run.sh or run.py.",
                f"{folder}/run.{kinds[0]}",
            )
        for name in (one for one in files if one.endswith(".sh")):
            path = f"{folder}/{name}"
            data = site.data(path)
            if b"\r\n" in data:
                yield Found("The script has Windows line ends.", "Save it with LF.", path)
            elif not data.startswith(b"#!"):
                yield Found("The script's first line names no shell.", "Write #!/bin/bash.", path)


@check(
    "JOB-02",
    "A job's script imports packages",
    "warning",
    host="webjob",
    source="AD:webjobs-execution says nothing of it; this package's page on WebJobs",
)
def job_02(site: Site) -> Iterator[Found]:
    """Report `run.py` that imports the site's packages.

    Which Python runs `run.py` on Linux, and whether it has the site's virtual environment, is
    documented nowhere. A `run.sh` that names the interpreter leaves no doubt.
    """
    wanted = {one.name for one in site.requirements if one.name}
    for folder, (_, files) in _jobs(site).items():
        if "run.py" not in files or "run.sh" in files:
            continue
        text = site.text(f"{folder}/run.py")
        for found in re.finditer(r"(?m)^[ \t]*(?:import|from)[ \t]+([A-Za-z_]\w*)", text):
            if normal(found[1]) in wanted and found[1] != "appsvc_runtime":
                yield Found(
                    f"run.py imports {found[1]}, which the job's Python may not have.",
                    "Start it from run.sh with the virtual environment's python.",
                    f"{folder}/run.py",
                    text.count("\n", 0, found.start()) + 1,
                )
                break


@check("JOB-03", "A job's settings are not used", "error", host="webjob", source=_KUDU)
def job_03(site: Site) -> Iterator[Found]:
    """Report settings.job with values that Kudu silently replaces by defaults, and wrong schedules.

    A schedule has six fields, the first are the seconds.
    """
    for folder, (kind, files) in _jobs(site).items():
        if "settings.job" not in files:
            continue
        file = f"{folder}/settings.job"
        settings, findings = read_job_settings(site.data(file), file)
        for one in findings:
            yield Found(one.message, one.hint, file)
        fields = settings.schedule.split()
        if fields and len(fields) == 5 and not any("fields" in one.message for one in findings):
            yield Found(
                "The schedule has five fields, and Kudu wants six: the job never runs.",
                f"Write `0 {settings.schedule}`.",
                file,
            )
        if fields and kind == "continuous":
            yield Found(
                "A continuous job has no schedule: it runs all the time.", "Remove it.", file
            )


@check(
    "JOB-04",
    "A continuous job runs on each instance",
    "note",
    host="webjob",
    source="Kudu.Contracts/Jobs/JobSettings.cs; AD:webjobs-create says the opposite",
)
def job_04(site: Site) -> Iterator[Found]:
    """Report continuous jobs that do not say whether they run once for all instances.

    The documentation names true as the default of is_singleton; Kudu's code has false.
    """
    for folder, (kind, files) in _jobs(site).items():
        if kind != "continuous":
            continue
        file = f"{folder}/settings.job"
        settings, _ = read_job_settings(site.data(file) or b"{}", file)
        if settings.is_singleton is None:
            yield Found(
                "is_singleton is not set: the job runs on each instance.",
                'Write {"is_singleton": true} or false into settings.job.',
                file if "settings.job" in files else folder,
            )
