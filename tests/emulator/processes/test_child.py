"""Children of the emulator: started, read, and ended with all processes that they started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from appsvc_runtime.emulator.processes.child import Child
from appsvc_runtime.emulator.processes.output import MAX_LINE, TAIL_CHARACTERS, ChildOutput
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.system import procfs
from appsvc_runtime.system.process_tree import Tree
from tests.support.servers import clean_environ

Result = TypeVar("Result")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
needs_signals = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGTERM and SIGKILL")
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="/proc shows who")
IGNORE = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
SLEEP = "import time; print('up', flush=True); time.sleep(120)\n"
# A child of the child, in a session of its own, with the pipes open.
LINGER = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    print("lingering", os.getpid(), flush=True)
    time.sleep(120)
"""


class Log:
    """The lines logged, as (label, text)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, label: str, text: str) -> None:
        """Add a line."""
        self.lines.append((label, text))

    def texts(self) -> list[str]:
        """Return the texts alone."""
        return [text for _, text in self.lines]

    async def wait_for(self, start: str, seconds: float = 20) -> str:
        """Wait for a line that starts with a text."""
        deadline = time.monotonic() + seconds
        while True:
            for text in self.texts():
                if text.startswith(start):
                    return text
            assert time.monotonic() < deadline, f"no {start!r} in {self.lines}"
            await asyncio.sleep(0.005)


def run(call: Callable[[Log], Awaitable[Result]]) -> Result:
    """Run a test with a timeout of a minute."""
    return asyncio.run(asyncio.wait_for(call(Log()), 60))


async def start(log: Log, code: str, cwd: Path | str = ".", **options: Any) -> Child:
    return await Child.start(
        [sys.executable, "-c", code], environ=clean_environ(), cwd=cwd, say=log, **options
    )


async def gone(pid: int, seconds: float = 20) -> None:
    """Wait until a process has ended."""
    deadline = time.monotonic() + seconds
    while (found := procfs.look(pid)) and found.running:
        assert time.monotonic() < deadline, f"{pid} is still there"
        await asyncio.sleep(0.005)


def test_lines_come_labelled_and_the_code_is_given() -> None:
    """Both streams come in whole lines; an incomplete line at the child's end is a line too."""

    async def check(log: Log) -> None:
        child = await start(
            log,
            "import sys; print('one'); sys.stdout.flush(); print('two', file=sys.stderr)\n"
            "sys.stdout.write('three'); sys.stdout.flush(); sys.exit(3)",
            label="python-1",
        )
        assert child.pid > 0
        assert await child.wait() == 3 == child.returncode
        assert sorted(log.lines) == [("python-1", text) for text in ("one", "three", "two")]
        assert sorted(child.tail().splitlines()) == ["one", "three", "two"]
        child.kill()

    run(check)


def test_folder_and_variables_are_those_given(tmp_path: Path) -> None:
    """The child has the given folder and variables, and an empty standard input."""

    async def check(log: Log) -> None:
        child = await Child.start(
            [sys.executable, "-c", "import os, sys; print(os.getcwd(), os.environ['A'], sys.stdin.read() == '')"],  # noqa: E501
            environ={**clean_environ(), "A": "1"}, cwd=tmp_path, say=log,
        )  # fmt: skip
        assert await child.wait() == 0
        assert log.texts() == [f"{tmp_path.resolve()} 1 True"]
        child.kill()

    run(check)


def test_what_was_printed_before_comes_before(tmp_path: Path) -> None:
    """It may still be in the pipe, such as of a program that has just responded."""

    async def check(log: Log) -> None:
        child = await start(
            log, f"print('up', flush=True); open({str(tmp_path / 'done')!r}, 'w')\n{SLEEP}"
        )
        deadline = time.monotonic() + 60
        while not (tmp_path / "done").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)  # the event loop reads nothing meanwhile
        assert not log.texts()
        await child.catch_up()
        assert log.texts()[0] == "up"
        child.kill()

    run(check)


@needs_signals
def test_child_that_stops_when_asked() -> None:
    """It is logged, and nothing is killed."""

    async def check(log: Log) -> None:
        child = await start(log, SLEEP)
        await log.wait_for("up")
        assert await child.stop(30)
        assert child.returncode == -signal.SIGTERM
        assert "(It has stopped.)" in log.texts()
        assert await child.stop(30)  # a second call does nothing
        assert log.texts().count("(It has stopped.)") == 1

    run(check)


@needs_signals
def test_child_that_does_not_stop_is_killed() -> None:
    """After the time it was given it is killed, and that is logged."""

    async def check(log: Log) -> None:
        child = await start(log, IGNORE + SLEEP)
        await log.wait_for("up")
        assert not await child.stop(0.05)
        assert child.returncode == -signal.SIGKILL
        assert "(It did not stop within 0.05 s and is killed.)" in log.texts()

    run(check)


def test_child_that_cannot_be_asked_is_killed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows, without a console: to wait would be in vain."""

    async def check(log: Log) -> None:
        child = await start(log, SLEEP)
        await log.wait_for("up")
        assert not await asyncio.wait_for(child.stop(600), 60)
        assert child.returncode in (-9, 1)  # SIGKILL, or killed on Windows
        assert log.texts()[-1].startswith("(No CTRL+BREAK can be sent")

    monkeypatch.setattr(Tree, "ask_to_stop", lambda *_, **__: False)
    run(check)


@needs_fork
@needs_proc
@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("leader", ["lives", "has-ended"])
def test_what_the_child_started_ends_too(how: str, leader: str) -> None:
    """Processes that left the session end too, whether or not the child itself still runs."""

    async def check(log: Log) -> None:
        child = await start(log, LINGER + ("else: time.sleep(120)" if leader == "lives" else ""))
        lingering = int((await log.wait_for("lingering")).split()[1])
        if leader == "has-ended":
            assert await asyncio.wait_for(child.wait(), 20) == 0  # although the pipes stay open
        if how == "stop":
            assert await child.stop(10)
        else:
            child.kill()
        await gone(lingering)
        await gone(child.pid)

    run(check)


@needs_proc
def test_cancelled_stop_leaves_nothing() -> None:
    """As by a second Ctrl-C, processes that had time to stop are killed at once."""

    async def check(log: Log) -> None:
        child = await start(log, IGNORE + SLEEP)
        await log.wait_for("up")
        stopping = asyncio.ensure_future(child.stop(60))
        await asyncio.sleep(0.05)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        await gone(child.pid)
        assert await child.wait() == -signal.SIGKILL

    run(check)


@needs_proc
def test_cancelled_start_leaves_nothing() -> None:
    """No process is left, wherever the start is interrupted."""

    async def check(log: Log) -> None:
        for turns in range(12):
            starting = asyncio.ensure_future(start(log, SLEEP))
            for _ in range(turns):
                await asyncio.sleep(0)
            starting.cancel()
            child = None
            with contextlib.suppress(asyncio.CancelledError):
                child = await starting
            if child:
                await child.stop(0)
        own = os.getpid()
        left = [one for one in procfs.processes() if one.parent == own and one.running]
        assert left == []

    run(check)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("missing", "does not exist", id="missing"),
        pytest.param("plain.txt", "cannot be run", id="not-executable"),
        pytest.param("rubbish", "cannot be run", id="no-program"),
        pytest.param(".", "cannot be run", id="folder"),
        pytest.param("nul\0", "could not be started", id="null-character"),
    ],
)
def test_interpreter_that_cannot_be_started(tmp_path: Path, name: str, message: str) -> None:
    """The error is one sentence with the program's name."""
    (tmp_path / "plain.txt").write_text("no program")
    (tmp_path / "rubbish").write_bytes(b"\0\1\2 no program")
    (tmp_path / "rubbish").chmod(0o755)

    async def check(log: Log) -> None:
        program = os.path.join(tmp_path, name)
        with pytest.raises(ConfigError, match=message) as caught:
            await Child.start([program], environ=clean_environ(), cwd=tmp_path, say=log)
        shown = f"'{program}'" if program.isprintable() else repr(program)
        assert shown in caught.value.message
        assert caught.value.exit_code == 2

    run(check)


def test_folder_that_does_not_exist(tmp_path: Path) -> None:
    """The error names the folder, not the interpreter."""

    async def check(log: Log) -> None:
        with pytest.raises(ConfigError, match=r"folder .*no-such.* does not exist"):
            await start(log, SLEEP, cwd=tmp_path / "no-such")

    run(check)


@needs_fork
def test_socket_as_standard_input() -> None:
    """As FastCGI needs it: the child accepts connections on it."""

    async def check(log: Log) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            child = await start(
                log,
                "import socket\n"
                "taken, _ = socket.socket(fileno=0).accept()\n"
                "taken.sendall(b'hello'); taken.close()",
                stdin=listening,
            )
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            assert await reader.read() == b"hello"
            writer.close()
            await writer.wait_closed()
            assert await child.wait() == 0
            child.kill()

    run(check)


def test_output_is_copied_to_the_file(tmp_path: Path) -> None:
    """Bytes are appended unchanged, to a path that may contain the child's process id."""

    async def check(log: Log) -> None:
        code = "import sys; sys.stdout.buffer.write(b'\\xff\\r\\nnew')"
        (tmp_path / "log.txt").write_bytes(b"old\n")
        child = await start(log, code, log_file=str(tmp_path / "log.txt"))
        await child.wait()
        child.kill()
        assert (tmp_path / "log.txt").read_bytes() == b"old\n\xff\r\nnew"
        assert log.texts() == ["\\xff", "new"]
        child = await start(log, code, log_file=lambda pid: str(tmp_path / f"{pid}.log"))
        await child.wait()
        child.kill()
        assert (tmp_path / f"{child.pid}.log").read_bytes() == b"\xff\r\nnew"

    run(check)


def test_streams_are_copied_apart(tmp_path: Path) -> None:
    """Streams get separate files, as in ps.cmd; a listener gets the stream of each line."""
    heard: list[tuple[int, str]] = []

    async def run() -> None:
        code = "import sys; print('out'); print('err', file=sys.stderr)"
        child = await Child.start(
            [sys.executable, "-c", code],
            environ=os.environ,
            cwd=tmp_path,
            say=lambda *_: None,
            log_file=str(tmp_path / "out.txt"),
            error_file=str(tmp_path / "err.txt"),
            listener=lambda stream, text: heard.append((stream, text)),
        )
        try:
            assert await child.wait() == 0
        finally:
            child.kill()

    asyncio.run(run())
    assert (tmp_path / "out.txt").read_text() == "out\n"
    assert (tmp_path / "err.txt").read_text() == "err\n"
    assert sorted(heard) == [(1, "out"), (2, "err")]


def test_log_file_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    """The child continues, and its lines are still logged."""

    async def check(log: Log) -> None:
        path = str(tmp_path / "no" / "log.txt")
        child = await start(log, "print(1); print(2)", log_file=path)
        assert await child.wait() == 0
        child.kill()
        assert [text for text in log.texts() if path in text] == [
            f"(The log file {path} cannot be written: No such file or directory.)"
        ]
        assert {"1", "2"} <= set(log.texts())

    run(check)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full")
def test_full_disk_is_said_once() -> None:
    """The copy ends there; the lines are still logged."""
    lines: list[str] = []
    output = ChildOutput(lines.append)
    output.copy_to("/dev/full")
    output.add(1, b"a\n")
    output.add(1, b"b\n")
    output.end()
    assert lines == [
        "(The log file /dev/full cannot be written: No space left on device.)",
        "a",
        "b",
    ]


def test_much_output_takes_little_memory() -> None:
    """Memory stays small, however fast the output is, and however long its lines."""

    async def check(log: Log) -> None:
        seen = 0

        def count(label: str, text: str) -> None:
            nonlocal seen
            seen += len(text)

        code = (
            "import os\nfor _ in range(600): os.write(1, b'x' * 20_000); os.write(2, b'y\\n' * 500)"
        )
        child = await Child.start(
            [sys.executable, "-c", code], environ=clean_environ(), cwd=".", say=count
        )
        tracemalloc.start()
        assert await child.wait() == 0
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        child.kill()
        assert seen == 600 * 20_500
        assert peak < 4_000_000
        assert len(child.tail()) <= TAIL_CHARACTERS

    run(check)


@pytest.mark.parametrize("size", [1, 7, 4096, 65536])
def test_lines_do_not_depend_on_how_they_arrive(size: int) -> None:
    """Characters of several bytes are never cut, even in long lines."""
    lines: list[str] = []
    output = ChildOutput(lines.append)
    text = "a\r\n\né\n" + "€" * 4000 + "\n" + "end"
    data = text.encode()
    for at in range(0, len(data), size):
        output.add(1, data[at : at + size])
    output.end(1)
    assert lines[:3] == ["a", "", "é"]
    assert lines[-1] == "end"
    assert "".join(lines[3:-1]) == "€" * 4000
    assert all(len(line.encode()) <= MAX_LINE for line in lines)


def test_tail_holds_what_came_last() -> None:
    """The tail is the last 64 lines and any incomplete line, in at most 8192 characters."""
    output = ChildOutput(lambda text: None)
    output.add(1, b"".join(b"%d\n" % number for number in range(100)))
    output.add(2, b"Traceback")
    assert output.tail().splitlines() == [*(str(number) for number in range(36, 100)), "Traceback"]
    output.add(1, b"x" * 100_000)
    assert len(output.tail()) <= TAIL_CHARACTERS


def test_streams_are_not_mixed() -> None:
    """Half a line of one stream is not joined with a line of the other."""
    lines: list[str] = []
    output = ChildOutput(lines.append)
    output.add(1, b"half ")
    output.add(2, b"error\n")
    output.add(1, b"done\n")
    assert lines == ["error", "half done"]
