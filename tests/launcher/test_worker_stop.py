"""How a worker is stopped: asked, waited for, ended with all processes that it started."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.launching import Launched, is_alive, launching
from tests.support.servers import run

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are sent by their numbers"),
]
needs_proc = pytest.mark.skipif(
    sys.platform != "linux", reason="only /proc shows who left the group"
)

POLITE = """
    from appsvc_runtime.worker import stop_requested, wait_for_stop
    stop_requested()  # from here on it hears of signals
    print("up", flush=True)
    while not stop_requested():
        wait_for_stop(30)
    print("cleaned up", flush=True)
"""
# Ignores SIGTERM, as does the daemon that it leaves in a session of its own.
STUBBORN = """
    import os, signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            open("daemon", "w").write(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    os.wait()
    while not os.path.exists("daemon") or not open("daemon").read():
        time.sleep(0.01)
    print("up", flush=True)
    time.sleep(600)
"""


def daemon_of(launched: Launched) -> int:
    launched.wait_for("up")
    return int((launched.folder / "daemon").read_text())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_signal(tmp_path: Path, number: int) -> None:
    """The worker's loop notices it, finishes its work, and all ends with exit code 0."""
    with launching(tmp_path, "worker.py", code=POLITE) as launched:
        launched.wait_for("up")
        assert launched.stop(number) == 0
        log = launched.log()
        assert "worker.py is asked to stop; it has 4 s." in log
        assert "Stopped, because a signal has come." in log
        assert log.index("out: cleaned up") < log.index("exit code 0: it was asked to stop.")


def test_shutdown_file_of_a_webjob(tmp_path: Path) -> None:
    """A file of an earlier run is removed first; then a new one is a stop."""
    file = tmp_path / "shutdown"
    file.write_text("old")
    with launching(tmp_path, "worker.py", code=POLITE, WEBJOBS_SHUTDOWN_FILE=str(file)) as launched:
        launched.wait_for("up")
        assert not file.exists()
        file.write_text("Thu Nov 26 2026")
        assert launched.wait() == 0
        assert f"Stopped, because {file} exists." in launched.log()
        assert "out: cleaned up" in launched.log()


def test_two_launchers_on_one_shutdown_file(tmp_path: Path) -> None:
    """The second does not remove the first one's file; a new file stops both."""
    file = tmp_path / "shutdown"
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    told = {"WEBJOBS_SHUTDOWN_FILE": str(file)}
    with launching(folders[0], "worker.py", code=POLITE, **told) as first:
        first.wait_for("up")
        with launching(folders[1], "worker.py", code=POLITE, **told) as second:
            second.wait_for("up")
            assert "Another launcher also watches" in second.log()
            file.write_text("now")
            assert (first.wait(), second.wait()) == (0, 0)
        with launching(folders[1], "worker.py", code=POLITE, **told) as third:
            third.wait_for("up")  # the file that stopped the others is old by now
            assert not file.exists()


def test_worker_asks_without_a_launcher(tmp_path: Path) -> None:
    """The same loop is stopped by the platform's file alone, and by a signal alone."""
    import subprocess
    import textwrap

    from tests.support.servers import clean_environ

    (tmp_path / "worker.py").write_text(textwrap.dedent(POLITE))
    file = tmp_path / "shutdown"
    for how in ("file", "signal"):
        process = subprocess.Popen(
            [sys.executable, "worker.py"],
            cwd=tmp_path,
            env=clean_environ(WEBJOBS_SHUTDOWN_FILE=str(file)),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            if how == "file":
                file.write_text("now")
            else:
                process.terminate()
            assert process.wait(20) == 0
            assert process.stdout.read() == "cleaned up\n"
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        file.unlink(missing_ok=True)


@needs_proc
def test_worker_that_does_not_stop_is_killed_with_its_daemon(tmp_path: Path) -> None:
    """After the grace time; no process is left, whatever session it is in."""
    with launching(tmp_path, "--grace", "0.3", "worker.py", code=STUBBORN) as launched:
        daemon = daemon_of(launched)
        (worker,) = launched.pids()
        assert launched.stop() == 0
        assert not is_alive(worker)
        assert not is_alive(daemon)
        assert "with signal 9: it did not stop within 0.3 s and was killed." in launched.log()


@needs_proc
def test_daemon_of_a_worker_that_has_ended_is_ended_too(tmp_path: Path) -> None:
    """The next run does not start beside remains of the last one."""
    with launching(tmp_path, "worker.py", code=STUBBORN) as launched:
        daemon = daemon_of(launched)
        (worker,) = launched.pids()
        os.kill(worker, signal.SIGKILL)
        launched.pids(2)
        assert not is_alive(daemon)


@needs_proc
def test_second_signal_ends_everything_at_once(tmp_path: Path) -> None:
    """A user who presses Ctrl-C twice does not wait for the grace time."""
    with launching(tmp_path, "--grace", "600", "worker.py", code=STUBBORN) as launched:
        daemon = daemon_of(launched)
        launched.process.send_signal(signal.SIGINT)
        launched.wait_for("is asked to stop")
        assert launched.stop(signal.SIGINT) == 0
        assert not is_alive(daemon)
        assert "stopped at once" in launched.log()


def test_interrupt_while_the_launcher_is_loaded(tmp_path: Path) -> None:
    """The exit code is that of Ctrl-C, without a traceback."""
    (tmp_path / "worker.py").write_text("")
    stub = tmp_path / "stub"
    stub.mkdir()
    # The tests' own launcher may have set it to be ignored, if it runs them in the background.
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "time.sleep(60)\n"
    )
    (stub / "click.py").write_text(code)
    result = run("-m", "appsvc_runtime.worker", "worker.py", cwd=tmp_path, PYTHONPATH=str(stub))
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_signal_after_the_run_is_over(tmp_path: Path) -> None:
    """The exit code is the run's, even if the signal comes while Python itself shuts down."""
    (tmp_path / "worker.py").write_text("raise SystemExit(4)")
    (tmp_path / "run.py").write_text(
        "import os, signal\n"
        "from appsvc_runtime.worker import main\n"
        "class Late:\n"
        "    def __del__(self, kill=os.kill, own=os.getpid(), number=signal.SIGTERM):\n"
        "        kill(own, number)\n"
        "late = Late()\n"
        "raise SystemExit(main(['--once', 'worker.py']))\n"
    )
    assert run("run.py", cwd=tmp_path).returncode == 4


def test_stop_while_it_waits_to_start_again(tmp_path: Path) -> None:
    """A stop does not wait for the pause, here of a minute."""
    with launching(tmp_path, "--kudu-timing", "worker.py", code="raise SystemExit(1)") as launched:
        launched.wait_for("It is started again in 60.0 s.")
        assert launched.stop() == 0
        assert "run=2" not in launched.log()


@pytest.mark.parametrize(
    ("text", "grace"),
    [('{"stopping_wait_time": 1}', "0.5"), ("{", "4"), ('{"stopping_wait_time": [1]}', "4")],
    ids=["a-second", "no-json", "wrong-type"],
)
def test_grace_of_settings_job(tmp_path: Path, text: str, grace: str) -> None:
    """It is a little less than the platform gives; an invalid file is reported and ignored."""
    (tmp_path / "settings.job").write_text(text)
    code = """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("up", flush=True)
        time.sleep(600)
    """
    with launching(tmp_path, "worker.py", code=code, WEBJOBS_NAME="job") as launched:
        launched.wait_for("up")
        assert ("Warning: settings.job" in launched.log()) == (grace == "4")
        launched.process.send_signal(signal.SIGTERM)
        log = launched.wait_for("is asked to stop")
        assert f"it has {grace} s" in log
        if grace == "4":  # that time is not waited for here
            launched.process.send_signal(signal.SIGTERM)
        assert launched.wait() == 0
        if grace != "4":
            assert f"it did not stop within {grace} s and was killed" in launched.log()


def test_shell_that_starts_it_in_a_webjob(tmp_path: Path) -> None:
    """`run.sh`: the launcher is a child of bash, and is stopped by the file."""
    import subprocess

    from tests.support.servers import clean_environ

    (tmp_path / "worker.py").write_text("print('up', flush=True)\nimport time\ntime.sleep(600)\n")
    (tmp_path / "run.sh").write_text(f'"{sys.executable}" -m appsvc_runtime.worker worker.py\n')
    file = tmp_path / "shutdown"
    process = subprocess.Popen(
        ["bash", "run.sh"],
        cwd=tmp_path,
        env=clean_environ(WEBJOBS_SHUTDOWN_FILE=str(file), WEBJOBS_NAME="job"),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith("out: up\n"):
                file.write_text("now")
                break
        assert "launcher: Stopped, because" in process.stdout.read()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
