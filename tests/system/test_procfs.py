"""What Linux reports about processes, from its own files and from made-up ones."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appsvc_runtime.system import procfs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux")

STAT = "{pid} ({name}) {state} {parent} 70 {session} 0 -1 4194304" + " 1" * 12 + " {started} 9 9\n"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc of the test's own."""
    monkeypatch.setattr(procfs, "PROC", str(tmp_path))
    return tmp_path


def add(folder: Path, pid: int, name: str = "python", state: str = "S", **fields: int) -> None:
    (folder / str(pid)).mkdir()
    values = {"parent": 1, "session": 2, "started": 3, **fields}
    text = STAT.format(pid=pid, name=name, state=state, **values)
    (folder / str(pid) / "stat").write_text(text)


@pytest.mark.parametrize("name", ["python", "a b", ") Z 1 1 1 (", "((", "", "new\nline"])
def test_names_do_not_mislead(made: Path, name: str) -> None:
    """A program may choose any name."""
    add(made, 5, name, parent=6, session=7, started=8)
    assert procfs.look(5) == procfs.Process(5, 6, 7, 8, True)


@pytest.mark.parametrize(
    ("state", "running"),
    [("R", True), ("S", True), ("D", True), ("T", True), ("Z", False), ("X", False)],
)
def test_states(made: Path, state: str, running: bool) -> None:
    """A stopped process has not ended; a zombie has."""
    add(made, 5, state=state)
    found = procfs.look(5)
    assert found is not None
    assert found.running == running


def test_all_processes(made: Path) -> None:
    """Folders that are numbers, if their processes still exist."""
    add(made, 5)
    add(made, 50)
    (made / "51").mkdir()  # it ended meanwhile
    (made / "52").mkdir()
    (made / "52" / "stat").write_text("52 (half")
    (made / "self").mkdir()
    (made / "uptime").write_text("1")
    assert sorted(one.pid for one in procfs.processes()) == [5, 50]


def test_no_proc(made: Path) -> None:
    """As on other systems: nothing is known, and nothing is raised."""
    made.rmdir()
    assert list(procfs.processes()) == []
    assert procfs.look(1) is None
    assert procfs.variable(1, "PATH") == ""
    assert procfs.listeners([1]) == []
    assert procfs.is_listened_on(80) is None


def test_own_process() -> None:
    """As the system itself reports it."""
    found = procfs.look(os.getpid())
    assert found is not None
    assert (found.parent, found.session) == (os.getppid(), os.getsid(0))
    assert found in list(procfs.processes())


def test_variables_at_the_start() -> None:
    """Those with which a process was started, by their whole name."""
    variables = {"A_MARK": "1", "MARK": "a:b1c=d", "MARK_2": "3", "EMPTY": ""}
    started = subprocess.Popen(
        [sys.executable, "-c", "input()"], env=variables, stdin=subprocess.PIPE
    )
    with started:
        deadline = time.monotonic() + 20
        while not procfs.variable(started.pid, "MARK"):  # Linux sets them a moment after its start
            assert time.monotonic() < deadline
            time.sleep(0.001)
        found = {name: procfs.variable(started.pid, name) for name in variables}
        assert found == variables
        assert [procfs.variable(started.pid, name) for name in ("ARK", "MAR", "", "a:b1c")] == [
            ""
        ] * 4
        started.kill()


@pytest.mark.parametrize(
    ("family", "address"),
    [
        pytest.param(socket.AF_INET, "127.0.0.1", id="loopback"),
        pytest.param(socket.AF_INET, "127.1.2.3", id="other-loopback"),
        pytest.param(socket.AF_INET, "0.0.0.0", id="all"),
        pytest.param(socket.AF_INET6, "::1", id="ipv6"),
        pytest.param(socket.AF_INET6, "::", id="both"),
    ],
)
def test_listeners(family: socket.AddressFamily, address: str) -> None:
    """Listening sockets by address, without connections."""
    if family == socket.AF_INET6 and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6")
    with socket.socket(family) as bound:
        bound.bind((address, 0))
        place = (address, bound.getsockname()[1])
        assert place not in procfs.listeners([os.getpid()])
        bound.listen()
        with socket.create_connection(bound.getsockname()[:2]) as connected:
            found = procfs.listeners([os.getpid(), 99999999])
            assert place in found
            assert ("127.0.0.1", connected.getsockname()[1]) not in found
        assert place not in procfs.listeners([os.getppid()])
        assert procfs.is_listened_on(place[1]) == (family == socket.AF_INET)
    assert procfs.is_listened_on(place[1]) is False


def test_another_system_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder /proc may be anything there."""
    monkeypatch.setattr(sys, "platform", "win32")
    own = os.getpid()
    assert procfs.look(own) is None
    assert not [*procfs.processes(), *procfs.words(own), *procfs.listeners([own])]
    assert procfs.limit(own, "Max open files") == ("", "")
    assert procfs.is_listened_on(80) is None
    assert not procfs.shows_own_namespace()
