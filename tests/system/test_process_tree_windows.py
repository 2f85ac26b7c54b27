"""A program and all that it starts, as on Windows: the calls made, with stand-ins."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from appsvc_runtime.system import console_break, job_object, process, process_tree
from appsvc_runtime.system.process_tree import MARK, Tree
from appsvc_runtime.system.tree_guard import bound_to_this_process

PID = 4711
JOB, PROCESS = 0x1_0000_0001, 0x1_0000_0002  # handles that a C int would truncate
OWN = 2**64 - 1
BREAK = 1


class Function:
    """A function of kernel32: records its calls, and returns a given result."""

    def __init__(self, name: str, kernel32: Kernel32) -> None:
        self.name = name
        self.kernel32 = kernel32
        self.restype: Any = None
        self.argtypes: list[Any] = []

    def __call__(self, *arguments: Any) -> Any:
        """Record a call; its arguments must be as many and as wide as declared."""
        assert len(arguments) == len(self.argtypes)
        for argument, kind in zip(arguments, self.argtypes, strict=True):
            if isinstance(argument, int):
                assert kind(argument).value == argument
        self.kernel32.calls.append((self.name, arguments))
        return getattr(self.kernel32, f"on_{self.name}", lambda *_: 1)(*arguments)


class Kernel32:
    """The part of it, and of ntdll, that a job object needs."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.members = [PID, PID + 1]
        self.limits = 0
        self.refuses: str = ""
        self.runs = False
        self.functions: dict[str, Function] = {}

    def __getattr__(self, name: str) -> Any:
        """Return a function by its name."""
        if name.startswith(("_", "on_")):
            raise AttributeError(name)
        return self.functions.setdefault(name, Function(name, self))

    def names(self) -> list[str]:
        """Return the names of the calls, in order."""
        return [name for name, _ in self.calls]

    def breaks(self) -> list[tuple[Any, ...]]:
        """Return the console's events that were sent, each with its group."""
        return [sent for name, sent in self.calls if name == "GenerateConsoleCtrlEvent"]

    def on_GenerateConsoleCtrlEvent(self, event: int, group: int) -> int:  # noqa: N802
        """Send an event, if this process has a console."""
        return int(self.refuses != "GenerateConsoleCtrlEvent")

    def on_OpenProcess(self, access: int, inherit: bool, pid: int) -> int:  # noqa: N802
        """Return the process's handle."""
        return 0 if self.refuses == "OpenProcess" else PROCESS

    def on_NtResumeProcess(self, handle: int) -> int:  # noqa: N802
        """Let the process run."""
        assert handle == PROCESS
        self.runs = True
        return 0

    def on_GetCurrentProcess(self) -> int:  # noqa: N802
        """Return what stands for this process itself."""
        return OWN

    def on_CreateJobObjectW(self, *_: Any) -> int:  # noqa: N802
        """Return a new job."""
        return 0 if self.refuses == "CreateJobObjectW" else JOB

    def on_SetInformationJobObject(self, job: int, kind: int, data: Any, size: int) -> int:  # noqa: N802
        """Read the limits at their place in the structure."""
        assert (job, kind, size) == (JOB, 9, ctypes.sizeof(job_object._ExtendedLimits))
        self.limits = ctypes.cast(data, ctypes.POINTER(ctypes.c_uint32))[4]  # after 16 bytes
        return int(self.refuses != "SetInformationJobObject")

    def on_AssignProcessToJobObject(self, *_: Any) -> int:  # noqa: N802
        """Put a process into the job."""
        return int(self.refuses != "AssignProcessToJobObject")

    def on_QueryInformationJobObject(  # noqa: N802
        self, job: int, kind: int, data: Any, size: int, length: None
    ) -> int:
        """Write the process ids as Windows does."""
        assert (job, kind) == (JOB, 3)
        ids = ctypes.cast(data, ctypes.POINTER(job_object._ProcessIds)).contents
        ids.NumberOfAssignedProcesses = len(self.members)
        ids.NumberOfProcessIdsInList = len(self.members)
        for at, pid in enumerate(self.members):
            ids.ProcessIdList[at] = pid
        return 1

    def on_TerminateJobObject(self, job: int, code: int) -> int:  # noqa: N802
        """End all processes in it."""
        assert job == JOB
        self.members = []
        return 1

    def on_TerminateProcess(self, handle: int, code: int) -> int:  # noqa: N802
        """End the process alone."""
        assert handle == PROCESS
        self.members = []
        return 1

    def on_WaitForSingleObject(self, handle: int, milliseconds: int) -> int:  # noqa: N802
        """Return whether the process has ended."""
        assert (handle, milliseconds) == (PROCESS, 0)
        return 0x102 if self.members else 0


@pytest.fixture
def kernel32(monkeypatch: pytest.MonkeyPatch) -> Kernel32:
    """Windows, as far as these modules check for it."""
    found = Kernel32()

    def load(name: str, use_last_error: bool) -> Kernel32:
        assert name in ("kernel32", "ntdll")
        assert use_last_error
        return found

    monkeypatch.setattr(process, "WINDOWS", True)
    monkeypatch.setattr(ctypes, "WinDLL", load, raising=False)
    monkeypatch.delattr(os, "killpg", raising=False)
    # It would end the program where CTRL+BREAK cannot be sent.
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("os.kill was called"))
    return found


@pytest.fixture
def adopted(kernel32: Kernel32) -> Tree:
    """A tree with its program."""
    tree = Tree()
    tree.adopt(PID)
    return tree


def test_program_is_put_into_a_job_that_ends_with_us(adopted: Tree, kernel32: Kernel32) -> None:
    """The limit is set before the program is put in, and the handles have their full width."""
    assert kernel32.names() == [
        "OpenProcess", "CreateJobObjectW", "SetInformationJobObject", "AssignProcessToJobObject",
        "NtResumeProcess",
    ]  # fmt: skip
    access, inherit, pid = kernel32.calls[0][1]
    assert access & 0x0001  # PROCESS_TERMINATE
    assert access & 0x0100  # PROCESS_SET_QUOTA: assigning needs both
    assert access & 0x0800  # PROCESS_SUSPEND_RESUME
    assert (inherit, pid) == (False, PID)
    assert kernel32.limits == 0x2000  # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    assert kernel32.calls[-2][1] == (JOB, PROCESS)
    assert kernel32.OpenProcess.restype is ctypes.c_void_p
    assert kernel32.CreateJobObjectW.restype is ctypes.c_void_p


@pytest.mark.skipif(sys.maxsize < 2**32, reason="sizes on 64 bits")
def test_structures_are_as_large_as_those_of_windows() -> None:
    """SetInformationJobObject refuses any other size."""
    assert ctypes.sizeof(job_object._BasicLimits) == 64
    assert ctypes.sizeof(job_object._ExtendedLimits) == 144
    assert job_object._ProcessIds.ProcessIdList.offset == 8


def test_options_of_the_start(kernel32: Kernel32) -> None:
    """A group of its own, for CTRL+BREAK, and suspended; no option of other systems."""
    assert Tree().popen_options() == {"creationflags": 0x200 | 0x4}
    assert len(Tree().environ({})[MARK]) == 32


def test_all_in_the_job_are_killed(adopted: Tree, kernel32: Kernel32) -> None:
    """In one call."""
    assert adopted.alive() == [PID, PID + 1]
    assert adopted.kill() == []
    assert kernel32.names().count("TerminateJobObject") == 1
    assert adopted.alive() == []


def test_program_is_asked_by_break(adopted: Tree, kernel32: Kernel32) -> None:
    """It reaches the group that the program leads; not after the program has ended."""
    assert adopted.ask_to_stop()
    assert kernel32.breaks() == [(BREAK, PID)]
    kernel32.members = [PID + 1]
    assert not adopted.ask_to_stop()
    assert kernel32.breaks() == [(BREAK, PID)]


def test_no_signal_shows_a_stack(adopted: Tree, kernel32: Kernel32) -> None:
    """Windows has no such signal: the program is neither signalled nor ended."""
    assert not adopted.abort()
    assert adopted.alive() == [PID, PID + 1]
    assert kernel32.breaks() == []


def test_trees_are_found_by_their_job_alone(kernel32: Kernel32) -> None:
    """Another process cannot find one by its mark, and `not_after` has no effect."""
    assert not process_tree.can_find_by_mark()
    assert Tree().popen_options(not_after=0.0) == Tree().popen_options()


def test_no_console_to_send_a_break_through(adopted: Tree, kernel32: Kernel32) -> None:
    """As in a service: the program cannot be asked, and goes on."""
    kernel32.refuses = "GenerateConsoleCtrlEvent"
    assert not adopted.ask_to_stop()
    assert adopted.alive() == [PID, PID + 1]


def test_no_break_is_sent_to_every_process_of_the_console(kernel32: Kernel32) -> None:
    """Group 0 would be all of them, this process included."""
    assert not console_break.send_break(0)
    assert kernel32.breaks() == []


def test_closing_lets_both_handles_go_once(adopted: Tree, kernel32: Kernel32) -> None:
    """With the job's last handle Windows ends what is left."""
    adopted.close()
    adopted.close()
    closed = [arguments for name, arguments in kernel32.calls if name == "CloseHandle"]
    assert closed == [(JOB,), (PROCESS,)]
    assert (adopted.alive(), adopted.kill(), adopted.ask_to_stop()) == ([], [], False)


@pytest.mark.parametrize(
    ("refuses", "closed"),
    [
        pytest.param("CreateJobObjectW", [], id="no-job"),
        pytest.param("SetInformationJobObject", [(JOB,)], id="no-limit"),
        pytest.param("AssignProcessToJobObject", [(JOB,)], id="inside-another-job"),
    ],
)
def test_without_a_job_the_program_alone_is_ended(
    kernel32: Kernel32, refuses: str, closed: list[tuple[int]]
) -> None:
    """Through a handle, so that its id is not reused; the job's handle is not leaked."""
    kernel32.refuses = refuses
    tree = Tree()
    tree.adopt(PID)
    assert kernel32.runs
    assert [arguments for name, arguments in kernel32.calls if name == "CloseHandle"] == closed
    assert tree.alive() == [PID]
    assert tree.kill() == []
    assert "TerminateJobObject" not in kernel32.names()
    assert ("TerminateProcess", (PROCESS, 1)) in kernel32.calls


def test_program_that_is_gone_already(kernel32: Kernel32) -> None:
    """It cannot be opened: no process is left, and none is signalled."""
    kernel32.refuses = "OpenProcess"
    tree = Tree()
    tree.adopt(PID)
    assert (tree.alive(), tree.kill(), tree.ask_to_stop()) == ([], [], False)
    assert kernel32.names() == ["OpenProcess"]


def test_before_the_start(kernel32: Kernel32) -> None:
    """No signal that only other systems have is used."""
    tree = Tree()
    call: Callable[[], object]
    for call in (tree.alive, tree.kill, tree.ask_to_stop, tree.close):
        assert not call()
    assert kernel32.calls == []


def test_own_job_ends_with_this_process_until_it_is_released(kernel32: Kernel32) -> None:
    """This process is put in, for what it starts is in it too then; without a limit it goes on."""
    with bound_to_this_process():
        assert kernel32.calls[-1] == ("AssignProcessToJobObject", (JOB, OWN))
        assert kernel32.limits == 0x2000
    assert kernel32.limits == 0
    assert kernel32.calls[-1] == ("CloseHandle", (JOB,))


@pytest.mark.parametrize("refuses", ["CreateJobObjectW", "AssignProcessToJobObject"])
def test_without_an_own_job_the_block_runs(kernel32: Kernel32, refuses: str) -> None:
    """Inside a job that allows no other one; nothing is released that was not made."""
    kernel32.refuses = refuses
    with bound_to_this_process():
        closed = kernel32.names().count("CloseHandle")
    assert kernel32.names().count("CloseHandle") == closed
