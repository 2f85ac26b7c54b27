r"""The launcher on Windows: restarts, exit codes, output, stops, and what a killed one leaves.

In Wine no CTRL+BREAK can be sent, as in a Windows service: the launcher's file asks the worker.
"""

from __future__ import annotations

import io
import re
import shutil
import textwrap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import launcher_kills
from tests.support.azurite import azurite
from tests.support.launching import wait_until
from tests.windows.machine import REPOSITORY, WindowsPython
from tests.windows.process import Process

# Starts a process, and that one another, which has no console and is in a group of its own.
FAMILY = r"""
    import os, subprocess, sys, time
    from pathlib import Path

    child = "import subprocess, sys, time; Path = 0\n"
    child += "subprocess.Popen([sys.executable, '-c', %r], creationflags=0x208)\n"
    child += "time.sleep(600)"
    grandchild = "open('grandchild', 'w').close(); import time; time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", child % grandchild])
    while not Path("grandchild").exists():
        time.sleep(0.05)
    print("up", flush=True)
"""
LISTENS = """
    from appsvc_runtime.worker import stop_requested, wait_for_stop
    while not stop_requested():
        wait_for_stop(60)
    print("stopped in order", flush=True)
"""
DEAF = """
    time.sleep(600)
"""
LAUNCHER = ("-m", "appsvc_runtime.worker")


def write(path: Path, code: str) -> None:
    """Write a program; the parts of its text may be indented."""
    path.write_text(textwrap.dedent(code), "utf-8")


def code_of(*parts: str) -> str:
    """Return the code of a program made of parts."""
    return "\n".join(textwrap.dedent(part) for part in parts)


class Job:
    """A continuous WebJob: the launcher of `worker.py` in `folder`, stopped by the file."""

    def __init__(self, windows: WindowsPython, folder: Path, process: Process) -> None:
        self.windows, self.folder, self.process = windows, folder, process

    def stop(self) -> str:
        """Write the file, wait for the end with exit code 0, and return the log."""
        (self.folder / "shutdown").touch()
        code = self.process.wait()
        assert code == 0, self.process.text
        return self.process.text


@contextmanager
def job(
    windows: WindowsPython, folder: Path, *options: str, code: str = "", **variables: str
) -> Iterator[Job]:
    """Run the launcher as the platform runs a WebJob's, until the block ends."""
    if code:
        (folder / "worker.py").write_text(code, "utf-8")
    environ = {"WEBJOBS_NAME": "queue", "WEBJOBS_SHUTDOWN_FILE": windows.path(folder / "shutdown")}
    with windows.start(
        *LAUNCHER, *options, "worker.py", cwd=folder, **environ, **variables
    ) as process:
        yield Job(windows, folder, process)


RUNS = r"""
    import os, sys
    from pathlib import Path

    run = len(list(Path().glob("run-*"))) + 1
    Path(f"run-{run}").touch()
    if run == 1:
        os.write(1, b"caf\xe9 \xff\r\nno end of a line")
        os.write(2, "Fehler: gel\xf6scht\n".encode())
        sys.exit(3)
    if run == 2:
        sys.exit(-1)
    if run == 3:
        raise ValueError("wrong")
    os._exit(0xC0000005 - 2**32)  # as an access violation ends a process
"""


def test_restarts_pauses_codes_and_raw_bytes(windows: WindowsPython, folder: Path) -> None:
    """A worker that fails in four ways is given up with the code of its last end."""
    write(folder / "worker.py", RUNS)
    (folder / "run.cmd").write_text(
        "@echo off\r\npython -m appsvc_runtime.worker --give-up-after 4 worker.py\r\n"
        "echo code %ERRORLEVEL%\r\n"
    )
    done = windows.run_command(windows.cmd("run.cmd"), cwd=folder)
    lines = done.stdout.replace(b"\r\n", b"\n")
    log = lines.decode("utf-8", "backslashreplace")
    assert b" run=1 out: caf\xe9 \xff" in lines
    assert b" run=1 out: no end of a line\n" in lines
    assert " run=1 err: Fehler: gel\xf6scht\n" in log
    assert " run=3 err: ValueError: wrong\n" in log
    ends = re.findall(r"worker\.py ended after \d+\.\d s with (.*)\.\n", log)
    assert ends == [
        "exit code 3",
        "exit code -1 (0xFFFFFFFF)",
        "exit code 1",
        "exit code -1073741819 (0xC0000005)",
    ], log
    pauses = [float(text) for text in re.findall(r"started again in (\d+\.\d) s", log)]
    assert len(pauses) == 3
    assert pauses == sorted(pauses)
    assert log.endswith("\ncode -1073741819\n"), log


def test_what_cannot_be_run(windows: WindowsPython, folder: Path) -> None:
    """One sentence on standard error, and an exit code for each cause."""
    (folder / "wrong.py").write_text("def :\n")
    causes = {
        "missing.py": (b"66", "Error: The script 'missing.py' in D:"),
        "wrong.py": (b"65", "Error: The script 'wrong.py' in D:"),
        r"--python no.exe wrong.py": (b"69", "Error: The interpreter 'no.exe' does not exist."),
    }
    lines = (f"python -m appsvc_runtime.worker {one}\r\necho %ERRORLEVEL%\r\n" for one in causes)
    (folder / "check.cmd").write_text("@echo off\r\n" + "".join(lines))
    done = windows.run_command(windows.cmd("check.cmd"), cwd=folder)
    assert done.stdout.split() == [code for code, _ in causes.values()], done
    errors = done.stderr.decode().splitlines()
    for error, (_, start) in zip(errors, causes.values(), strict=True):
        assert error.startswith(start)


@pytest.mark.parametrize("listens", [True, False], ids=["listens", "deaf"])
def test_shutdown_file(windows: WindowsPython, folder: Path, listens: bool) -> None:
    """The worker has its time, in which it can stop in order; nothing that it started is left."""
    code = code_of(FAMILY, LISTENS if listens else DEAF)
    grace = "120" if listens else "0.5"
    with job(windows, folder, "--grace", grace, code=code) as running:
        running.process.wait_for("out: up")
        assert len(running.process.tree()) >= 4
        log = running.stop()
        assert running.process.tree() == []
    if listens:
        assert "out: stopped in order" in log
        assert "with exit code 0: it was asked to stop." in log
    else:
        assert "worker.py is asked to stop; it has 0.5 s." in log
        assert (
            "it did not stop within 0.5 s and was killed; no CTRL+BREAK could be sent: only" in log
        )
    assert "Traceback" not in log


def test_ctrl_c(windows: WindowsPython, folder: Path) -> None:
    """The launcher hears it, not the worker, which is in a group of its own; it stops in order."""
    (folder / "worker.py").write_text(code_of('print("up", flush=True)', LISTENS))
    command = windows.command(*LAUNCHER, "--grace", "120", "worker.py")
    with windows.console(command, cwd=folder) as console:
        console.wait_for("out: up")
        console.press_ctrl_c()
        assert console.wait() == 0, console.text
        assert "out: stopped in order" in console.text
        assert "Stopped, because a signal has come." in console.text
        assert "Traceback" not in console.text


def test_second_ctrl_c(windows: WindowsPython, folder: Path) -> None:
    """A user who presses it twice does not wait for the grace time."""
    (folder / "worker.py").write_text(code_of(FAMILY, DEAF))
    command = windows.command(*LAUNCHER, "--grace", "600", "worker.py")
    with windows.console(command, cwd=folder) as console:
        console.wait_for("out: up")
        console.press_ctrl_c()
        console.wait_for("is asked to stop")
        console.press_ctrl_c()
        assert console.wait() == 0, console.text
        assert "stopped at once" in console.text
        assert console.tree() == []


def test_launcher_is_terminated(windows: WindowsPython, folder: Path) -> None:
    """As by Windows itself: worker, child and grandchild end with it, by the job they are in."""
    code = code_of(FAMILY, 'print("launcher", os.getppid(), "end", flush=True)', DEAF)
    with job(windows, folder, code=code) as running:
        process = running.process
        log = process.wait_for(" end")
        found = re.search(r"out: launcher (\d+) end", log)
        assert found, log
        assert len(process.tree()) >= 4
        windows.run("-c", f"import os; os.kill({found[1]}, 9)")
        assert process.wait() == 9
        wait_until(lambda: not process.tree(), "the end of all that it started", 60)


def test_launcher_is_killed_at_any_moment(windows: WindowsPython, folder: Path) -> None:
    """The short form of `python -m benchmarks.launcher_kills --windows DIR`."""
    results = launcher_kills.kill_launchers(
        lambda below: windows.start(*LAUNCHER, "worker.py", cwd=below), folder, 3
    )
    assert [line for result in results.values() for line in result.left] == []
    assert sum(result.kills for result in results.values()) == 3


def test_remains_end_before_the_next_run(windows: WindowsPython, folder: Path) -> None:
    """What the first run left is not there any more when the second has started."""
    code = code_of(FAMILY, "os.unlink('grandchild')\nsys.exit(1)")
    with job(windows, folder, "--give-up-after", "2", code=code) as running:
        assert running.process.wait() == 1
        assert running.process.text.count("out: up") == 2
        assert running.process.tree() == []


RUN_PY = """
from appsvc_runtime.worker import main

raise SystemExit(main(["worker.py"]))
"""


@pytest.mark.parametrize("run", ["run.cmd", "run.py"])
def test_run_file_of_a_webjob(windows: WindowsPython, folder: Path, run: str) -> None:
    """The lines of the documentation; the log goes to the file that is named."""
    (folder / "worker.py").write_text(code_of('print("up", flush=True)', LISTENS))
    (folder / "run.cmd").write_text("python -m appsvc_runtime.worker worker.py\r\n")
    (folder / "run.py").write_text(RUN_PY)
    (folder / "settings.job").write_text('{"stopping_wait_time": 30}')
    log = folder / "logs" / "job.log"
    with windows.start_command(
        windows.cmd("run.cmd") if run == "run.cmd" else windows.command("run.py"),
        cwd=folder,
        WEBJOBS_NAME="queue",
        WEBJOBS_PATH=windows.path(folder),
        WEBJOBS_SHUTDOWN_FILE=windows.path(folder / "shutdown"),
        WSGI_LOG=windows.path(log),
    ) as process:
        process.wait_until(lambda: log.exists() and "out: up" in log.read_text(), "the log")
        (folder / "shutdown").touch()
        assert process.wait() == 0, process.text
    text = log.read_text()
    assert "out: stopped in order" in text
    assert text.rstrip().endswith("shutdown exists.")


def test_two_launchers_of_one_file(windows: WindowsPython, folder: Path) -> None:
    """The lock of the first shows the second that the file is in use: it removes nothing."""
    code = code_of('print("up", flush=True)', LISTENS)
    with job(windows, folder, code=code) as first:
        first.process.wait_for("out: up")
        with job(windows, folder) as second:
            second.process.wait_for("out: up")
            assert "Another launcher also watches" in second.process.text
            first.stop()
            assert second.process.wait() == 0


def test_singleton(windows: WindowsPython, folder: Path) -> None:
    """The second waits for the lease in the storage, and runs once the first has stopped."""
    code = code_of('print("up", flush=True)', LISTENS)
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    with azurite() as storage:
        named: dict[str, Any] = {"AzureWebJobsStorage": storage.connection_string, "code": code}
        options = ("--singleton", "--singleton-name", "only")
        with (
            job(windows, folder / "one", *options, **named) as first,
            job(windows, folder / "two", *options, **named) as second,
        ):
            running, waiting = first, second

            def one_runs() -> bool:
                return any("out: up" in one.process.text for one in (first, second))

            first.process.wait_until(one_runs, "a worker")
            if "out: up" in second.process.text:
                running, waiting = second, first
            waiting.process.wait_for("Waiting: another instance has the lease on only.")
            assert "out: up" not in waiting.process.text
            running.stop()
            waiting.process.wait_for("out: up")
            waiting.stop()


# What LaunchWorker.ps1 does, for a PowerShell that Wine has not.
POWERSHELL = r"""
import os, subprocess, sys
at = sys.argv.index("-File")
assert sys.argv[at + 1] == "LaunchWorker.ps1", sys.argv
assert os.path.exists(sys.argv[at + 1]), os.getcwd()
os.chdir(os.pardir)
sys.exit(subprocess.call([os.environ["PYTHON"], *sys.argv[at + 2 :]]))
"""


def test_ps_cmd_of_a_worker_role(windows: WindowsPython, folder: Path) -> None:
    """It passes arguments and the exit code on, and appends the output to its files."""
    role, tools, store = folder / "my role", folder / "tools", folder / "store"
    tools.mkdir()
    shutil.copytree(REPOSITORY / "examples/worker/QueueWorker/bin", role / "bin")
    write_program(windows, tools / "powershell.exe", POWERSHELL)
    write(
        role / "worker.py",
        """
        import os, sys
        print(sys.argv[1:], os.path.basename(os.getcwd()), flush=True)
        print("gone", file=sys.stderr)
        sys.exit(7)
        """,
    )
    arguments = ("LaunchWorker.ps1", *LAUNCHER, "--once", "worker.py", "a b", "--c")
    environ = windows.environ(PYTHON=windows.path(windows.home / "python.exe"))
    done = windows.run_command(
        windows.cmd(r"bin\ps.cmd", *arguments),
        cwd=role,
        DiagnosticStore=windows.path(store),
        PYTHON=environ["PYTHON"],
        WINEPATH=f"{windows.path(tools)};{environ['WINEPATH']}",
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, b"", b"")
    logs = store / "LogFiles"
    for name in ("LaunchWorker.ps1.txt", "LaunchWorker.ps1.log"):
        log = (logs / name).read_text()
        assert "run=1 out: ['a b', '--c'] my role" in log, log
        assert "run=1 err: gone" in log
        assert "ending with exit code 7." in log
    assert (logs / "LaunchWorker.ps1.err.txt").read_bytes() == b""


def write_program(windows: WindowsPython, path: Path, code: str) -> None:
    """Make an .exe of Python code, as pip makes those of its commands."""
    launcher = windows.home / "Lib/site-packages/pip/_vendor/distlib/t64.exe"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__main__.py", code)
    python = windows.path(windows.home / "python.exe")
    path.write_bytes(launcher.read_bytes() + f"#!{python}\r\n".encode() + packed.getvalue())
