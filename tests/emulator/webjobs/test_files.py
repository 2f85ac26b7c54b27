"""Which WebJobs a site has, and what each runs, by Kudu's rules."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from appsvc_runtime.emulator.webjobs.files import (
    choose_script,
    command_for,
    find_jobs,
    guess_hosting,
    program_for,
)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["run.py"], "run.py"),
        (["worker.py", "run.py"], "run.py"),
        (["a.py", "b.py"], "a.py"),
        (["b.py", "a.py"], "a.py"),
        (["B.py", "a.py"], "a.py"),
        (["run.py", "run.sh"], "run.sh"),
        (["run.py", "run.cmd"], "run.cmd"),
        (["run.bat", "run.cmd"], "run.cmd"),
        (["run.exe", "run.bat"], "run.bat"),
        (["run.ps1", "run.exe"], "run.exe"),
        (["run.sh", "run.ps1"], "run.ps1"),
        (["run.php", "run.py"], "run.py"),
        (["run.js", "run.php"], "run.php"),
        (["run.fsx", "run.js"], "run.js"),
        (["a.cmd", "run.py"], "run.py"),
        (["a.sh", "b.py"], "a.sh"),
        (["RUN.PY"], "RUN.PY"),
        (["Run.Sh", "run.py"], "Run.Sh"),
        (["runner.py", "arun.py"], "arun.py"),
        (["settings.job", "readme.txt"], None),
        (["run"], None),
        ([], None),
        (["run.pyc"], None),
    ],
    ids=lambda value: "+".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_choice_of_file(names: list[str], expected: str | None) -> None:
    """run.EXT in Kudu's order of extensions; else the first file by extension."""
    assert choose_script(names) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["run.py", "run.sh"], "run.sh"),
        (["run.cmd", "run.py"], "run.py"),
        (["run.ps1", "run.exe", "run.bat"], None),
        (["run.js", "run.php"], "run.php"),
        (["Run.sh", "run.py"], "run.py"),
        (["RUN.PY"], "RUN.PY"),
        (["a.sh", "b.py"], "b.py"),
        (["a.sh", "b.js"], "a.sh"),
        (["run.fsx"], None),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_choice_of_file_on_linux(names: list[str], expected: str | None) -> None:
    """Scripts of Windows do not count; without a run file, the site's language goes first."""
    assert choose_script(names, "linux") == expected


HOSTED = [
    pytest.param({}, "linux", id="run.py"),
    pytest.param({"web.config": ""}, "windows", id="web.config"),
    pytest.param({"Web.Config": ""}, "windows", id="letter-case"),
    pytest.param({"App_Data/jobs/triggered/b/run.cmd": ""}, "windows", id="run.cmd"),
    pytest.param({"App_Data/jobs/triggered/b/tool.exe": ""}, "windows", id="exe"),
    pytest.param({"App_Data/jobs/triggered/a/tool.exe": ""}, "linux", id="exe-that-is-not-run"),
    pytest.param({"App_Data/jobs/continuous/b/run.sh": ""}, "linux", id="run.sh"),
]


@pytest.mark.parametrize(("files", "expected"), HOSTED)
def test_what_a_site_runs_on(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    """A web.config or a script that only Windows runs shows a Windows site."""
    make(tmp_path, {"App_Data/jobs/triggered/a/run.py": "", **files})
    assert guess_hosting(tmp_path)[0] == expected


def make(site: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = site / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return site


def test_jobs_of_a_site(tmp_path: Path) -> None:
    """Both kinds are found, by name, with their settings; a file is not a job."""
    site = make(
        tmp_path,
        {
            "App_Data/jobs/triggered/report/run.py": "",
            "App_Data/jobs/triggered/report/settings.job": '{"schedule": "0 0 6 * * *"}',
            "App_Data/jobs/continuous/queue/run.py": "",
            "App_Data/jobs/continuous/mail and more/main.sh": "",
            "App_Data/jobs/continuous/notes.txt": "",
            "App_Data/jobs/other/x/run.py": "",
        },
    )
    jobs, findings = find_jobs(site)
    assert findings == []
    assert [(job.kind, job.name, job.script and job.script.name) for job in jobs] == [
        ("continuous", "mail and more", "main.sh"),
        ("continuous", "queue", "run.py"),
        ("triggered", "report", "run.py"),
    ]
    assert jobs[2].settings.schedule == "0 0 6 * * *"


def test_folders_in_another_letter_case(tmp_path: Path) -> None:
    """As on Windows, where the site comes from."""
    site = make(tmp_path, {"app_data/Jobs/Continuous/x/run.py": ""})
    assert [job.name for job in find_jobs(site)[0]] == ["x"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"readme.txt": ""}, "no file that can be run"),
        ({"run.py": "", "settings.job": "{"}, "It is not JSON"),
        ({"run.py": "", "settings.job": '{"is_in_place": "?"}'}, "is_in_place"),
    ],
    ids=["no-script", "no-json", "wrong-type"],
)
def test_what_is_wrong_with_a_job(tmp_path: Path, files: dict[str, str], said: str) -> None:
    """The finding names the job."""
    site = make(tmp_path, {f"App_Data/jobs/continuous/x/{name}": t for name, t in files.items()})
    (job,), _ = find_jobs(site)
    assert said in job.findings[0].message
    assert job.findings[0].where.startswith("continuous/x")


def test_site_without_jobs(tmp_path: Path) -> None:
    """There are no jobs and no findings."""
    assert find_jobs(tmp_path) == ([], [])
    assert find_jobs(tmp_path / "missing") == ([], [])


def test_job_in_one_folder(tmp_path: Path) -> None:
    """A zip often has such a folder: Kudu descends through folders with only one folder in them."""
    inner = "App_Data/jobs/continuous/x/publish/deep"
    site = make(tmp_path, {f"{inner}/run.py": "", f"{inner}/settings.job": '{"is_in_place": true}'})
    (job,), _ = find_jobs(site)
    assert job.folder == site / "App_Data/jobs/continuous/x"
    assert job.script == site / inner / "run.py"
    assert job.settings.is_in_place
    make(site, {"App_Data/jobs/continuous/x/readme.txt": ""})
    assert find_jobs(site)[0][0].script is None


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    """They are ignored, and hide no other file."""
    site = make(tmp_path, {"App_Data/jobs/continuous/x/run.py": ""})
    jobs = site / "App_Data/jobs/continuous"
    try:
        (jobs / "gone").symlink_to(jobs / "nowhere")
        (jobs / "x" / "loop.sh").symlink_to(jobs / "x" / "loop.sh")
    except OSError:
        pytest.skip("no links here")
    found, findings = find_jobs(site)
    assert [(job.name, job.script and job.script.name) for job in found] == [("x", "run.py")]
    assert findings == []


@pytest.mark.parametrize("wanted", ["x", "run.py"])
def test_what_nobody_may_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    """It is reported, and stops nothing."""
    site = make(
        tmp_path, {"App_Data/jobs/continuous/x/run.py": "", "App_Data/jobs/continuous/y/run.py": ""}
    )
    real = os.stat

    def refuse(path: object, **options: object) -> os.stat_result:
        if Path(str(path)).as_posix().endswith((f"x/{wanted}", f"continuous/{wanted}")):
            raise PermissionError(13, "Permission denied")
        return real(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("appsvc_runtime.emulator.webjobs.files.os.stat", refuse)
    found, findings = find_jobs(site)
    monkeypatch.undo()
    told = [*findings, *(one for job in found for one in job.findings)]
    assert [one.where for one in told] == ["continuous/x"]
    assert "Permission denied" in told[0].message
    assert [job.name for job in found if job.script] == ["y"]


def test_commands() -> None:
    """Each extension has its own program, and Windows' extensions only exist there."""
    script = Path("/x/run.py")
    assert command_for(script, "/py", ["a"], windows=False) == ["/py", "/x/run.py", "a"]
    bash = shutil.which("bash")
    shell = command_for(Path("/x/run.sh"), "/py", [], windows=False)
    assert shell == ([bash, "/x/run.sh"] if bash else None)
    assert command_for(Path("/x/run.cmd"), "/py", [], windows=False) is None
    assert command_for(Path("/x/run.cmd"), "/py", [], windows=True) == ["/x/run.cmd"]
    assert command_for(Path("/x/run.fsx"), "/py", [], windows=False) in (
        None,
        [shutil.which("fsi"), "/x/run.fsx"],
    )


@pytest.mark.parametrize(
    ("on_the_path", "chosen"),
    [
        (["Git/cmd/git.exe", "Git/bin/bash.exe"], "Git/bin/bash.exe"),
        (["System32/bash.exe", "Git/cmd/git.exe", "Git/bin/bash.exe"], "Git/bin/bash.exe"),
        (["msys/bash.exe", "Git/cmd/git.exe", "Git/bin/bash.exe"], "msys/bash.exe"),
        (["System32/bash.exe"], None),
        (["WindowsApps/bash.exe", "Git/cmd/git.exe"], None),
        ([], None),
    ],
)
def test_bash_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_the_path: list[str], chosen: str | None
) -> None:
    """Git's runs a script; that of WSL cannot find it. Git puts only `cmd` on the path."""
    for name in on_the_path:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    known = {Path(name).stem: name for name in reversed(on_the_path) if name != "Git/bin/bash.exe"}
    monkeypatch.setattr(
        shutil, "which", lambda name: str(tmp_path / known[name]) if name in known else None
    )
    found = program_for(".sh", "python", windows=True)
    assert found == ([str(tmp_path / chosen)] if chosen else None)
