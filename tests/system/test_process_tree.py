"""A started program with all that it starts: found, asked and ended, on this system."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.system import process, process_tree, procfs
from appsvc_runtime.system.process_tree import MARK, Tree
from tests.support.processes import is_running
from tests.support.servers import clean_environ

needs_proc = pytest.mark.skipif(
    sys.platform != "linux", reason="only /proc shows who left the group"
)

# Each process of a tree appends its id and name to the file `pids`, then does its work.
HEAD = """
import os, signal, subprocess, sys, time
def note(name):
    with open("pids", "a") as file:
        file.write(f"{os.getpid()} {name}\\n")
def sleep():
    time.sleep(120)
"""
IGNORE = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
FORK = "note('leader')\nif os.fork() == 0: note('child')\nsleep()\n"
DAEMON = """
note('leader')
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        note('daemon')
        sleep()
    os._exit(0)
os.wait()
sleep()
"""
LEFT_BEHIND = "note('leader')\nif os.fork() == 0:\n    note('child')\n    sleep()\n"
# In a session of its own and without the mark: only its parent identifies it.
NO_MARK = """
note('leader')
code = "import os, time; print(os.getpid(), 'unmarked', file=open('pids', 'a')); time.sleep(120)"
subprocess.Popen([sys.executable, "-c", code], env={}, start_new_session=True)
sleep()
"""
# It has no variables and no parent any more: only its session identifies it.
NO_MARK_NO_PARENT = """
code = "import os, time; print(os.getpid(), 'unmarked', file=open('pids', 'a')); time.sleep(120)"
note('leader')
subprocess.Popen([sys.executable, "-c", code], env={})
"""


class Program:
    """A program started in a tree, in a folder of its own."""

    def __init__(self, folder: Path, code: str, tree: Tree | None = None) -> None:
        self.folder = folder
        self.tree = tree or Tree()
        self.popen: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-c", HEAD + code],
            cwd=folder, env=self.tree.environ(os.environ), **self.tree.popen_options(),
        )  # fmt: skip
        self.tree.adopt(self.popen.pid)

    def pids(self, *names: str) -> dict[str, int]:
        """Return process ids by name, once all named processes have written theirs."""
        return wait_for(lambda: noted(self.folder, names))


def noted(folder: Path, names: tuple[str, ...]) -> dict[str, int]:
    with contextlib.suppress(OSError):
        lines = (folder / "pids").read_text().splitlines(keepends=True)
        pairs = [line.split() for line in lines if line.endswith("\n")]
        found = {name: int(pid) for pid, name in pairs}
        return found if set(names) <= set(found) else {}
    return {}


def wait_for(call: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        result = call()
        if result:
            return result
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start programs; none is left when the test is over."""
    started: list[Program] = []

    def call(code: str, tree: Tree | None = None) -> Program:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Program(folder, code, tree))
        return started[-1]

    yield call
    for program in started:
        program.popen.kill()
        program.popen.wait(20)
        for pid in noted(program.folder, ()).values():
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("code", "names"),
    [
        pytest.param("note('leader')\nsleep()", ["leader"], id="alone"),
        pytest.param(FORK, ["leader", "child"], id="child"),
        pytest.param(IGNORE + FORK, ["leader", "child"], id="ignores-sigterm"),
        pytest.param(DAEMON, ["leader", "daemon"], id="daemon", marks=needs_proc),
        pytest.param(IGNORE + DAEMON, ["leader", "daemon"], id="deaf-daemon", marks=needs_proc),
        pytest.param(NO_MARK, ["leader", "unmarked"], id="cleared-variables", marks=needs_proc),
    ],
)
def test_nothing_is_left_of_a_killed_tree(start: Start, code: str, names: list[str]) -> None:
    """Whatever its members did to escape."""
    program = start(code)
    pids = program.pids(*names)
    assert program.tree.kill() == []
    assert not [name for name in names if is_running(pids[name])]
    assert program.tree.alive() == []
    assert program.popen.wait(20) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("code", "name"),
    [
        pytest.param(LEFT_BEHIND, "child", id="marked"),
        pytest.param(NO_MARK_NO_PARENT, "unmarked", id="of-its-session", marks=needs_proc),
    ],
)
def test_who_outlives_the_leader_is_ended(start: Start, code: str, name: str) -> None:
    """The program itself has ended and been waited for; its id belongs to no process."""
    program = start(code)
    pid = program.pids("leader", name)[name]
    assert program.popen.wait(20) == 0
    assert program.tree.alive()
    assert not program.tree.ask_to_stop()
    assert program.tree.kill() == []
    wait_for(lambda: not is_running(pid))


def test_leader_is_asked(start: Start) -> None:
    """Only the leader is asked, so that it can end its children in its own way."""
    program = start(FORK)
    pids = program.pids("leader", "child")
    assert program.tree.ask_to_stop()
    assert program.popen.wait(20) == -signal.SIGTERM
    assert is_running(pids["child"])
    program.tree.kill()
    wait_for(lambda: not is_running(pids["child"]))


def test_everyone_is_asked(start: Start) -> None:
    """For a shell, which passes no signal on."""
    program = start(FORK)
    pids = program.pids("leader", "child")
    assert program.tree.ask_to_stop(everyone=True)
    assert program.popen.wait(20) == -signal.SIGTERM
    wait_for(lambda: not is_running(pids["child"]))
    assert program.tree.alive() == []


def test_others_are_left_alone(start: Start) -> None:
    """Another tree and this process are not killed."""
    one, other = start(FORK), start(FORK)
    one.pids("leader", "child")
    pids = other.pids("leader", "child")
    one.tree.kill()
    assert is_running(pids["leader"])
    assert is_running(pids["child"])
    other.tree.kill()


@needs_proc
def test_tree_within_a_tree(start: Start) -> None:
    """A child that makes trees of its own is ended with them, even if it was killed itself."""
    inner = (
        "note('leader')\n"
        f"sys.path.insert(0, {str(Path(process_tree.__file__).parents[2])!r})\n"
        "from appsvc_runtime.system.process_tree import Tree\n"
        "tree = Tree()\n"
        f"code = {HEAD + DAEMON.replace('leader', 'inner')!r}\n"
        "options = tree.popen_options()\n"
        "subprocess.Popen([sys.executable, '-c', code], env=tree.environ(os.environ), **options)\n"
        "sleep()\n"
    )
    outer = start(inner)
    pids = outer.pids("leader", "inner", "daemon")
    assert set(outer.tree.alive()) == set(pids.values())
    assert outer.tree.kill() == []
    assert not [name for name in pids if is_running(pids[name])]


@needs_proc
def test_children_made_while_it_is_killed_are_ended(start: Start) -> None:
    """A program that forks as fast as it can."""
    program = start(
        "note('leader')\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "for _ in range(300):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork(): os._exit(0)\n"
        "        time.sleep(60)\n"
        "sleep()\n"
    )
    program.pids("leader")
    wait_for(lambda: len(program.tree.alive()) > 5)
    assert program.tree.kill(20) == []
    assert program.tree.alive() == []


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG")
def test_program_ends_with_its_parent(start: Start) -> None:
    """Even if the parent is killed and cannot end it."""
    code = HEAD + IGNORE + "note('inner')\nsleep()"
    parent = start(
        "note('leader')\n"
        f"sys.path.insert(0, {str(Path(process_tree.__file__).parents[2])!r})\n"
        "from appsvc_runtime.system.process_tree import Tree\n"
        f"code = {code!r}\n"
        "subprocess.Popen([sys.executable, '-c', code], **Tree().popen_options())\n"
        "sleep()\n"
    )
    pids = parent.pids("leader", "inner")
    parent.popen.send_signal(signal.SIGKILL)
    parent.popen.wait(20)
    wait_for(lambda: not is_running(pids["inner"]))


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG")
def test_parent_that_ended_before_the_question() -> None:
    """The child notices that it has another parent, and never executes the program."""
    before_exec = Tree().popen_options()["preexec_fn"]
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.getppid = lambda: 1
            before_exec()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 127


@needs_proc
def test_recycled_number_is_not_signalled(start: Start) -> None:
    """Another program that now has the leader's id, and leads a session too, is left alone."""
    other = start("note('leader')\nsleep()")
    other.pids("leader")
    tree = Tree()
    tree.adopt(other.popen.pid)
    assert tree._started is not None
    tree._started -= 1  # it started at another time than the tree's leader
    assert tree.alive() == []
    assert not tree.ask_to_stop()
    assert not tree.ask_to_stop(everyone=True)
    assert tree.kill() == []
    assert other.popen.poll() is None


@needs_proc
def test_number_recycled_between_look_and_signal(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is checked again right before: it must be the one that was seen."""
    program = start("note('leader')\nsleep()")
    program.pids("leader")
    seen = procfs.look(program.popen.pid)
    assert seen is not None
    earlier = procfs.Process(seen.pid, seen.parent, seen.session, seen.started - 1, True)
    assert not process_tree._signal(earlier, signal.SIGKILL)
    assert program.popen.poll() is None
    monkeypatch.setattr(process_tree, "_pidfd", lambda pid: None)  # as on an old system
    assert not process_tree._signal(earlier, signal.SIGKILL)
    assert process_tree._signal(seen, signal.SIGTERM)
    assert program.popen.wait(20) == -signal.SIGTERM
    assert not process_tree._signal(seen, signal.SIGTERM)


@needs_proc
def test_own_process_is_never_a_member(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even if it has the mark, or seems to be the leader."""
    tree = Tree()
    mine = {os.getpid(): tree.mark}
    monkeypatch.setattr(procfs, "variable", lambda pid, name: mine.get(pid, ""))
    monkeypatch.setattr(process_tree, "_signal", lambda *_: pytest.fail("signalled"))
    tree.adopt(os.getpid())
    assert tree.alive() == []
    assert tree.kill() == []


def test_nothing_to_do_before_a_start() -> None:
    """A tree without a program."""
    tree = Tree()
    assert (tree.alive(), tree.ask_to_stop(), tree.kill()) == ([], False, [])
    tree.close()


def test_marks_are_kept() -> None:
    """Marks of enclosing trees are kept; the given mapping is not changed."""
    base = {"A": "1"}
    outer = Tree().environ(base)
    inner = Tree().environ(outer)
    assert base == {"A": "1"}
    assert inner[MARK].startswith(outer[MARK] + ":")
    assert len(inner[MARK]) == 2 * len(outer[MARK]) + 1
    assert inner["A"] == "1"


def test_groups_where_there_is_no_proc(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS: the program's group is ended, and once empty never signalled again."""
    monkeypatch.setattr(process_tree, "_linux", lambda: False)
    program = start(LEFT_BEHIND)
    pids = program.pids("leader", "child")
    assert program.popen.wait(20) == 0
    assert program.tree.alive() == [program.popen.pid]
    program.tree.kill(0.0)
    wait_for(lambda: not is_running(pids["child"]))
    wait_for(lambda: not program.tree.alive())  # until the system has waited for it
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("signalled"))
    assert program.tree.kill() == []


def test_leader_of_a_group_is_asked(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, or with its group."""
    monkeypatch.setattr(process_tree, "_linux", lambda: False)
    calls: list[tuple[str, int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: calls.append(("one", pid, number)))
    monkeypatch.setattr(os, "killpg", lambda pid, number: calls.append(("group", pid, number)))
    tree = Tree()
    tree.adopt(99999999)
    assert tree.ask_to_stop()
    assert tree.ask_to_stop(everyone=True)
    assert calls == [("one", 99999999, signal.SIGTERM), ("group", 99999999, signal.SIGTERM)]


def test_ended_group_of_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, signalling processes that have ended but are not waited for is forbidden."""

    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(process_tree, "_linux", lambda: False)
    monkeypatch.setattr(os, "killpg", refuse)
    tree = Tree()
    tree.adopt(99999999)
    assert tree.kill() == []


def test_this_room_asks_for_its_system() -> None:
    """The module detects the system on which the tests run."""
    assert (sys.platform == "win32") == process.WINDOWS


def test_abort_ends_the_program_alone_by_sigabrt(start: Start) -> None:
    """A Python then shows its stack; its children are not signalled."""
    program = start(FORK)
    pids = program.pids("leader", "child")
    assert program.tree.abort()
    assert program.popen.wait(20) == -signal.SIGABRT
    assert is_running(pids["child"])
    assert not program.tree.abort()  # it is gone


@needs_proc
def test_another_process_finds_a_tree_by_its_mark(start: Start) -> None:
    """It finds all processes with the mark and their children, and no others."""
    program, other = start(DAEMON), start(FORK)
    pids = program.pids("leader", "daemon")
    others = other.pids("leader", "child")
    found = Tree(program.tree.mark)
    assert set(found.alive()) >= set(pids.values())
    assert found.kill() == []
    assert not any(is_running(pid) for pid in pids.values())
    assert all(is_running(pid) for pid in others.values())


@needs_proc
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("APPSVC_TREE", "{mark}", True, id="alone"),
        pytest.param("APPSVC_TREE", "outer:{mark}:inner", True, id="between"),
        pytest.param("APPSVC_TREE", "{mark}1", False, id="longer"),
        pytest.param("APPSVC_TREE", "1{mark}", False, id="longer-before"),
        pytest.param("APPSVC_TREE_2", "{mark}", False, id="other-variable"),
        pytest.param("NOTES", "APPSVC_TREE={mark}", False, id="in-a-text"),
    ],
)
def test_only_a_whole_mark_counts(name: str, value: str, expected: bool) -> None:
    """All processes with a mark are killed: nothing else may match. This test only searches."""
    tree = Tree()
    environ = {**clean_environ(), name: value.format(mark=tree.mark)}
    code = "print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        assert started.stdout is not None
        started.stdout.readline()
        assert tree.alive() == ([started.pid] if expected else [])
        started.kill()


@pytest.mark.parametrize("mark", ["x", "given", "0" * 31, "0" * 16 + ":" + "0" * 16])
def test_a_mark_that_others_may_have_is_refused(mark: str) -> None:
    """It may occur by chance, as a word in a variable: all such processes would be killed."""
    with pytest.raises(ValueError, match="at least 32 characters and no colon"):
        Tree(mark)


def test_marks_differ() -> None:
    """So that no tree ends another."""
    assert len({Tree().mark for _ in range(100)}) == 100
    assert Tree("given-" * 6).mark == "given-" * 6
