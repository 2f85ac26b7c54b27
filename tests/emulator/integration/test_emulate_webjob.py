"""`appsvc emulate --as webjob`: a site's WebJobs as Kudu runs them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.emulator.integration.test_emulate_worker import emulating
from tests.support.emulator import alive_with, make_site
from tests.support.pythons import only_on
from tests.support.servers import run

pytestmark = only_on(10)
CONTINUOUS = "App_Data/jobs/continuous/"
TRIGGERED = "App_Data/jobs/triggered/"
SHOW = """
    import os, sys, time
    for name in sorted(os.environ):
        if name.startswith(("WEBJOBS_", "WEBSITE_ALWAYS_ON_JOB", "WEBSITE_SITE", "HOME")):
            print(f"{name}={os.environ[name]}", flush=True)
    print("in", os.getcwd(), sys.argv, flush=True)
    while not os.path.exists(os.environ["WEBJOBS_SHUTDOWN_FILE"]):
        time.sleep(0.02)
    print("told", open(os.environ["WEBJOBS_SHUTDOWN_FILE"]).read() != "", flush=True)
"""


def test_continuous_job_has_what_kudu_gives(tmp_path: Path) -> None:
    """It gets variables, a copy to run in, and the shutdown file at the end."""
    site = make_site(tmp_path / "mysite", {f"{CONTINUOUS}queue/run.py": SHOW})
    with emulating(site, "--as", "webjob") as emulator:
        log = emulator.wait_for(r"queue +in ")
        home = tmp_path / ".appsvc" / "mysite"
        assert "Ready 1 job\n" in log
        assert "WEBJOBS_NAME=queue\n" in log
        assert "WEBJOBS_TYPE=continuous\n" in log
        assert "WEBJOBS_RUN_ID=\n" in log
        assert "WEBSITE_ALWAYS_ON_JOB_RUNNING_queue=true\n" in log
        assert "WEBSITE_SITE_NAME=mysite\n" in log
        assert f"WEBJOBS_DATA_PATH={home / 'data/jobs/continuous/queue'}\n" in log
        copy = re.search(r"WEBJOBS_PATH=(.*)\n", log)
        assert copy is not None
        assert Path(copy[1]).is_relative_to(home / "temp")
        assert Path(copy[1]).parent.name == "queue"
        assert f"in {copy[1]} " in log
        assert emulator.stop() == 0
        log = emulator.log()
        assert "WEBJOBS_SHUTDOWN_FILE is written; 5 s are left." in log
        assert "told True" in log
        assert "(It has stopped.)" in log
    kept = (home / "data/jobs/continuous/queue/job_log.txt").read_text()
    assert re.search(r"^\[\S+ \S+ > \w+: INFO\] told True$", kept, re.MULTILINE)
    assert alive_with(str(site)) == []


def test_job_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """It is killed after the stopping_wait_time in its settings.job, with its child processes."""
    site = make_site(
        tmp_path / "mysite",
        {
            f"{CONTINUOUS}deaf/run.py": "import time\nprint('up', flush=True)\ntime.sleep(600)",
            f"{CONTINUOUS}deaf/settings.job": '{"stopping_wait_time": 1, "is_in_place": true}',
        },
    )
    with emulating(site, "--as", "webjob") as emulator:
        emulator.wait_for("deaf +up")
        assert emulator.stop() == 0
        assert "(It did not stop within 1 s and is killed.)" in emulator.log()
    assert not (tmp_path / ".appsvc/mysite/temp/jobs/continuous/deaf").exists()  # in place
    assert alive_with(str(site)) == []


def test_job_that_ends_is_started_again(tmp_path: Path) -> None:
    """It restarts after WEBJOBS_RESTART_TIME, whatever its exit code; the log counts the runs."""
    site = make_site(
        tmp_path / "mysite",
        {f"{CONTINUOUS}a/run.py": "raise SystemExit(3)", f"{CONTINUOUS}b/run.sh": "echo done"},
    )
    windows = ("--as", "webjob", "--job-os", "windows")
    with emulating(site, *windows, "--set", "WEBJOBS_RESTART_TIME=0") as emulator:
        log = emulator.wait_for("Process went down after", times=4)
        assert "Job failed due to exit code 3" in log
    with emulating(site, *windows) as emulator:
        assert "waiting for 60 seconds" in emulator.wait_for("Process went down after", times=2)


def test_log_stops_after_100_lines_of_a_stream(tmp_path: Path) -> None:
    """As Kudu's does; the emulator shows all lines, and reports where Kudu's log ends."""
    code = "for number in range(150): print('line', number)\nimport time\ntime.sleep(600)"
    site = make_site(
        tmp_path / "mysite",
        {
            f"{CONTINUOUS}loud/run.py": code,
            f"{CONTINUOUS}loud/settings.job": '{"stopping_wait_time": 0}',
        },
    )
    with emulating(site, "--as", "webjob") as emulator:
        log = emulator.wait_for("line 149")
        assert "(These were 100 lines on standard output: Kudu logs no more" in log
    kept = (tmp_path / ".appsvc/mysite/data/jobs/continuous/loud/job_log.txt").read_text()
    assert kept.count("INFO] line ") == 100


def test_changed_files_start_a_job_again(tmp_path: Path) -> None:
    """Only the job's own files count; they are copied again."""
    wait = "import time\ntime.sleep(600)"
    stop = '{"stopping_wait_time": 0}'
    site = make_site(
        tmp_path / "mysite",
        {
            f"{CONTINUOUS}a/run.py": f"print('first', flush=True)\n{wait}",
            f"{CONTINUOUS}a/settings.job": stop,
            f"{CONTINUOUS}b/run.py": f"print('other', flush=True)\n{wait}",
            f"{CONTINUOUS}b/settings.job": stop,
        },
    )
    with emulating(site, "--as", "webjob") as emulator:
        emulator.wait_for("a +first")
        emulator.wait_for("b +other")
        (site / f"{CONTINUOUS}a/run.py").write_text(f"print('second', flush=True)\n{wait}")
        log = emulator.wait_for("a +second")
        assert "run.py has changed: started again." in log
        assert log.count("other\n") == 1


def test_disabled_job(tmp_path: Path) -> None:
    """disable.job keeps it from running until the file is removed."""
    site = make_site(
        tmp_path / "mysite",
        {
            f"{CONTINUOUS}a/run.py": "print('ran', flush=True)",
            f"{CONTINUOUS}a/disable.job": "",
        },
    )
    with emulating(site, "--as", "webjob") as emulator:
        emulator.wait_for("a +Disabled, by disable.job")
        (site / f"{CONTINUOUS}a/disable.job").unlink()
        emulator.wait_for("a +ran")


def test_triggered_by_its_schedule(tmp_path: Path) -> None:
    """Each run has an id, a folder, and a status."""
    code = "import os\nprint('run', os.environ['WEBJOBS_RUN_ID'])\nraise SystemExit(0)"
    site = make_site(
        tmp_path / "mysite",
        {
            f"{TRIGGERED}tick/run.py": code,
            f"{TRIGGERED}tick/settings.job": "{schedule: '* * * * * *', // as Kudu reads it\n}",
            f"{TRIGGERED}never/run.py": code,
            f"{TRIGGERED}wrong/run.py": code,
            f"{TRIGGERED}wrong/settings.job": '{"schedule": "* * * * *"}',
        },
    )
    with emulating(site, "--as", "webjob") as emulator:
        log = emulator.wait_for(r"tick +run \d{18}", times=2)
        assert "never        Triggered, without a schedule: --trigger never runs it." in log
        assert "Error: triggered/wrong/settings.job: The schedule '* * * * *' has 5 fields" in log
        assert 'Write "schedule": "0 * * * * *".' in log
        ids = re.findall(r"run (\d{18})", log)
        assert len(set(ids)) == len(ids)
        assert emulator.stop() == 0
    status = tmp_path / ".appsvc/mysite/data/jobs/triggered/tick" / ids[0] / "status"
    assert json.loads(status.read_text())["Status"] == "Success"
    output = status.with_name("output_log.txt").read_text()
    assert f"INFO] run {ids[0]}" in output


@pytest.mark.parametrize("code", [0, 5], ids=["success", "failure"])
def test_trigger_by_hand(tmp_path: Path, code: int) -> None:
    """It runs once, with its arguments, and its exit code is the command's."""
    site = make_site(
        tmp_path / "mysite",
        {
            f"{TRIGGERED}report/main.py": f"import sys\nprint(sys.argv[1:])\nsys.exit({code})",
            f"{CONTINUOUS}other/run.py": "print('not this one')",
        },
    )
    setting = "WEBJOBS_COMMAND_ARGUMENTS=--day today"
    result = run(
        "-m", "appsvc_runtime", "emulate", str(site), "--trigger", "report", "--set", setting
    )
    assert result.returncode == code
    assert "['--day', 'today']" in result.stdout
    assert "not this one" not in result.stdout
    (status,) = (tmp_path / ".appsvc/mysite/data/jobs/triggered/report").glob("*/status")
    told = json.loads(status.read_text())
    assert told["Status"] == ("Failed" if code else "Success")
    assert told["end_time"] >= told["start_time"]


def test_launcher_in_a_webjob(tmp_path: Path) -> None:
    """The launcher keeps the worker running, and stops it on the shutdown file."""
    site = make_site(
        tmp_path / "mysite",
        {
            f"{CONTINUOUS}queue/run.py": """
                from appsvc_runtime.worker import main
                raise SystemExit(main(["worker.py"]))
            """,
            f"{CONTINUOUS}queue/worker.py": """
                from appsvc_runtime.worker import wait_for_stop
                print("up", flush=True)
                wait_for_stop(600)
                print("bye", flush=True)
            """,
        },
    )
    with emulating(site, "--as", "webjob", "--job-os", "windows") as emulator:
        emulator.wait_for("out: up")
        assert emulator.stop() == 0
        assert "out: bye" in emulator.log()
        assert "(It has stopped.)" in emulator.log()


@pytest.mark.parametrize(
    ("files", "options", "said"),
    [
        ({f"{CONTINUOUS}a/run.py": ""}, ["--trigger", ""], "--trigger names no job"),
        ({f"{TRIGGERED}a/run.py": ""}, ["--as", "webjob"], "No job of the site runs by itself"),
        ({"a.txt": ""}, ["--as", "webjob"], "There is no WebJob in"),
        ({f"{CONTINUOUS}a/run.py": ""}, ["--trigger", "b"], "There is no triggered job 'b'"),
        ({f"{CONTINUOUS}a/run.py": ""}, ["--trigger", "a"], "a is continuous, so it"),
        ({f"{TRIGGERED}a/x.txt": ""}, ["--trigger", "a"], "no file that can be run"),
        ({f"{TRIGGERED}a/run.py": ""}, ["--as", "webjob", "--https"], "--https means nothing to W"),
        ({f"{TRIGGERED}a/run.py": ""}, ["--as", "linux", "--trigger", "a"], "means nothing to the"),
    ],
    ids="empty-name nothing-runs none no-such continuous no-script https linux".split(),
)  # fmt: skip
def test_what_cannot_be_emulated(
    tmp_path: Path, files: dict[str, str], options: list[str], said: str
) -> None:
    """The error is one sentence with exit code 2, without a traceback."""
    site = make_site(tmp_path / "S", files)
    result = run("-m", "appsvc_runtime", "emulate", str(site), *options)
    assert result.returncode == 2, result.stdout
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there it runs")
def test_job_for_windows_is_said_and_left_out(tmp_path: Path) -> None:
    """No other file is chosen silently: the platform would not choose one."""
    site = make_site(
        tmp_path / "S",
        {
            f"{TRIGGERED}a/run.cmd": "",
            f"{TRIGGERED}a/run.py": "print('wrong')",
            f"{TRIGGERED}b/run.py": "print('right')",
        },
    )
    result = run("-m", "appsvc_runtime", "emulate", str(site), "--trigger", "a")
    assert result.returncode == 2
    assert "run.cmd, which Kudu runs, cannot be run on this machine" in result.stderr
    result = run("-m", "appsvc_runtime", "emulate", str(site), "--trigger", "b")
    assert (result.returncode, "right" in result.stdout) == (0, True)


def test_jobs_that_come_and_go_and_change(tmp_path: Path) -> None:
    """A new job starts, a removed one stops, changed settings apply from the next start on."""
    wait = "import time\nprint('up', flush=True)\ntime.sleep(600)"
    slow, quick = '{"stopping_wait_time": 600}', '{"stopping_wait_time": 0}'
    site = make_site(
        tmp_path / "mysite",
        {f"{CONTINUOUS}a/run.py": wait, f"{CONTINUOUS}a/settings.job": quick},
    )
    with emulating(site, "--as", "webjob") as emulator:
        emulator.wait_for("a +up")
        make_site(site, {f"{CONTINUOUS}b/run.py": wait, f"{CONTINUOUS}b/settings.job": slow})
        emulator.wait_for("b +up")
        (site / f"{CONTINUOUS}a").rename(tmp_path / "a")  # at once, not file by file
        emulator.wait_for(r"a +It was removed: stopped\.")
        emulator.wait_for(r"a +\(It did not stop within 0 s and is killed\.\)")
        (site / f"{CONTINUOUS}b/settings.job").write_text(quick)
        emulator.wait_for("b +WEBJOBS_SHUTDOWN_FILE is written; 600 s are left")


def test_two_runs_of_a_triggered_job_never_at_once(tmp_path: Path) -> None:
    """Not even by two emulators; and neither removes the other's copy."""
    site = make_site(
        tmp_path / "mysite",
        {
            f"{TRIGGERED}slow/run.py": """
                import time
                print("begun", flush=True)
                time.sleep(600)
            """,
        },
    )
    command = ("-m", "appsvc_runtime", "emulate", str(site), "--trigger", "slow")
    with emulating(site, "--trigger", "slow") as emulator:
        emulator.wait_for("slow +begun")
        result = run(*command)
        assert result.returncode == 1
        assert "Not run: it is already running, and never runs twice at once." in result.stdout
        assert list((tmp_path / ".appsvc/mysite/temp").glob("run-*/jobs/triggered/slow/*/run.py"))
        emulator.process.send_signal(2)
        emulator.process.send_signal(2)
        assert emulator.process.wait(40) == 130  # it was interrupted
    assert not list((tmp_path / ".appsvc/mysite/temp").glob("run-*"))


def test_arguments_are_split_as_on_a_command_line_and_not_shown(tmp_path: Path) -> None:
    """Each system has its own rules: on Windows a backslash is one. They may be secrets."""
    code = "import sys\nprint(sys.argv[1:3], 'and', len(sys.argv) - 3, 'more')"
    site = make_site(tmp_path / "mysite", {f"{TRIGGERED}a/run.py": code})
    for system, text, words in (
        ("linux", "one 'two three' TOPSECRET", ["one", "two three"]),
        ("windows", r'D:\one "two three" TOPSECRET', [r"D:\one", "two three"]),
    ):
        setting = f"WEBJOBS_COMMAND_ARGUMENTS={text}"
        options = ("--job-os", system, "--trigger", "a", "--set", setting)
        result = run("-m", "appsvc_runtime", "emulate", str(site), *options)
        assert f"{words} and 1 more" in result.stdout
        assert "TOPSECRET" not in result.stdout


def test_log_of_a_triggered_run_is_whole(tmp_path: Path) -> None:
    """It is not shortened; Kudu rotates only logs of continuous jobs."""
    code = "for number in range(20_000): print('line', number, 'x' * 60)"
    site = make_site(tmp_path / "mysite", {f"{TRIGGERED}a/run.py": code})
    assert run("-m", "appsvc_runtime", "emulate", str(site), "--trigger", "a").returncode == 0
    (log,) = (tmp_path / ".appsvc/mysite/data/jobs/triggered/a").glob("*/output_log.txt")
    assert log.read_text().count("INFO] line ") == 20_000


def test_stopped_by_a_setting(tmp_path: Path) -> None:
    """WEBJOBS_STOPPED applies to triggered jobs too."""
    site = make_site(tmp_path / "mysite", {f"{TRIGGERED}a/run.py": "print('ran')"})
    setting = "WEBJOBS_STOPPED=1"
    result = run("-m", "appsvc_runtime", "emulate", str(site), "--trigger", "a", "--set", setting)
    assert (result.returncode, "ran" in result.stdout) == (1, False)


def test_folder_with_a_link_to_nowhere(tmp_path: Path) -> None:
    """It is copied without the link."""
    site = make_site(tmp_path / "mysite", {f"{TRIGGERED}a/run.py": "print('ran')"})
    (site / f"{TRIGGERED}a/link").symlink_to("/nowhere/at/all")
    result = run("-m", "appsvc_runtime", "emulate", str(site), "--trigger", "a")
    assert (result.returncode, "ran" in result.stdout) == (0, True)
