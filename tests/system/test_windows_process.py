"""Whether a process runs: asked of Windows by a handle, with stand-ins."""

from __future__ import annotations

import ctypes
import os
from types import SimpleNamespace
from typing import Any

import pytest

from appsvc_runtime.emulator.processes import run_folder
from appsvc_runtime.system import process, process_tree

HANDLE = 4711
ACCESS_DENIED, INVALID_PARAMETER, NOT_ENOUGH_MEMORY = 5, 87, 8
WAIT_OBJECT_0, WAIT_TIMEOUT = 0, 0x102


class Function:
    """A function of kernel32 that returns one result and records its calls."""

    def __init__(self, result: int) -> None:
        self.result = result
        self.calls: list[tuple[Any, ...]] = []
        self.restype: Any = None
        self.argtypes: Any = None

    def __call__(self, *arguments: Any) -> int:
        """Record a call."""
        self.calls.append(arguments)
        return self.result


@pytest.fixture
def kernel32(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Windows with a process that runs."""
    found = SimpleNamespace(
        OpenProcess=Function(HANDLE),
        WaitForSingleObject=Function(WAIT_TIMEOUT),
        CloseHandle=Function(1),
        error=0,
    )
    monkeypatch.setattr(process, "WINDOWS", True)
    monkeypatch.setattr(ctypes, "WinDLL", lambda _name, use_last_error: found, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: found.error, raising=False)

    def kill(*_: object) -> None:
        raise AssertionError("it would end the process")

    monkeypatch.setattr(os, "kill", kill)
    return found


@pytest.mark.parametrize(("waited", "runs"), [(WAIT_TIMEOUT, True), (WAIT_OBJECT_0, False)])
def test_a_process_with_a_handle(kernel32: SimpleNamespace, waited: int, runs: bool) -> None:
    """One that has ended may still have its id; the handle is closed."""
    kernel32.WaitForSingleObject.result = waited
    assert process.is_running(1234) is runs
    [(access, _, pid)] = kernel32.OpenProcess.calls
    assert (access, pid) == (0x0010_0000, 1234)
    assert kernel32.CloseHandle.calls == [(HANDLE,)]
    assert kernel32.OpenProcess.restype is ctypes.c_void_p


@pytest.mark.parametrize(
    ("error", "runs"),
    [(INVALID_PARAMETER, False), (ACCESS_DENIED, True), (NOT_ENOUGH_MEMORY, True)],
)
def test_a_process_without_a_handle(kernel32: SimpleNamespace, error: int, runs: bool) -> None:
    """Only one error says that there is no such process."""
    kernel32.OpenProcess.result, kernel32.error = 0, error
    assert process.is_running(1234) is runs
    assert not kernel32.CloseHandle.calls


def test_a_number_that_no_process_has(kernel32: SimpleNamespace) -> None:
    """It would be cut to another process's id."""
    assert process.is_running(1 << 40)
    assert not kernel32.OpenProcess.calls


def test_a_killed_emulator_does_not_run(
    kernel32: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the next one removes the folder that it left, which holds its process id."""
    monkeypatch.setattr(process_tree, "can_find_by_mark", lambda: False)
    assert run_folder._is_running(1234)
    kernel32.WaitForSingleObject.result = WAIT_OBJECT_0
    assert not run_folder._is_running(1234)
