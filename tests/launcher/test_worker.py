"""The launcher as a command: a worker is started and restarted, and its output logged."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.support.launching import is_alive, launching, wait_until
from tests.support.servers import run

pytestmark = pytest.mark.integration

SLEEP = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"


def test_script_with_arguments_in_the_current_folder(tmp_path: Path) -> None:
    """As `LaunchWorker.ps1 -m appsvc_runtime.worker worker.py ARG` runs it in the role root."""
    code = "import os, sys\nprint(sys.argv, os.getcwd())\n"
    with launching(tmp_path, "--once", "worker.py", "one", "--two", "-m", code=code) as launched:
        assert launched.wait() == 0
        assert f"out: ['worker.py', 'one', '--two', '-m'] {tmp_path}" in launched.log()


def test_module(tmp_path: Path) -> None:
    """`-m` works as Python's own."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/__init__.py").touch()
    (tmp_path / "jobs/daily.py").write_text("import sys\nprint(__name__, sys.argv[1:])\n")
    with launching(tmp_path, "--once", "-m", "jobs.daily", "--x") as launched:
        assert launched.wait() == 0
        assert "out: __main__ ['--x']" in launched.log()


STDLIB_NAMES = ("json", "logging", "queue", "signal", "socket", "threading")


@pytest.mark.parametrize("arguments", [["worker.py"], ["-m", "worker"]], ids=["script", "module"])
def test_files_named_as_the_standard_library(tmp_path: Path, arguments: list[str]) -> None:
    """They are the worker's, as without the launcher; the launcher itself uses Python's."""
    for name in STDLIB_NAMES:
        (tmp_path / f"{name}.py").write_text("")
    names = ", ".join(STDLIB_NAMES)
    code = f"import {names}\nfor module in ({names}): print(module.__file__)\n"
    with launching(tmp_path, "--once", *arguments, code=code) as launched:
        assert launched.wait() == 0, launched.log()
        for name in STDLIB_NAMES:
            assert f"out: {tmp_path / name}.py" in launched.log()


def test_files_named_as_the_standard_library_beside_run_py(tmp_path: Path) -> None:
    """Those that importing the entry point itself does not need."""
    for name in ("json", "logging", "queue", "socket"):
        (tmp_path / f"{name}.py").write_text("")
    (tmp_path / "run.py").write_text(
        "from appsvc_runtime.worker import main\nraise SystemExit(main(['--once', 'worker.py']))\n"
    )
    (tmp_path / "worker.py").write_text("import queue\nprint(queue.__file__)\n")
    result = run("run.py", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert f"out: {tmp_path / 'queue.py'}" in result.stdout


def test_run_py_of_a_webjob(tmp_path: Path) -> None:
    """The two lines from the documentation work."""
    (tmp_path / "run.py").write_text(
        "from appsvc_runtime.worker import main\n"
        "raise SystemExit(main(['--once', 'worker.py', 'x']))\n"
    )
    (tmp_path / "worker.py").write_text("import sys\nprint(sys.argv[1:])\nsys.exit(4)\n")
    result = run("run.py", cwd=tmp_path)
    assert result.returncode == 4
    assert "out: ['x']" in result.stdout


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("sys.exit(0)", "exit code 0"),
        ("sys.exit(7)", "exit code 7"),
        ("1 / 0", "exit code 1"),
        ("os.kill(os.getpid(), 9)", "signal 9"),
        ("os._exit(0)", "exit code 0"),
    ],
    ids=["exit-0", "exit-7", "exception", "killed", "os-exit"],
)
def test_any_exit_is_followed_by_a_start(tmp_path: Path, end: str, how: str) -> None:
    """A line sums up each run, and the next one starts."""
    code = f"import os, sys\nprint('begun')\nsys.stdout.flush()\n{end}\n"
    with launching(tmp_path, "worker.py", code=code) as launched:
        log = launched.wait_for("begun", times=3)
        assert re.search(rf"run=1 launcher: worker\.py ended after \d\.\d s with {how}\.", log)
        assert len(set(launched.pids(3))) >= 3
        assert "run=3 out: begun" in log
        assert launched.stop() == 0
        assert launched.log().rstrip().endswith("launcher: Stopped, because a signal has come.")


def test_worker_that_ran_well_is_started_at_once(tmp_path: Path) -> None:
    """It was killed after its healthy time: no pause is logged."""
    with launching(tmp_path, "--healthy-after", "0.2", "worker.py", code=SLEEP) as launched:
        launched.wait_for("up")
        (first,) = launched.pids()
        wait_until(lambda: _age(first) > 0.3, "its age")
        os.kill(first, signal.SIGKILL)
        assert launched.pids(2)[1] != first
        assert "started again in" not in launched.log()


def test_unhealthy_ones_wait_longer_each_time(tmp_path: Path) -> None:
    """The logged pauses grow."""
    with launching(tmp_path, "worker.py", code="raise SystemExit(1)") as launched:
        log = launched.wait_for("It is started again in", times=5)
    pauses = [float(text) for text in re.findall(r"started again in (\d+\.\d) s", log)]
    assert pauses == sorted(pauses)
    assert pauses[4] > pauses[0]


@pytest.mark.parametrize(
    ("options", "end", "expected"),
    [
        (["--once"], "sys.exit(3)", 3),
        (["--restart", "never"], "sys.exit(0)", 0),
        (["--restart", "on-failure"], "sys.exit(0)", 0),
        (["--give-up-after", "2"], "sys.exit(9)", 9),
        (["--give-up-after", "1"], "os.kill(os.getpid(), 15)", 143),
        (["--give-up-after", "1"], "os.kill(os.getpid(), 11)", 139),
    ],
    ids=["once", "never", "on-failure", "give-up", "give-up-sigterm", "give-up-segfault"],
)
def test_exit_code_is_the_workers_own(
    tmp_path: Path, options: list[str], end: str, expected: int
) -> None:
    """If it is not restarted, that is its code; 128 and the signal if it was killed."""
    code = f"import os, sys\n{end}\nimport time\ntime.sleep(60)\n"
    with launching(tmp_path, *options, "worker.py", code=code) as launched:
        assert launched.wait() == expected
        assert f"It is not started again; ending with exit code {expected}." in launched.log()


def test_options_by_variables(tmp_path: Path) -> None:
    """Each option is a setting too, and the command line wins."""
    code = "raise SystemExit(5)"
    with launching(
        tmp_path, "worker.py", code=code,
        APPSVC_WORKER_RESTART="never", APPSVC_WORKER_GRACE="2",
    ) as launched:  # fmt: skip
        assert launched.wait() == 5
    with launching(
        tmp_path, "--give-up-after", "2", "worker.py", code=code, APPSVC_WORKER_GIVE_UP_AFTER="1"
    ) as launched:
        assert launched.wait() == 5
        assert "run=2" in launched.log()


def test_output_keeps_its_bytes(tmp_path: Path) -> None:
    """Both streams are stamped, whatever their bytes; the last line may have no end."""
    code = """
        import os
        os.write(1, b"caf\\xe9 \\xff\\n")
        os.write(2, b"grave\\n")
        os.write(1, b"no end")
    """
    with launching(tmp_path, "--once", "worker.py", code=code) as launched:
        assert launched.wait() == 0
        raw = b"".join(path.read_bytes() for path in tmp_path.glob("launcher-*.out"))
    assert b" run=1 out: caf\xe9 \xff\n" in raw
    assert b" run=1 err: grave\n" in raw
    assert b" run=1 out: no end\n" in raw


def test_log_file_and_role_log(tmp_path: Path) -> None:
    """WSGI_LOG replaces standard output; in a role, both tools find their file."""
    store = tmp_path / "store"
    with launching(
        tmp_path, "--once", "worker.py", code="print('hello')",
        WSGI_LOG="own.log", DiagnosticStore=str(store),
    ) as launched:  # fmt: skip
        assert launched.wait() == 0
        assert launched.log() == ""
    own = (tmp_path / "own.log").read_text()
    assert "run=1 out: hello" in own
    assert (store / "LogFiles/LaunchWorker.ps1.log").read_text() == own


def test_much_output_is_not_lost(tmp_path: Path) -> None:
    """Every line is logged, in order, even if the worker ends right after printing it."""
    code = "for number in range(200_000): print(number)"
    with launching(
        tmp_path, "--once", "worker.py", code=code, WSGI_LOG="own.log", APPSVC_LOG_MAX_BYTES="0"
    ) as launched:
        assert launched.wait() == 0
    lines = (tmp_path / "own.log").read_text().splitlines()
    printed = [line.rpartition("out: ")[2] for line in lines if " out: " in line]
    assert printed == [str(number) for number in range(200_000)]


@pytest.mark.parametrize(
    ("prepare", "arguments", "code", "message"),
    [
        ("", ["none.py"], 66, "The script 'none.py' in {folder} does not exist."),
        ("mkdir", ["worker.py"], 67, "'worker.py' in {folder} is a folder without a __main__.py."),
        ("x = (\n", ["worker.py"], 65, "has a syntax error in line 1: '(' was never closed."),
        ("'\0'", ["worker.py"], 65, "has a syntax error"),
        ("", ["-m", "no_such_module_here"], 66, "There is no module 'no_such_module_here'"),
        ("pass", ["--python", "/no/python", "worker.py"], 69, "'/no/python' does not exist."),
        ("pass", ["--python", "worker.py", "worker.py"], 69, "'worker.py' cannot be run."),
        ("pass", ["--grace", "soon", "worker.py"], 2, "option --grace cannot be used"),
        ("pass", ["--grace", "-1", "worker.py"], 2, "option --grace cannot be used"),
        ("pass", ["--grace", "nan", "worker.py"], 2, "option --grace cannot be used"),
        ("pass", ["--restart", "maybe", "worker.py"], 2, "always, on-failure or never"),
        ("pass", ["--give-up-after", "0", "worker.py"], 2, "option --give-up-after"),
        ("pass", ["--liveness-timeout", "0", "worker.py"], 2, "a number of seconds above 0"),
        ("pass", ["--liveness-timeout", "-1", "worker.py"], 2, "option --liveness-timeout"),
        ("pass", ["--heartbeat-file", ".", "worker.py"], 2, "The heartbeat file '.' is a folder."),
        ("pass", ["--health-url", "localhost", "worker.py"], 2, "--health-url is not an http"),
        ("pass", ["--health-url", "http://", "worker.py"], 2, "--health-url is not an http"),
        ("pass", ["--singleton", "worker.py"], 2, "AzureWebJobsStorage is missing"),
        ("pass", ["--nonsense", "worker.py"], 2, "No such option"),
        ("pass", [], 2, "Missing argument 'SCRIPT'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) and value else None,
)
def test_what_cannot_be_run(
    tmp_path: Path, prepare: str, arguments: list[str], code: int, message: str
) -> None:
    """The error is one sentence, with an exit code for each cause, without a traceback."""
    if prepare == "mkdir":
        (tmp_path / "worker.py").mkdir()
    elif prepare:
        (tmp_path / "worker.py").write_text(prepare)
    result = run("-m", "appsvc_runtime.worker", *arguments, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert message.format(folder=tmp_path) in result.stderr
    assert "Traceback" not in result.stderr + result.stdout


def test_folder_with_a_main_is_run(tmp_path: Path) -> None:
    """As Python runs it."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/__main__.py").write_text("print('main of the folder')")
    result = run("-m", "appsvc_runtime.worker", "--once", "app", cwd=tmp_path)
    assert result.returncode == 0
    assert "out: main of the folder" in result.stdout


def test_variable_that_cannot_be_used(tmp_path: Path) -> None:
    """The error names the variable."""
    (tmp_path / "worker.py").write_text("pass")
    result = run(
        "-m", "appsvc_runtime.worker", "worker.py", cwd=tmp_path, APPSVC_WORKER_RESTART="?"
    )
    assert result.returncode == 2
    assert "The setting APPSVC_WORKER_RESTART cannot be used" in result.stderr


def test_worker_that_hangs_is_started_again_with_its_stack_in_the_log(tmp_path: Path) -> None:
    """By the heartbeat: where it hangs is what its user needs to know."""
    code = """
        import time
        from appsvc_runtime.worker import beat
        beat()
        print("up", flush=True)
        def hang_here():
            while True:
                time.sleep(60)
        hang_here()
    """
    with launching(
        tmp_path, "--heartbeat-file", "beat", "--liveness-timeout", "1", "worker.py", code=code
    ) as launched:
        log = launched.wait_for("up", times=2)
        assert "err: Fatal Python error: Aborted" in log
        assert re.search(r"err: .*worker\.py\", line \d+ in hang_here", log)
        assert re.search(r"with signal 6: .*beat has not been touched for 1\.\d s\.", log)


def test_worker_that_beats_goes_on(tmp_path: Path) -> None:
    """A worker that reports that it is alive is left alone."""
    code = """
        from appsvc_runtime.worker import beat, wait_for_stop
        for _ in range(40):
            beat()
            wait_for_stop(0.05)
        print("still the first", flush=True)
        wait_for_stop(600)
    """
    with launching(
        tmp_path, "--heartbeat-file", "beat", "--liveness-timeout", "1", "worker.py", code=code
    ) as launched:
        launched.wait_for("still the first")
        assert "run=2" not in launched.log()


def test_health_address_that_does_not_answer(tmp_path: Path) -> None:
    """The same, for a worker with a health address."""
    with launching(
        tmp_path, "--health-url", "http://127.0.0.1:1/", "--liveness-timeout", "0.5", "worker.py",
        code=SLEEP,
    ) as launched:  # fmt: skip
        log = launched.wait_for("up", times=2)
        assert "its health address has had no good response" in log


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)], ids=str)
def test_standard_streams_that_are_closed(tmp_path: Path, closed: tuple[int, ...]) -> None:
    """Output does not go into a pipe that gets their number."""
    import subprocess

    from tests.support.servers import clean_environ

    (tmp_path / "worker.py").write_text("print('hello')\nraise SystemExit(3)\n")

    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    result = subprocess.run(
        [sys.executable, "-m", "appsvc_runtime.worker", "--once", "worker.py"],
        cwd=tmp_path,
        env=clean_environ(WSGI_LOG="own.log"),
        preexec_fn=close,
        timeout=60,
        check=False,
    )
    assert result.returncode == 3
    lines = (tmp_path / "own.log").read_text().splitlines()
    assert [line.rpartition(": ")[2] for line in lines if "out: " in line] == ["hello"]
    assert len(lines) == 4


def test_stop_while_nobody_takes_the_output(tmp_path: Path) -> None:
    """A full pipe without a reader blocks the worker, but not a stop."""
    import subprocess

    from tests.support.servers import clean_environ

    (tmp_path / "worker.py").write_text("while True: print('x' * 1000)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "appsvc_runtime.worker", "--grace", "0.2", "worker.py"],
        cwd=tmp_path,
        env=clean_environ(),
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        first = os.read(process.stdout.fileno(), 200).decode()
        found = re.search(r"started as process (\d+)", first)
        assert found is not None
        wait_until(lambda: _is_blocked(process.pid), "a full pipe")
        process.terminate()
        assert process.wait(30) == 0
        assert not is_alive(int(found[1]))
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_slow_reader_gets_everything_of_a_run_that_ended_by_itself(tmp_path: Path) -> None:
    """Without a stop request, all output is written to the reader, to the last line."""
    import subprocess

    from tests.support.servers import clean_environ

    (tmp_path / "worker.py").write_text("for i in range(3000): print('line', i)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "appsvc_runtime.worker", "--once", "worker.py"],
        cwd=tmp_path,
        env=clean_environ(),
        stdout=subprocess.PIPE,
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(4)  # it waits for its reader
        output = process.communicate(timeout=30)[0].decode()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert output.count("out: line ") == 3000
    assert "ended after" in output
    assert "It is not started again; ending with exit code 0." in output


def _is_blocked(pid: int) -> bool:
    """Return whether a thread of a process waits in a pipe (Linux), else True."""
    waiting = Path(f"/proc/{pid}/task").glob("*/wchan")
    return any("pipe" in path.read_text() for path in waiting) or not os.path.exists("/proc/self")


def test_heartbeat_file_without_a_folder(tmp_path: Path) -> None:
    """It is refused at the start; otherwise the worker would be killed every minute."""
    (tmp_path / "worker.py").write_text("pass")
    result = run(
        "-m", "appsvc_runtime.worker", "--heartbeat-file", "none/beat", "worker.py", cwd=tmp_path
    )
    assert result.returncode == 2
    assert "its folder does not exist" in result.stderr


def test_launcher_itself_is_killed(tmp_path: Path) -> None:
    """Its worker ends too."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux and Windows end a worker with its launcher")
    with launching(tmp_path, "worker.py", code=SLEEP) as launched:
        launched.wait_for("up")
        (worker,) = launched.pids()
        launched.process.kill()
        wait_until(lambda: not is_alive(worker), "the worker's end")


def _age(pid: int) -> float:
    """Return how many seconds a process has existed (Linux), else a second."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        up = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return 1.0
    return up - ticks / os.sysconf("SC_CLK_TCK")
